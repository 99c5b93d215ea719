"""Carries the source's own fine detail to the output's size.

A guided filter (He, Sun, Tang 2010; fast form: He and Sun 2015) fits, in each window at the working size, a linear map
from the source's luma to the edited colour. Slope and offset, enlarged, are applied to the luma of the source at the
output's size: a detail of the source comes through in full where brightness was kept, not at all where the edit is
flat, and turned over where brightness was. What the map does not explain of the edit is enlarged with the offset.

Maps are enlarged by cubic convolution as products with matrices of which only the bands that are not zero are kept, and
applied in strips that stay in a core's cache. numpy alone, so that exported graphs need no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Planes = NDArray[np.float32]

LUMA = (0.2126, 0.7152, 0.0722)
RADIUS = 4
"""Window radius in pixels of the working size."""
EPSILON = 1e-4
"""Variance below which the source counts as flat, (2.5 code values)^2 of 255."""
CUBIC = -0.75
"""The slope of the cubic kernel, as torch and Pillow's neighbours have it; Keys (1981) has -0.5."""
COLUMNS, LINES = 64, 32
"""Of the output, that are made at once."""


def transfer(full: Pixels, source: Pixels, edited: Pixels, size: tuple[int, int], amount: float) -> Pixels:
    """Bring one edited frame to `size` (width, height) with the source's detail.

    `full` is the source's frame `(H, W, 3)` at its own size, `source` and `edited` are `(h, w, 3)` at the working size,
    all uint8 RGB. `amount` in [0, 1] scales the detail.
    """
    if amount > 0 and full.shape[:2] != size[::-1]:
        full = np.asarray(Image.fromarray(full).resize(size, Image.Resampling.BICUBIC))
    offset, slope = _maps(source, edited, amount)
    return applied(offset, slope, full, size)


def applied(offset: Planes, slope: Planes | None, full: Pixels, size: tuple[int, int]) -> Pixels:
    """Linear maps of luma, enlarged to `size` (width, height) and applied to the luma of `full` `(H, W, 3)` uint8.

    `offset` and `slope` are `(C, h, w)` for values and luma in [0, 255]. Gives `(H, W, C)` uint8, rounded and cut.
    """
    (count, high, _), (width, height) = offset.shape, size
    maps = offset + np.float32(0.5) if slope is None else np.concatenate([offset + np.float32(0.5), slope])
    wide = np.empty((len(maps), high, width), np.float32)
    for band in _bands(maps.shape[2], width, COLUMNS):
        np.matmul(maps[..., band.read], band.weights.T, out=wide[..., band.made])
    pixels = np.empty((height, width, count), np.uint8)
    luma = np.array(LUMA, np.float32)
    for band in _bands(high, height, LINES):
        strip = band.weights @ wide[:, band.read]
        values = strip[:count]
        if slope is not None:
            strip[count:] *= full[band.made] @ luma
            values += strip[count:]
        # A plane at a time: three times as fast as all at once.
        for channel, plane in enumerate(np.clip(values, 0, 255, out=values).astype(np.uint8)):
            pixels[band.made, :, channel] = plane
    return pixels


def _maps(source: Pixels, edited: Pixels, amount: float) -> tuple[Planes, Planes | None]:
    """Offsets and slopes of the three colours, `(3, h, w)` each; no slopes for an `amount` of 0."""
    result = _planes(edited)
    if amount <= 0:
        return result, None
    guide: Planes = np.tensordot(np.array(LUMA, np.float32), _planes(source), axes=1)
    slope = np.float32(amount) * _slopes(guide, result)
    return result - slope * guide, slope


def _slopes(guide: Planes, edited: Planes) -> Planes:
    """Smoothed slopes `(3, h, w)` of edited colour against the source's luma `(h, w)`, both in [0, 255]."""
    mean = _box(guide)
    variance = _box(guide * guide) - mean * mean
    covariance = _box(guide * edited) - mean * _box(edited)
    covariance /= variance + np.float32(EPSILON * 255**2)
    return _box(covariance)


def _box(image: Planes) -> Planes:
    """Mean over a window of `2 RADIUS + 1` pixels a side, edges repeated; `(..., h, w)`."""
    for axis in (image.ndim - 1, image.ndim - 2):
        widths = [(0, 0)] * image.ndim
        widths[axis] = (RADIUS, RADIUS)
        # Nine neighbours as three times three.
        image = _three(_three(np.pad(image, widths, mode="edge"), axis, 1), axis, 3)
    image *= np.float32(1 / (2 * RADIUS + 1) ** 2)
    return image


def _three(image: Planes, axis: int, step: int) -> Planes:
    """Sums of three places, `step` apart along an axis."""
    length = image.shape[axis] - 2 * step
    parts = [image[(slice(None),) * axis + (slice(first, first + length),)] for first in (0, step, 2 * step)]
    total: Planes = parts[0] + parts[1]
    total += parts[2]
    return total


def _planes(pixels: Pixels) -> Planes:
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32)


@dataclass(frozen=True)
class Band:
    """A part of an enlarging matrix: `weights` from the places in `read` to those in `made`."""

    made: slice
    read: slice
    weights: Planes


@lru_cache(maxsize=16)
def _bands(before: int, after: int, most: int) -> tuple[Band, ...]:
    """Cubic convolution from a length to another, pixel centres at halves and edges repeated, `most` places a band."""
    place = (np.arange(after) + 0.5) * before / after - 0.5
    taps = np.floor(place).astype(np.int64)[:, None] + np.arange(-1, 3)
    distance = np.abs(place[:, None] - taps)
    near = ((CUBIC + 2) * distance - (CUBIC + 3)) * distance**2 + 1
    far = ((CUBIC * distance - 5 * CUBIC) * distance + 8 * CUBIC) * distance - 4 * CUBIC
    weights = np.where(distance <= 1, near, far).astype(np.float32)
    taps = taps.clip(0, before - 1)
    bands = []
    for first in range(0, after, most):
        made = slice(first, min(after, first + most))
        low, high = int(taps[made].min()), int(taps[made].max()) + 1
        matrix: Planes = np.zeros((made.stop - first, high - low), np.float32)
        np.add.at(matrix, (np.arange(made.stop - first)[:, None], taps[made] - low), weights[made])
        bands.append(Band(made, slice(low, high), matrix))
    return tuple(bands)
