"""Noise for exported graphs, without torch.

It is, for any seed, `torch.randn(shape, generator=torch.Generator().manual_seed(seed))` on a CPU, to the last
bits that a logarithm and a cosine may differ by. The source of the formulas is torch's own: a Mersenne Twister
(Matsumoto and Nishimura 1998) seeded with the seed's low 32 bits, 24 bits a uniform number, and Box and Muller's
transform of 1958 in blocks of sixteen: radii from the first eight, angles from the last eight.
Tests hold it to torch.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

BLOCK = 16
"""Numbers that the noise is drawn by."""


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
