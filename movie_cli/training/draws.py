"""Randomness that depends on the seed and on a sample's number alone.

Promises that a sample is drawn alike whichever process draws it and however often the run was killed before: there is
no state to save. Drawn on the CPU, so that every device trains on the same numbers.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence

import torch
from torch import Tensor


def seed_of(*parts: object) -> int:
    """A seed in [0, 2**63) from any values, alike on every machine."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


def rng_of(*parts: object) -> random.Random:
    """Python's generator from any values."""
    return random.Random(seed_of(*parts))  # noqa: S311  (nothing secret is drawn)


class Draws:
    """One generator a sample; each call draws the next number for every sample of a batch.

    `generators` are for schedulers that draw their own noise.
    """

    def __init__(self, seed: int, numbers: Sequence[int], device: torch.device | str = "cpu") -> None:
        self.generators = [torch.Generator().manual_seed(seed_of("draws", seed, number)) for number in numbers]
        self._device = device

    def normal(self, *shape: int) -> Tensor:
        """Standard normal values `(N, *shape)`, float32."""
        return torch.stack([torch.randn(shape, generator=one) for one in self.generators]).to(self._device)

    def uniform(self, low: float = 0.0, high: float = 1.0, shape: Sequence[int] = ()) -> Tensor:
        """Values `(N, *shape)` in [low, high), float32."""
        drawn = torch.stack([torch.rand(tuple(shape), generator=one) for one in self.generators])
        return (low + (high - low) * drawn).to(self._device)

    def whole(self, below: int) -> Tensor:
        """Whole numbers `(N,)` in [0, below), int64."""
        return torch.cat([torch.randint(below, (1,), generator=one) for one in self.generators]).to(self._device)
