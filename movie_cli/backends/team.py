"""Frames beside each other on a CPU, each in a thread of its own with its share of the cores.

Threads that share an operation wait for each other hundreds of times a frame, and one that another program or the
encoder keeps from its core keeps all. Frames have nothing to wait for: two at once on one core each are faster than one
after the other on two, and lose no more to a busy machine than their share of it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

Value = TypeVar("Value")
FRAMES = 2
"""Frames at once where there are two cores or more: each needs memory of its own."""


class Team:
    """Threads that run calls in the order in which they come.

    Args:
        threads: Threads in all.
        begin: Called once in each of the team's threads with the number of threads that its operations may share.
    """

    def __init__(self, threads: int, begin: Callable[[int], object]) -> None:
        size = min(FRAMES, max(1, threads))
        self._pool = ThreadPoolExecutor(size, "network", begin, (max(1, threads // size),))

    def later(self, calls: Sequence[Callable[[], Value]]) -> list[Future[Value]]:
        """What the calls give, once they have run."""
        return [self._pool.submit(call) for call in calls]

    def all(self, calls: Sequence[Callable[[], Value]]) -> list[Value]:
        """What the calls give, in their order."""
        return [future.result() for future in self.later(calls)]

    def each(self, run: Callable[[Tensor], Tensor], frames: Tensor) -> Tensor:
        """What `run` gives for each frame of a batch by itself, as a batch."""
        return torch.cat(self.all([functools.partial(run, frame) for frame in frames.split(1)]))
