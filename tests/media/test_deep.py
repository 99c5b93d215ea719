"""What has more than eight bits stays so: HDR by a gain on the source's light, SDR by the difference."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from movie_cli.errors import UsageError
from movie_cli.media import EncodeOptions, FrameReader, ReadOptions, VideoWriter, plan_encoding, probe
from movie_cli.media.colour import ColourTags
from movie_cli.media.deep import AddHdrEdit, added
from movie_cli.media.tonemap import HLG, PQ, Light, ToneMap, light_to_pq, pq_to_light
from tests.media.clips import ODD, SHARED, needs_shared

LIGHTS = (0.0, 0.1, 1, 5, 20, 50, 100, 203, 400, 700, 1000)
SDR = 1
DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
"""Of BT.2020 as x265 counts, for 1,000 cd/m2."""


def tags(transfer):
    return ColourTags(1, 9, 9, transfer, 9, 1, 1000.0)


def write_ramp(path, transfer=PQ, size=(88, 32), frames=4):
    """A grey ramp up to 1,000 cd/m2, or to white, in 10 bits, without loss."""
    params = "lossless=1:log-level=error"
    params += f":master-display={DISPLAY}:max-cll=1000,400" if transfer == PQ else ""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=Fraction(25), options={"x265-params": params})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p10le"
        context = stream.codec_context
        context.color_range, context.color_trc = 1, transfer
        context.colorspace = context.color_primaries = 1 if transfer == SDR else 9
        signal = light_to_pq(np.array(LIGHTS)) if transfer == PQ else np.linspace(0, 1, len(LIGHTS))
        codes = np.rint(64 + 876 * signal).astype(np.uint16)
        for _ in range(frames):
            frame = av.VideoFrame(*size, "yuv420p10le")
            luma = np.repeat(np.repeat(codes, size[0] // len(LIGHTS))[None], size[1], 0)
            half = np.full((size[1] // 2, size[0] // 2), 512, np.uint16)
            for plane, values in zip(frame.planes, (luma, half, half), strict=True):
                lines = np.zeros((plane.height, plane.line_size // 2), np.uint16)
                lines[:, : values.shape[1]] = values
                plane.update(lines.tobytes())
            frame.color_trc, frame.color_range = transfer, 1
            frame.colorspace = frame.color_primaries = 1 if transfer == SDR else 9
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def luma_of(path):
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        plane = frame.planes[0]
        lines = np.frombuffer(memoryview(plane), np.uint16).reshape(plane.height, plane.line_size // 2)
        return lines[0, : plane.width].astype(float)


def edited(source, out, change=lambda pixels: pixels, **options):
    info = probe(source, ReadOptions(hdr="keep"))
    with FrameReader(source, info=info) as reader, VideoWriter(out, info, EncodeOptions(**options)) as writer:
        for frame in reader:
            writer.write(change(frame.pixels), frame.pts, frame.duration)
        return writer.commit()


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_codes_become_light_and_codes_again(transfer):
    codes = np.random.default_rng(0).integers(0, 65536, (40, 50, 3)).astype(np.uint16)
    light = Light(transfer, 9)
    again = light.codes(light.of(codes))
    assert np.abs(again.astype(int) - codes).max() <= 64  # one code of 10 bits
    grey = np.rint(light_to_pq(np.array([[[203.0] * 3]])) * 65535).astype(np.uint16)
    assert Light(PQ, 9).of(grey) == pytest.approx(203, rel=1e-3)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_an_edit_is_a_gain_on_light(transfer):
    codes = np.repeat(np.linspace(0, 65535, 64).astype(np.uint16)[None, :, None], 3, 2)
    seen = ToneMap(transfer, 9, 1000.0)(codes)
    carry, light = AddHdrEdit(tags(transfer)), Light(transfer, 9)
    assert np.array_equal(carry(codes, seen, seen), codes)
    # A stop darker: half the light, highlights that eight bits do not tell apart as well.
    darker = np.rint(255 * np.power(np.power(seen / 255, 2.4) / 2, 1 / 2.4)).astype(np.uint8)
    before, after = light.of(codes)[0, :, 0], light.of(carry(codes, seen, darker))[0, :, 0]
    bright = (before > 20) & (before < 1000)
    assert after[bright] / before[bright] == pytest.approx(0.5, abs=0.03)
    # Light where there was none stands where SDR shows it.
    black = np.zeros((1, 1, 3), np.uint16)
    lit = light.of(carry(black, np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 255, np.uint8)))
    assert lit == pytest.approx(203, rel=0.02)


def test_of_sdr_the_difference_is_added():
    codes = np.full((1, 2, 3), 30000, np.uint16)
    seen = np.full((1, 2, 3), 117, np.uint8)
    assert np.array_equal(added(codes, seen, seen), codes)
    assert (added(codes, seen, seen - 10) == 30000 - 2570).all()


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize(("ending", "codec"), [(".mp4", None), (".mkv", "ffv1"), (".mov", "prores")])
def test_an_identity_edit_keeps_light_tags_and_depth(tmp_path, transfer, ending, codec):
    source, out = write_ramp(tmp_path / "in.mp4", transfer), tmp_path / f"out{ending}"
    report = edited(source, out, codec=codec, crf=10 if codec is None else None)
    assert any("is kept" in message for message in report.messages)
    before, after = probe(source).video, probe(out).video
    assert after.bit_depth == 10
    for name in ("primaries", "transfer", "matrix"):
        assert getattr(after.colour, name) == getattr(before.colour, name)
    if transfer == PQ and codec is None:
        assert before.colour.mastering.light == (1000, 400)
        assert after.colour.mastering == before.colour.mastering
    assert np.abs(luma_of(out) - luma_of(source)).max() <= 4
    if transfer == PQ:
        found = [np.median(part) for part in np.split(luma_of(out), len(LIGHTS))]
        light = pq_to_light((np.array(found) - 64) / 876)
        assert light[4:] == pytest.approx(LIGHTS[4:], rel=0.02)


def test_ten_bits_of_sdr_stay_where_the_codec_has_them(tmp_path):
    source = write_ramp(tmp_path / "in.mp4", SDR)
    edited(source, tmp_path / "out.mkv", codec="ffv1")
    assert probe(tmp_path / "out.mkv").video.bit_depth == 10
    assert np.abs(luma_of(tmp_path / "out.mkv") - luma_of(source)).max() <= 1
    assert len(set(luma_of(tmp_path / "out.mkv"))) == len(LIGHTS)
    edited(source, tmp_path / "out.mp4")
    assert probe(tmp_path / "out.mp4").video.bit_depth == 8


def test_what_becomes_of_hdr_is_told_and_refused(tmp_path):
    source = write_ramp(tmp_path / "in.mp4")
    info = probe(source)
    with VideoWriter(tmp_path / "out.mp4", info) as writer:
        assert any("becomes BT.709" in message for message in writer.messages)
    with pytest.raises(UsageError, match="--hdr keep needs 10 bits"):
        plan_encoding("o.mp4", EncodeOptions(pix_fmt="yuv420p"), (64, 48), deep="must")
    with pytest.raises(UsageError, match="holds no codec of 10 bits"):
        plan_encoding("o.gif", EncodeOptions(), (64, 48), deep="must")
    assert plan_encoding("o.mp4", EncodeOptions(), (64, 48), deep="must").codec == "libx265"


@needs_shared
@pytest.mark.parametrize("name", ["media__dolbyVision-hdr.MOV", "mp4parse-rust__video_colr_nclx_hlg.mp4"])
def test_real_clips_keep_their_tags(tmp_path, name):
    source = next((path for path in ODD if path.name == name), None)
    assert source is not None, SHARED
    edited(source, tmp_path / "out.mp4")
    before, after = probe(source).video, probe(tmp_path / "out.mp4").video
    assert after.colour.hdr
    assert after.bit_depth == 10
    assert (after.colour.transfer, after.colour.primaries) == (before.colour.transfer, before.colour.primaries)
    assert after.display_size == before.display_size
