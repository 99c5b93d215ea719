"""Floating-point operations of a call, counted by torch on the meta device: no weights, no memory, seconds.

Twice the multiply-adds of convolutions and matrix products. Products of attention (queries with keys, their weights
with values) are counted apart, as the paper's figures leave them out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

_ATTENTION = ("attention", "bmm")
"""In the names of torch's operators that multiply queries, keys and values."""


@dataclass(frozen=True)
class Operations:
    """Floating-point operations of one call."""

    layers: int
    attention: int

    def __add__(self, other: Operations) -> Operations:
        return Operations(self.layers + other.layers, self.attention + other.attention)

    def __mul__(self, times: int) -> Operations:
        return Operations(self.layers * times, self.attention * times)

    @property
    def total(self) -> int:
        """With attention."""
        return self.layers + self.attention


def count(call: Callable[[], object]) -> Operations:
    """What `call` computes, on the meta device: elsewhere attention is one operator, which torch does not count."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    found = {str(name): number for name, number in counter.get_flop_counts()["Global"].items()}
    attention = sum(number for name, number in found.items() if any(part in name for part in _ATTENTION))
    return Operations(sum(found.values()) - attention, attention)
