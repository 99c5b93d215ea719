"""`detail` without torch, for backends that run where torch is not installed. A test holds the two together.

Enlarging is a product with a dense matrix a side: most of its entries are zero, and it is still as fast as torch.
"""

from __future__ import annotations

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
"""The slope of torch's cubic kernel, Keys (1981) has -0.5."""


def transfer(full: Pixels, source: Pixels, edited: Pixels, size: tuple[int, int], amount: float) -> Pixels:
    """Bring one edited frame to `size` (width, height) with the source's detail, as `detail.transfer` does.

    `full` is the source's frame `(H, W, 3)` at its own size, `source` and `edited` are `(h, w, 3)` at the working size,
    all uint8 RGB. `amount` in [0, 1] scales the detail.
    """
    small, result = _planes(source), _planes(edited)
    enlarged = _resize(result, size)
    if amount > 0:
        guide = _luma(small)
        lost = _luma(_planes(full))
        if (full.shape[1], full.shape[0]) != size:
            # Pillow's filter is antialiased, with the very kernel that torch takes for that.
            lost = np.asarray(Image.fromarray(lost).resize(size, Image.Resampling.BICUBIC))
        lost = lost - _resize(guide[None], size)[0]
        slope = _resize(_slopes(guide, result), size)
        slope *= lost
        slope *= np.float32(amount)
        enlarged += slope
    enlarged *= 255
    pixels = np.clip(np.rint(enlarged, out=enlarged), 0, 255, out=enlarged).astype(np.uint8)
    return np.ascontiguousarray(pixels.transpose(1, 2, 0))


def _slopes(guide: Planes, edited: Planes) -> Planes:
    mean = _box(guide)
    variance = _box(guide * guide) - mean * mean
    covariance = _box(guide * edited) - mean * _box(edited)
    covariance /= variance + np.float32(EPSILON)
    return _box(covariance)


def _box(image: Planes) -> Planes:
    """Mean over a window of `2 RADIUS + 1` pixels a side, edges repeated; `(..., h, w)`."""
    window = 2 * RADIUS + 1
    for axis in (-1, -2):
        widths = [(0, 0)] * image.ndim
        widths[axis] = (RADIUS, RADIUS)
        padded = np.pad(image, widths, mode="edge")
        length = image.shape[axis]
        total = np.zeros_like(image)
        for offset in range(window):
            shifted = slice(offset, offset + length)
            total += padded[..., shifted] if axis == -1 else padded[..., shifted, :]
        total /= window
        image = total
    return image


def _planes(pixels: Pixels) -> Planes:
    planes: Planes = np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32)
    planes /= 255
    return planes


def _luma(planes: Planes) -> Planes:
    luma: Planes = np.tensordot(np.array(LUMA, np.float32), planes, axes=1)
    return luma


def _resize(image: Planes, size: tuple[int, int]) -> Planes:
    """Bring `(C, h, w)` to a width and height by cubic convolution, pixel centres at halves, edges repeated."""
    width, height = size
    resized = _matrix(image.shape[1], height) @ image @ _matrix(image.shape[2], width).T
    return resized.astype(np.float32, copy=False)


@lru_cache(maxsize=8)
def _matrix(before: int, after: int) -> Planes:
    place = (np.arange(after) + 0.5) * before / after - 0.5
    left = np.floor(place).astype(np.int64)
    taps = left[:, None] + np.arange(-1, 3)
    distance = np.abs(place[:, None] - taps)
    near = ((CUBIC + 2) * distance - (CUBIC + 3)) * distance**2 + 1
    far = ((CUBIC * distance - 5 * CUBIC) * distance + 8 * CUBIC) * distance - 4 * CUBIC
    weights = np.where(distance <= 1, near, far).astype(np.float32)
    matrix: Planes = np.zeros((after, before), np.float32)
    np.add.at(matrix, (np.arange(after)[:, None], taps.clip(0, before - 1)), weights)
    return matrix
