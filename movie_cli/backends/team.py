"""Frames beside each other on a CPU, each in a thread of its own with its share of the cores.

Threads that share an operation wait for each other hundreds of times a frame, and one that another program or the
encoder keeps from its core keeps all. Frames have nothing to wait for: two at once on one core each are faster than one
after the other on two, and lose no more to a busy machine than their share of it. They do not wait for those that come
with them either, as long as there is always one more to begin with.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

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
        # All threads at once: the pool would begin the last of them whenever no other is free for the first time.
        ready = threading.Barrier(size)
        self._pending: list[Future[Any]] = [self._pool.submit(ready.wait) for _ in range(size)]

    def later(self, run: Callable[..., Value], *batches: Any) -> list[Future[Value]]:
        """What `run` will give for each frame of the batches, `(1, ...)` of each, by itself."""
        count = len(batches[0])
        made = [self._pool.submit(run, *(batch[at : at + 1] for batch in batches)) for at in range(count)]
        self._pending = [future for future in self._pending if not future.done()] + made
        return made

    def drop(self) -> None:
        """Begin nothing more of what was asked for, and wait for what has begun."""
        for future in self._pending:
            future.cancel()
        self.settle()

    def settle(self) -> None:
        """Wait for all that was begun; how it ended is for those who asked."""
        wait(self._pending)
        self._pending.clear()
