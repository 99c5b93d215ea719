"""The exponential moving average of trained weights, which checkpoints are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor


class Average:
    """Float32 copies of weights, by name. Early on it follows faster, so that the beginning is forgotten."""

    def __init__(self, weights: Mapping[str, Tensor], decay: float) -> None:
        self._weights = dict(weights)
        self._decay = decay
        self.values = {name: value.detach().float().clone() for name, value in weights.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the weights after step number `step`, from 0: by `1 - min(decay, (1 + step) / (10 + step))`."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, value in self._weights.items():
            self.values[name].lerp_(value.detach().float(), 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the average in the weights' place for a while."""
        kept = {name: value.detach().clone() for name, value in self._weights.items()}
        self._fill(self.values)
        try:
            yield
        finally:
            self._fill(kept)

    @torch.no_grad()
    def _fill(self, values: Mapping[str, Tensor]) -> None:
        for name, value in values.items():
            self._weights[name].copy_(value)
