"""Painting an output's planes from luma and edit, against the way over RGB, and against what is stored."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from movie_cli.editing.finishing import carried, painted
from movie_cli.media import EncodeOptions, FrameReader, probe
from movie_cli.media.colour import FULL, LIMITED, FromRgb, Scaler, ToRgb
from movie_cli.media.encoder import plan_video
from movie_cli.media.planes import Canvas, ToLuma
from movie_cli.models.detail import transfer
from tests.media.clips import make_clip, picture

SIZE, SMALL = (192, 128), (96, 64)


def textured(size):
    noise = np.random.default_rng(0).integers(-12, 13, (size[1] // 2, size[0] // 2, 1))
    fine = noise.repeat(2, 0).repeat(2, 1)
    return np.clip(picture(3, (size[0] // 2 * 2, size[1] // 2 * 2)).astype(int) + fine, 0, 255).astype(np.uint8)


def stored(path, pixels, pix_fmt="yuv420p", matrix=1, colour_range=LIMITED, size=SIZE, **options):
    """A lossless film of one picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        (stream.width, stream.height), stream.pix_fmt = size, pix_fmt
        context = stream.codec_context
        context.colorspace, context.color_range = matrix, colour_range
        context.color_primaries = context.color_trc = options.get("transfer", matrix)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels[: size[1], : size[0]]), format="rgb24")
        frame = frame.reformat(
            format=pix_fmt,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=FULL,
            dst_color_range=colour_range,
        )
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return path


def planes(frame):
    kind = np.dtype("<u2") if "10" in frame.format.name else np.dtype(np.uint8)
    rows = [np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width] for plane in frame.planes]
    return [plane.astype(float) for plane in rows]


def opened(path, out, size=None, small=SMALL, **options):
    """The one frame of a film, its luma beside it, and the output's canvas and set-up."""
    info = probe(path)
    size = size or info.video.display_size
    setup = plan_video(out, info, EncodeOptions(**options), size)
    frames = [next(iter(FrameReader(path, info=info, also_size=small, luma=luma))) for luma in (False, True)]
    return *frames, Canvas.of(setup), setup


def psnr(one, other, most=255.0):
    return 10 * np.log10(most**2 / max(1e-9, np.square(one.astype(float) - other).mean()))


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("matrix", [1, 4, 5, 6, 7, 9])
@pytest.mark.parametrize("colour_range", [LIMITED, FULL])
def test_an_identity_edit_keeps_every_matrix_and_range(tmp_path, pix_fmt, matrix, colour_range):
    bars = np.array([(191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0)], np.uint8)
    size = (768, 64)
    pixels = np.repeat(np.repeat(bars, size[0] // 6, 0)[None], size[1], 0)
    unit = 4 if "10" in pix_fmt else 1
    for source in (pixels, np.repeat(np.linspace(0, 255, size[0])[None, :, None], size[1], 0).repeat(3, 2)):
        path = stored(tmp_path / "in.mkv", source.astype(np.uint8), pix_fmt, matrix, colour_range, size)
        _, frame, canvas, setup = opened(path, tmp_path / "out.mkv", small=(384, 32), codec="ffv1", pix_fmt=pix_fmt)
        made = painted(canvas, frame.luma, frame.working, frame.working, setup.size, 1.0)
        assert (made.colorspace, made.color_range) == (matrix, colour_range)
        with av.open(str(path)) as container:
            before = planes(next(container.decode(video=0)))
        for one, other in zip(before, planes(made), strict=True):
            difference = np.abs(one - other)
            if source is pixels:
                # What the working size cannot hold is where two bars meet.
                bars_only = difference.reshape(len(difference), 6, -1)
                edge = bars_only.shape[-1] // 3
                difference = bars_only[..., edge:-edge]
            assert difference.max() <= unit


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("edit", ["same", "turned over", "grey", "dark"])
@pytest.mark.parametrize("amount", [0.0, 0.6, 1.0])
def test_it_gives_what_the_way_over_rgb_gives(tmp_path, pix_fmt, edit, amount):
    path = stored(tmp_path / "in.mkv", textured(SIZE), pix_fmt)
    frame, luma, canvas, setup = opened(path, tmp_path / "out.mkv", codec="ffv1", pix_fmt=pix_fmt)
    small = frame.working
    edited = {
        "same": small,
        "turned over": 255 - small,
        "grey": small.mean(2, keepdims=True).repeat(3, 2).astype(np.uint8),
        "dark": (small // 2).astype(np.uint8),
    }[edit]
    wanted = FromRgb(setup.tags, pix_fmt)(transfer(frame.pixels, small, edited, setup.size, amount))
    made = painted(canvas, luma.luma, luma.working, edited, setup.size, amount)
    assert made.format.name == wanted.format.name == pix_fmt
    most = 1023 if "10" in pix_fmt else 255
    for one, other in zip(planes(wanted), planes(made), strict=True):
        assert psnr(one, other, most) > 45
    assert psnr(ToRgb(setup.tags, SIZE)(wanted), ToRgb(setup.tags, SIZE)(made)) > 45


def test_ten_bits_come_through_where_the_output_has_them(tmp_path):
    ramp = np.repeat(np.linspace(100, 104, SIZE[0])[None, :, None], SIZE[1], 0).repeat(3, 2)
    frame = av.VideoFrame.from_ndarray((ramp * 257).round().astype(np.uint16), format="rgb48le")
    path = tmp_path / "in.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        (stream.width, stream.height), stream.pix_fmt = SIZE, "yuv420p10le"
        for packet in (*stream.encode(frame.reformat(format="yuv420p10le")), *stream.encode(None)):
            container.mux(packet)
    _, read, canvas, setup = opened(path, tmp_path / "out.mkv", codec="ffv1", pix_fmt="yuv420p10le")
    luma = planes(painted(canvas, read.luma, read.working, read.working, setup.size, 1.0))[0]
    assert len(np.unique(luma)) > 8


@pytest.mark.parametrize("rotate", ["keep", "apply"])
def test_turned_pictures_stay_turned(tmp_path, rotate):
    path = make_clip(tmp_path / "turned.mp4", frames=1, size=SIZE, rotation=90, options={"crf": "4"})
    small = SMALL[::-1]
    frame, luma, canvas, setup = opened(path, tmp_path / "out.mp4", small=small, rotate=rotate)
    assert setup.size == SIZE[::-1] and setup.stored == (SIZE if rotate == "keep" else SIZE[::-1])
    edited = (255 - frame.working // 2).astype(np.uint8)
    made = painted(canvas, luma.luma, luma.working, edited, setup.size, 1.0)
    wanted = setup.orientation.undo(transfer(frame.pixels, frame.working, edited, setup.size, 1.0))
    for one, other in zip(planes(FromRgb(setup.tags, "yuv420p")(wanted)), planes(made), strict=True):
        assert psnr(one, other) > 45


@pytest.mark.parametrize(("size", "amount"), [((128, 96), 1.0), ((300, 200), 1.0), ((300, 200), 0.0)])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le"])
def test_another_output_size_than_the_sources(tmp_path, size, amount, pix_fmt):
    path = stored(tmp_path / "in.mkv", textured(SIZE), pix_fmt)
    frame, luma, canvas, setup = opened(path, tmp_path / "out.mkv", size=size, codec="ffv1", pix_fmt="yuv420p")
    made = painted(canvas, luma.luma, luma.working, 255 - frame.working, size, amount)
    wanted = FromRgb(setup.tags, "yuv420p")(transfer(frame.pixels, frame.working, 255 - frame.working, size, amount))
    for one, other in zip(planes(wanted), planes(made), strict=True):
        assert psnr(one, other) > 40


@pytest.mark.parametrize(("size", "amount"), [(SIZE, 1.0), (SIZE, 0.6), ((300, 200), 1.0), ((300, 200), 0.0)])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le", "bgr0"])
def test_the_next_edit_gets_the_luma_of_this_one(tmp_path, size, amount, pix_fmt):
    path = stored(tmp_path / "in.mkv", textured(SIZE), pix_fmt)
    frame, luma, *_ = opened(path, tmp_path / "out.mkv", size=size)
    edited = (200 - frame.working // 2).astype(np.uint8)
    small, made = carried(luma.luma, luma.working, edited, size, amount)
    wanted = transfer(frame.pixels, frame.working, edited, size, amount)
    assert psnr(small, Scaler(SMALL)(wanted)) > 45
    assert made.plane.dtype == luma.luma.plane.dtype and made.plane.shape == size[::-1]
    grey = wanted @ np.array(made.weights, np.float32)
    assert psnr((made.plane - made.zero) / made.gain, grey) > (45 if size == SIZE else 40)


def test_odd_sides(tmp_path):
    size = (161, 97)
    path = stored(tmp_path / "in.mkv", textured((162, 98)), size=size)
    frame, luma, canvas, setup = opened(path, tmp_path / "out.mkv", small=(80, 48), codec="ffv1", pix_fmt="yuv420p")
    made = painted(canvas, luma.luma, luma.working, frame.working, size, 1.0)
    assert [plane.shape for plane in planes(made)] == [(97, 161), (49, 81), (49, 81)]
    wanted = FromRgb(setup.tags, "yuv420p")(transfer(frame.pixels, frame.working, frame.working, size, 1.0))
    for one, other in zip(planes(wanted), planes(made), strict=True):
        assert psnr(one, other) > 40


@pytest.mark.parametrize(("pix_fmt", "transfer_curve"), [("bgr0", 1), ("yuv420p10le", 16)])
def test_the_luma_of_rgb_and_of_hdr_is_that_of_the_picture_shown(tmp_path, pix_fmt, transfer_curve):
    matrix = 9 if transfer_curve == 16 else 1
    path = stored(tmp_path / "in.mkv", textured(SIZE), pix_fmt, matrix, transfer=transfer_curve)
    frame, luma, canvas, setup = opened(path, tmp_path / "out.mkv", codec="ffv1", pix_fmt="yuv420p")
    grey = frame.pixels @ np.array(luma.luma.weights, np.float32)
    assert np.abs(luma.luma.plane - grey).max() <= 0.51
    made = painted(canvas, luma.luma, luma.working, frame.working, setup.size, 1.0)
    assert psnr(ToRgb(setup.tags, SIZE)(made), frame.pixels) > 30


@pytest.mark.parametrize(("name", "pix_fmt"), [("out.gif", None), ("out_%04d.png", None), ("out.mkv", "bgr0")])
def test_outputs_in_rgb_have_no_canvas(tmp_path, name, pix_fmt):
    path = stored(tmp_path / "in.mkv", textured(SIZE))
    codec = "ffv1" if pix_fmt else None
    assert (
        Canvas.of(plan_video(tmp_path / name, probe(path), EncodeOptions(codec=codec, pix_fmt=pix_fmt), SIZE)) is None
    )


def test_a_frame_read_for_its_luma_has_no_rgb_of_full_size(tmp_path):
    path = stored(tmp_path / "in.mkv", textured(SIZE))
    frame, luma, *_ = opened(path, tmp_path / "out.mkv")
    assert frame.luma is None and frame.pixels.shape == (*SIZE[::-1], 3)
    assert luma.pixels is luma.working and np.array_equal(luma.working, frame.working)
    assert luma.luma.plane.shape == SIZE[::-1]
    with av.open(str(path)) as container:
        assert np.array_equal(planes(next(container.decode(video=0)))[0], luma.luma.plane)


def test_a_picture_of_another_size_midway_is_scaled(tmp_path):
    frame = av.VideoFrame.from_ndarray(textured((96, 64)), format="rgb24").reformat(format="yuv420p")
    path = stored(tmp_path / "in.mkv", textured(SIZE))
    luma = ToLuma(probe(path).video.colour, SIZE).luma(frame)
    enlarged = np.asarray(Image.fromarray(textured((96, 64))).resize(SIZE, Image.Resampling.BICUBIC))
    assert luma.plane.shape == SIZE[::-1]
    assert psnr(luma.plane, enlarged @ np.array(luma.weights)) > 25
