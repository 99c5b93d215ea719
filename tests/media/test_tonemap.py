"""The tone curve against the published formulas, and HDR files from end to end."""

from __future__ import annotations

import av
import numpy as np
import pytest

from movie_cli.errors import SourceError
from movie_cli.media import FrameReader, ReadOptions, probe
from movie_cli.media.colour import ColourTags, ToRgb
from movie_cli.media.tonemap import HLG, PQ, REFERENCE_WHITE, ToneMap, hlg_to_scene, light_to_pq, pq_to_light, roll_off
from tests.media.clips import SHARED, identity_edit, make_clip, needs_ffmpeg, needs_shared


def greys(light, curve=PQ):
    signal = np.asarray(light_to_pq(np.asarray(light, float)))
    codes = np.rint(signal * 65535).astype(np.uint16)
    return ToneMap(curve, 9)(np.repeat(codes[None, :, None], 3, 2))[0]


def test_known_points_of_the_curves():
    # SMPTE ST 2084 and ITU-R BT.2408, table 1: 100, 203 and 1,000 cd/m2 are 51, 58 and 75 % of PQ.
    assert light_to_pq(np.array([0.0, 100, 203, 1000, 10000])) == pytest.approx([0, 0.508, 0.581, 0.752, 1], abs=1e-3)
    assert pq_to_light(light_to_pq(np.array([0.01, 5.0, 4000.0]))) == pytest.approx([0.01, 5, 4000])
    # ITU-R BT.2100, table 5: half a signal is a twelfth of the light.
    assert hlg_to_scene(np.array([0.0, 0.5, 1.0])) == pytest.approx([0, 1 / 12, 1], abs=1e-6)


def test_the_roll_off_keeps_the_darks_and_reaches_white_at_the_peak():
    light = np.linspace(0.01, 1000, 2000)
    rolled = roll_off(light, 1000)
    assert rolled[light < 85] == pytest.approx(light[light < 85])
    assert (np.diff(rolled) > 0).all()
    assert rolled[-1] == pytest.approx(REFERENCE_WHITE, rel=1e-3)
    assert roll_off(np.array([50.0, 400.0]), 203).tolist() == [50, 203]


def test_greys_stay_grey_and_in_order():
    shown = greys([0, 0.1, 1, 10, 50, 100, 203, 400, 1000, 4000])
    assert (shown.max(-1).astype(int) - shown.min(-1) <= 1).all()
    assert (np.diff(shown[:9, 0].astype(int)) > 0).all()
    assert (shown[0] == 0).all()
    assert (shown[-2:] >= 254).all()
    # 50 of 203 cd/m2 on a display with BT.1886's power of 2.4.
    assert shown[4, 0] == pytest.approx(255 * (50 / 203) ** (1 / 2.4), abs=1.5)


def test_saturated_colours_are_clipped_to_bt709():
    red = np.zeros((1, 1, 3), np.uint16)
    red[..., 0] = round(float(light_to_pq(np.array(150.0))) * 65535)
    shown = ToneMap(PQ, 9)(red)[0, 0]
    assert shown[0] > 200
    assert (shown[1:] == 0).all()


def test_hlg_of_75_percent_is_nearly_white():
    code = np.full((1, 1, 3), round(0.75 * 65535), np.uint16)
    assert 225 <= ToneMap(HLG, 9)(code).min() <= 250


HDR = {"color_range": "tv", "colorspace": "bt2020nc", "color_primaries": "bt2020", "color_trc": "smpte2084"}


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv422p10le", "yuv444p10le"])
@pytest.mark.parametrize("size", [(64, 48), (48, 36), (96, 72)])
def test_strong_colours_are_those_of_the_curve_at_every_size(pix_fmt, size):
    frame = av.VideoFrame(64, 48, pix_fmt)
    for plane, code in zip(frame.planes, (480, 400, 600), strict=True):
        np.frombuffer(memoryview(plane), np.uint16)[:] = code
    luma, blue, red = (480 / 4 - 16) / 219, (400 / 4 - 128) / 224, (600 / 4 - 128) / 224
    signal = np.array([luma + 1.4746 * red, luma - 0.16455 * blue - 0.57135 * red, luma + 1.8814 * blue])
    wanted = ToneMap(PQ, 9)(np.rint(signal * 65535).astype(np.uint16)[None, None])[0, 0].astype(int)
    shown = ToRgb(ColourTags(1, 9, 9, PQ, 9, 1), size)(frame)
    assert np.abs(shown[10, 10] - wanted).max() <= 2


@needs_ffmpeg
def test_an_hdr_file_becomes_bt709_and_says_so(tmp_path):
    source = make_clip(tmp_path / "a.mp4", frames=3, options=HDR)
    info = probe(source)
    assert info.video.colour.hdr
    assert any("HDR (PQ)" in note and "BT.709" in note for note in info.notes)
    identity_edit(source, tmp_path / "out.mp4")
    after = probe(tmp_path / "out.mp4")
    assert after.video.colour.to_dict() | {"range": None} == {
        "range": None,
        "matrix": "bt709",
        "primaries": "bt709",
        "transfer": "bt709",
        "effective_range": "limited",
        "effective_matrix": "bt709",
    }
    assert not after.notes
    with pytest.raises(SourceError, match=r"is HDR \(PQ\)"):
        probe(source, ReadOptions(hdr="refuse"))


@needs_shared
def test_a_real_hlg_clip_is_neither_black_nor_burnt_out():
    with FrameReader(SHARED / "odd" / "media__dolbyVision-hdr.MOV") as reader:
        frames = [frame.pixels for frame in reader]
    assert reader.info.video.colour.hdr
    assert 20 < np.mean(frames) < 235
    assert (np.asarray(frames) == 255).mean() < 0.2
