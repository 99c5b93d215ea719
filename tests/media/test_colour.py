"""The exact formulas of ITU-T H.273 against what ffmpeg's scaler makes of them."""

from __future__ import annotations

import itertools
from fractions import Fraction

import av
import numpy as np
import pytest

from movie_cli.media import EncodeOptions, FrameReader
from movie_cli.media.colour import FULL, LIMITED, ColourTags, FromRgb, ToRgb
from tests.media.clips import identity_edit

WEIGHTS = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
SIZE = (256, 64)


def tags(matrix, colour_range):
    return ColourTags(colour_range, matrix, matrix, matrix, matrix, colour_range)


def exact_yuv(rgb, matrix, colour_range):
    red, blue = WEIGHTS[matrix]
    r, g, b = (rgb[..., i] / 255 for i in range(3))
    y = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)
    if colour_range == FULL:
        return np.stack([255 * y, 128 + 255 * u, 128 + 255 * v], -1)
    return np.stack([16 + 219 * y, 128 + 224 * u, 128 + 224 * v], -1)


def planes(frame):
    luma = np.frombuffer(frame.planes[0], np.uint8).reshape(SIZE[1], -1)[:, : SIZE[0]]
    chroma = [np.frombuffer(frame.planes[i], np.uint8).reshape(SIZE[1] // 2, -1)[:, : SIZE[0] // 2] for i in (1, 2)]
    return np.stack([luma, *(plane.repeat(2, 0).repeat(2, 1) for plane in chroma)], -1)


def ramp():
    return np.repeat(np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], SIZE[1], 0), 3, 2)


def bars():
    pixels = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    for index, colour in enumerate(itertools.product((0, 191), repeat=3)):
        pixels[:, index * 32 : (index + 1) * 32] = colour
    return pixels


@pytest.mark.parametrize("matrix", WEIGHTS)
@pytest.mark.parametrize("colour_range", [LIMITED, FULL])
def test_matrix_and_range_are_honoured(matrix, colour_range):
    chosen = tags(matrix, colour_range)
    for source, inside in ((ramp(), slice(None)), (bars(), slice(16, None, 32))):
        frame = FromRgb(chosen, "yuv420p")(source)
        stored = planes(frame)
        assert np.abs(stored - exact_yuv(source, matrix, colour_range))[:, inside].max() <= 1.05
        assert (frame.colorspace, frame.color_range) == (matrix, colour_range)
        back = ToRgb(chosen, SIZE)(frame)
        again = planes(FromRgb(chosen, "yuv420p")(back))
        assert np.abs(again.astype(int) - stored)[:, inside].max() <= 1
        grey = source is not None and inside == slice(None)
        assert np.abs(back.astype(int) - source)[:, inside].max() <= (1 if grey else 2)


def test_the_wrong_matrix_would_show():
    frame = FromRgb(tags(1, LIMITED), "yuv420p")(bars())
    wrong = ToRgb(tags(6, LIMITED), SIZE)(frame)
    assert np.abs(wrong.astype(int) - bars())[:, 16::32].max() > 10


def test_transparency_lies_on_black():
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[...] = (200, 100, 50, 128)
    frame = av.VideoFrame.from_ndarray(pixels, format="rgba")
    assert ToRgb(tags(6, LIMITED), (8, 8))(frame)[0, 0].tolist() == [100, 50, 25]


SMPTE = [(191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0), (0, 0, 191), (0, 0, 0)]
"""The colours of the bars of SMPTE EG 1, at 75 %."""


def smpte_bars():
    return np.repeat(np.repeat(np.array(SMPTE, np.uint8), SIZE[0] // 8, 0)[None], SIZE[1], 0)


def stored(path, depth):
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert (frame.width, frame.height) == SIZE
        kind, step = (np.uint8, 1) if depth == 8 else (np.dtype("<u2"), 2)
        planes = []
        for plane in frame.planes:
            rows = np.frombuffer(plane, kind).reshape(plane.height, -1)
            assert plane.line_size == rows.shape[1] * step
            planes.append(rows[:, : plane.width].astype(int))
        return planes, (frame.colorspace, frame.color_range)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv444p10le"])
@pytest.mark.parametrize("matrix", WEIGHTS)
@pytest.mark.parametrize("colour_range", [LIMITED, FULL])
def test_an_identity_edit_keeps_ramp_and_bars_within_one_code_value(tmp_path, pix_fmt, matrix, colour_range):
    """From file to file through a lossless codec; 10 bits count in steps of 8."""
    depth, unit = (10, 4) if "10" in pix_fmt else (8, 1)
    for name, pixels in (("ramp", ramp()), ("bars", smpte_bars())):
        source, out = tmp_path / f"{name}.mkv", tmp_path / f"{name}-out.mkv"
        with av.open(str(source), "w") as container:
            stream = container.add_stream("ffv1", rate=25)
            (stream.width, stream.height), stream.pix_fmt = SIZE, pix_fmt
            context = stream.codec_context
            context.colorspace, context.color_range = matrix, colour_range
            context.color_primaries = context.color_trc = matrix
            for packet in (*stream.encode(FromRgb(tags(matrix, colour_range), pix_fmt)(pixels)), *stream.encode(None)):
                container.mux(packet)
        identity_edit(source, out, EncodeOptions(codec="ffv1", pix_fmt=pix_fmt))
        (before, said), (after, said_after) = stored(source, depth), stored(out, depth)
        assert said == said_after == (matrix, colour_range)
        for one, other in zip(before, after, strict=True):
            difference = np.abs(one - other)
            if name == "bars" and "444" not in pix_fmt:
                # Colour of half the width is mixed where two bars meet, and mixed again.
                bars = difference.reshape(len(difference), 8, -1)
                difference = bars[..., bars.shape[-1] // 4 : -(bars.shape[-1] // 4)]
            assert difference.max() <= unit, name


@pytest.mark.parametrize("out", ["ffv1.avi", "ffv1.mp4", "ffv1.mkv", "rawvideo.nut", "huffyuv.avi", "jpeg2000.mov"])
def test_a_full_range_is_the_limited_one_where_nothing_would_say_so(tmp_path, out):
    with av.open(str(tmp_path / "in.mkv"), "w") as container:
        stream = container.add_stream("mjpeg", rate=25, width=64, height=48, pix_fmt="yuvj420p")
        for index in range(3):
            grey = np.full((48, 64, 3), 30 + 90 * index, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24").reformat(format="yuvj420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    identity_edit(tmp_path / "in.mkv", tmp_path / out, EncodeOptions(codec=out.partition(".")[0]))
    before, after = (
        [frame.pixels.mean() for frame in FrameReader(path)] for path in (tmp_path / "in.mkv", tmp_path / out)
    )
    assert np.abs(np.subtract(before, after)).max() < 2
