"""Value noise: the same smooth randomness from the same seed, on any machine. Plain numpy."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.floating[Any]]
_SIZE = 256


@cache
def _lattice(seed: int) -> Plane:
    values: Plane = np.random.default_rng(seed).random((_SIZE, _SIZE), dtype=np.float32)
    return values


def value_noise(x: Plane, y: Plane, seed: int) -> Plane:
    """Noise in [0, 1] with one random value a unit square, smooth between them, repeating after 256 units."""
    lattice = _lattice(seed)
    left, top = np.floor(x), np.floor(y)
    across, down = (x - left).astype(np.float32), (y - top).astype(np.float32)
    across, down = (t * t * t * (t * (t * 6 - 15) + 10) for t in (across, down))
    i, j = left.astype(np.int32) % _SIZE, top.astype(np.int32) % _SIZE
    i1, j1 = (i + 1) % _SIZE, (j + 1) % _SIZE
    upper = lattice[j, i] * (1 - across) + lattice[j, i1] * across
    lower = lattice[j1, i] * (1 - across) + lattice[j1, i1] * across
    result: Plane = upper * (1 - down) + lower * down
    return result


def fbm(x: Plane, y: Plane, seed: int, octaves: int = 5, gain: float = 0.5) -> Plane:
    """Sum of noise at doubling frequencies, each `gain` times as strong as the one before; in [0, 1]."""
    total = np.zeros(np.broadcast(x, y).shape, dtype=np.float32)
    weight, weights = 1.0, 0.0
    for octave in range(octaves):
        scale = 2.0**octave
        # The lattices' lines must not coincide, or they show.
        total += weight * value_noise(x * scale + 17.3 * octave, y * scale + 5.7 * octave, seed + octave)
        weights += weight
        weight *= gain
    total /= weights
    return total


def smoothstep(low: float, high: float, value: Plane) -> Plane:
    """0 below `low`, 1 above `high`, with a smooth cubic between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    result: Plane = (t * t * (3 - 2 * t)).astype(np.float32)
    return result
