"""Carries the source's own fine detail to the output's size.

A guided filter (He, Sun, Tang 2010; fast form: He and Sun 2015) fits, in each window at the working size, a linear map
from the source's luma to the edit. Slope and offset, enlarged, are applied to the luma of the source at the output's
size: a detail of the source comes through in full where brightness was kept, not at all where the edit is flat, and
turned over where brightness was. What the map does not explain of the edit is enlarged with the offset.

Maps are fitted on a coarse grid, as a window's mean changes little from a pixel to the next, and enlarged by cubic
convolution. Both are products with matrices of which only the bands that are not zero are kept, and are applied in
strips that stay in a core's cache, all on the caller's thread. numpy alone, so that exported graphs need no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from movie_cli.products import product, weighted

Pixels = NDArray[np.uint8]
Planes = NDArray[np.float32]

LUMA = (0.2126, 0.7152, 0.0722)
RADIUS = 4
"""Window radius in pixels of the working size."""
STEP = 2
"""Pixels of the working size from one fit to the next."""
EPSILON = 1e-4
"""Variance below which the source counts as flat, (2.5 code values)^2 of 255."""
CUBIC = -0.75
"""The slope of the cubic kernel, as torch and Pillow's neighbours have it; Keys (1981) has -0.5."""
COLUMNS, LINES, BLOCK = 32, 16, 2048
"""Of the output, that are made at once, and columns of a strip."""


@dataclass(frozen=True)
class Maps:
    """Linear maps of luma: `offset + slope * luma`, `(C, h, w)` each; without slopes the offset alone."""

    offset: Planes
    slope: Planes | None

    def part(self, which: slice) -> Maps:
        """The maps of some planes."""
        return Maps(self.offset[which], None if self.slope is None else self.slope[which])

    def of_codes(self, gain: float, zero: float) -> Maps:
        """The same maps for luma that is stored as `gain * luma + zero`."""
        if self.slope is None:
            return self
        slope = self.slope / np.float32(gain)
        return Maps(self.offset - slope * np.float32(zero), slope)


def fit(guide: Planes, edited: Planes, amount: float) -> Maps:
    """Maps from the source's luma `(h, w)` in [0, 255] to the edit's planes `(C, h, w)`, in any unit.

    `amount` in [0, 1] scales the detail; 0 needs none of the source.
    """
    if amount <= 0:
        return Maps(edited, None)
    slope = np.float32(amount) * _slopes(guide, edited)
    return Maps(edited - slope * guide, slope)


def paint(
    maps: Maps,
    luma: Callable[[slice], NDArray[Any]],
    planes: Sequence[NDArray[Any]],
    low: float,
    high: float,
) -> None:
    """Enlarge maps to the size of `planes` `(H, W)`, one for each, and fill these, rounded and cut to `low` and `high`.

    `luma` gives the lines in a slice of the luma at that size.
    """
    count, high_before, wide_before = maps.offset.shape
    height, width = planes[0].shape
    parts = [maps.offset + np.float32(0.5)] if maps.slope is None else [maps.offset + np.float32(0.5), maps.slope]
    wide = np.empty((len(parts) * count, high_before, width), np.float32)
    both = np.concatenate(parts)
    for band in _bands(wide_before, width, COLUMNS):
        product(both[..., band.read], band.weights.T, wide[..., band.made])
    blocks = [slice(first, min(width, first + BLOCK)) for first in range(0, width, BLOCK)]
    made = np.empty((len(wide), LINES, width), np.float32)
    for band in _bands(high_before, height, LINES):
        strip = made[:, : len(band.weights)]
        for block in blocks:
            product(band.weights, wide[:, band.read, block], strip[..., block])
        values = strip[:count]
        if maps.slope is not None:
            strip[count:] *= luma(band.made).astype(np.float32, copy=False)
            values += strip[count:]
        np.clip(values, low, high, out=values)
        for plane, value in zip(planes, values, strict=True):
            plane[band.made] = value.astype(plane.dtype)


def reduced(maps: Maps, luma: Planes, size: tuple[int, int]) -> Pixels:
    """What maps make at `size` (width, height), seen at their own size `(h, w)` again: nearly, without that picture.

    `size` is no smaller. Enlarging and averaging soften the offset. Slopes hardly change from a pixel to the next, so
    that they meet the luma as it was fitted, `(h, w)` in [0, 255].
    """
    down, across = (_softened(few, many) for few, many in zip(luma.shape, size[::-1], strict=True))
    planes = _multiplied(maps.offset, down, across)
    if maps.slope is not None:
        planes += maps.slope * luma
    return np.ascontiguousarray(np.rint(planes.clip(0, 255)).astype(np.uint8).transpose(1, 2, 0))


def transfer(full: Pixels, source: Pixels, edited: Pixels, size: tuple[int, int], amount: float) -> Pixels:
    """Bring one edited frame to `size` (width, height) with the source's detail.

    `full` is the source's frame `(H, W, 3)` at its own size, `source` and `edited` are `(h, w, 3)` at the working size,
    all uint8 RGB. `amount` in [0, 1] scales the detail.
    """
    if amount > 0 and full.shape[:2] != size[::-1]:
        full = np.asarray(Image.fromarray(full).resize(size, Image.Resampling.BICUBIC))
    return applied(fit(luma_of(source), planes_of(edited), amount), full, size)


def applied(maps: Maps, full: Pixels, size: tuple[int, int]) -> Pixels:
    """Maps of luma in [0, 255], enlarged to `size` (width, height) and applied to the luma of `full` `(H, W, 3)` uint8.

    Gives `(H, W, C)` uint8, rounded and cut.
    """
    pixels = np.empty((size[1], size[0], len(maps.offset)), np.uint8)
    paint(maps, lambda lines: luma_of(full[lines]), [pixels[..., index] for index in range(pixels.shape[2])], 0, 255)
    return pixels


def luma_of(pixels: Pixels, weights: Sequence[float] = LUMA) -> Planes:
    """Luma `(h, w)` of RGB `(h, w, 3)`, in the same unit."""
    return weighted(pixels, weights)


def planes_of(pixels: Pixels) -> Planes:
    """`(h, w, C)` uint8 to `(C, h, w)` float32, in the same unit."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32)


def guided(guide: Planes, targets: Planes, radius: int, epsilon: float) -> Maps:
    """Maps from luma `(h, w)` to what the guided filter makes of `targets` `(C, h, w)`: these, with the luma's edges.

    `radius` is of a window, in pixels, `epsilon` the variance of luma, in its own unit, below which it counts as flat.
    """
    slope, offset = _windowed(guide, targets, radius, epsilon, 1)
    down, across = (_windows(side, 1, 1, radius) for side in guide.shape)
    return Maps(*(_multiplied(planes, down, across) for planes in (offset, slope)))


def _slopes(guide: Planes, edited: Planes) -> Planes:
    """Smoothed slopes `(C, h, w)` of the edit `(C, h, w)` against the source's luma `(h, w)` in [0, 255]."""
    slope, _ = _windowed(guide, edited, RADIUS, EPSILON * 255**2, STEP)
    coarse = slope.shape[1:]
    smooth = _multiplied(slope, *(_windows(side, 1, STEP, RADIUS) for side in coarse))
    return _multiplied(smooth, *(_bands(few, many, COLUMNS) for few, many in zip(coarse, guide.shape, strict=True)))


def _windowed(guide: Planes, targets: Planes, radius: int, epsilon: float, step: int) -> tuple[Planes, Planes]:
    """Slope and offset `(C, h', w')` of luma that come nearest to targets in windows, one every `step` pixels."""
    count = len(targets)
    planes = np.empty((2 + 2 * count, *guide.shape), np.float32)
    planes[0], planes[1 : 1 + count] = guide, targets
    np.multiply(planes[: 1 + count], guide, out=planes[1 + count :])
    means = _multiplied(planes, *(_windows(side, step, 1, radius) for side in guide.shape))
    mean, level = means[0], means[1 : 1 + count]
    slope = means[2 + count :] - mean * level
    slope /= means[1 + count] - mean * mean + np.float32(epsilon)
    return slope, level - slope * mean


def _multiplied(planes: Planes, down: Sequence[Band], across: Sequence[Band]) -> Planes:
    """Planes `(C, h, w)` with both axes multiplied by matrices."""
    wide = np.empty((*planes.shape[:2], across[-1].made.stop), np.float32)
    for band in across:
        product(planes[..., band.read], band.weights.T, wide[..., band.made])
    made = np.empty((len(planes), down[-1].made.stop, wide.shape[2]), np.float32)
    for band in down:
        product(band.weights, wide[:, band.read], made[:, band.made])
    return made


@dataclass(frozen=True)
class Band:
    """A part of a matrix along an axis: `weights` from the places in `read` to those in `made`."""

    made: slice
    read: slice
    weights: Planes


@lru_cache(maxsize=32)
def _windows(before: int, step: int, unit: int, radius: int) -> tuple[Band, ...]:
    """Means over windows of `2 radius + 1` pixels, one every `step` places of `unit` pixels, edges repeated."""
    after = -(-before // step)
    size = (2 * radius + 1) / unit
    centre = (np.arange(after) + 0.5) * before / after - 0.5
    reach = int(np.ceil((size + 1) / 2))
    taps = np.floor(centre).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)
    # The share of a place that lies inside the window.
    weights = np.clip((size + 1) / 2 - np.abs(centre[:, None] - taps), 0, min(1, size)) / size
    return _cut(before, taps, weights, COLUMNS)


@lru_cache(maxsize=32)
def _bands(before: int, after: int, most: int) -> tuple[Band, ...]:
    """Cubic convolution from a length to another, pixel centres at halves and edges repeated, `most` places a band."""
    place = (np.arange(after) + 0.5) * before / after - 0.5
    taps = np.floor(place).astype(np.int64)[:, None] + np.arange(-1, 3)
    distance = np.abs(place[:, None] - taps)
    near = ((CUBIC + 2) * distance - (CUBIC + 3)) * distance**2 + 1
    far = ((CUBIC * distance - 5 * CUBIC) * distance + 8 * CUBIC) * distance - 4 * CUBIC
    return _cut(before, taps, np.where(distance <= 1, near, far), most)


@lru_cache(maxsize=32)
def _softened(few: int, many: int) -> tuple[Band, ...]:
    """Cubic convolution from a length to a longer one, and means over areas back."""
    there: Planes = np.zeros((many, few), np.float32)
    for band in _bands(few, many, COLUMNS):
        there[band.made, band.read] = band.weights
    edges = np.arange(few + 1) * many / few
    inside = np.minimum(edges[1:, None], np.arange(1, many + 1)) - np.maximum(edges[:-1, None], np.arange(many))
    matrix = (np.clip(inside, 0, None) * few / many).astype(np.float32) @ there
    taps = np.arange(few)[:, None] + np.arange(-4, 5)
    known = (taps >= 0) & (taps < few)
    return _cut(few, taps, np.where(known, np.take_along_axis(matrix, taps.clip(0, few - 1), 1), 0), COLUMNS)


def _cut(before: int, taps: NDArray[np.int64], weights: NDArray[np.float64], most: int) -> tuple[Band, ...]:
    """A matrix by the places `(n, t)` that each of its n lines reads, cut to length, and their weights; in bands."""
    taps, after = taps.clip(0, before - 1), len(taps)
    bands = []
    for first in range(0, after, most):
        made = slice(first, min(after, first + most))
        low, high = int(taps[made].min()), int(taps[made].max()) + 1
        matrix: Planes = np.zeros((made.stop - first, high - low), np.float32)
        np.add.at(matrix, (np.arange(made.stop - first)[:, None], taps[made] - low), weights[made].astype(np.float32))
        bands.append(Band(made, slice(low, high), matrix))
    return tuple(bands)
