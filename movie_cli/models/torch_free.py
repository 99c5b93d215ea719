"""What an edit needs around exported graphs, without torch: its noise, and its transfer of detail.

The noise is, for any seed, `torch.randn(shape, generator=torch.Generator().manual_seed(seed))` on a CPU, to the last
bits that a logarithm and a cosine may differ by. The source of the formulas is torch's own: a Mersenne Twister
(Matsumoto and Nishimura 1998) seeded with the seed's low 32 bits, 24 bits a uniform number, and Box and Muller's
transform of 1958 in blocks of sixteen: radii from the first eight, angles from the last eight.

For detail see `detail`. Enlarging is a product with a dense matrix a side: most of its entries are zero, and it is as
fast as torch nevertheless. Tests hold both to torch.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BLOCK = 16
"""Numbers that the noise is drawn by."""
Pixels = NDArray[np.uint8]
Planes = NDArray[np.float32]

LUMA = (0.2126, 0.7152, 0.0722)
RADIUS = 4
"""Window radius in pixels of the working size."""
EPSILON = 1e-4
"""Variance below which the source counts as flat, (2.5 code values)^2 of 255."""
CUBIC = -0.75
"""The slope of torch's cubic kernel, Keys (1981) has -0.5."""


def standard_normal(seed: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Gaussian noise of mean 0 and variance 1, `shape` holding at least 16 numbers.

    Raises:
        ValueError: fewer numbers; torch draws these in another way.
    """
    count = math.prod(shape)
    if count < BLOCK:
        raise ValueError(f"{count} numbers are fewer than {BLOCK}")
    whole = count - count % BLOCK
    # RandomState seeds as the Mersenne Twister's authors do, and as torch does; numpy's newer seeding is another.
    raw = np.random.RandomState(seed % 2**32).randint(0, 2**32, whole if whole == count else count + BLOCK, np.uint32)
    uniform = (raw & np.uint32(2**24 - 1)).astype(np.float32) * np.float32(2**-24)
    noise = np.empty(count, np.float32)
    noise[:whole] = _box_muller(uniform[:whole])
    if whole != count:
        # The last sixteen numbers are drawn anew, over what overlaps.
        noise[-BLOCK:] = _box_muller(uniform[count:])
    return noise.reshape(shape)


def _box_muller(uniform: NDArray[np.float32]) -> NDArray[np.float32]:
    halves = uniform.reshape(-1, 2, BLOCK // 2)
    radius = np.sqrt(np.float32(-2) * np.log(1 - halves[:, 0]))
    angle = np.float32(2 * math.pi) * halves[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)


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
