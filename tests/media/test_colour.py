"""The exact formulas of ITU-T H.273 against what ffmpeg's scaler makes of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from movie_cli.media.colour import FULL, LIMITED, ColourTags, FromRgb, ToRgb

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
    import av

    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[...] = (200, 100, 50, 128)
    frame = av.VideoFrame.from_ndarray(pixels, format="rgba")
    assert ToRgb(tags(6, LIMITED), (8, 8))(frame)[0, 0].tolist() == [100, 50, 25]
