"""Decoding and encoding beside the network: `prefetch`, `WriterThread` and `kept_priority`.

Queues are bounded, errors reach the caller with their own type, and threads end promptly when either side stops, by an
error, by Ctrl-C or because nobody wants the rest.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

Item = TypeVar("Item")

_POLL = 0.1
"""Seconds between looks at the stop flag of a thread that waits for room or for work."""

_REAL_TIME = (1, 2)
"""Linux's SCHED_FIFO and SCHED_RR."""

QUEUE_BYTES = 32 << 20
"""Bytes of frames that may wait in one queue, where one frame is not more by itself."""


def queue_depth(wanted: int, item_bytes: int) -> int:
    """How many items may wait: what is wanted, less where they are very large."""
    return max(1, min(wanted, QUEUE_BYTES // max(1, item_bytes)))


class prefetch(Iterator[Item], Generic[Item]):  # noqa: N801 - reads as a function
    """Iterate over `iterable` in a thread, at most `depth` items ahead.

    Use it as a context manager, or call `close()`, so that the thread ends when the items are not all taken. The
    iterable is only ever touched by that thread, which also closes it.
    """

    def __init__(self, iterable: Iterable[Item], depth: int = 4) -> None:
        self._queue: queue.Queue[tuple[bool, Any]] = queue.Queue(maxsize=max(1, depth))
        self._stop = threading.Event()
        self._done = False
        self._thread = threading.Thread(
            target=_fill, args=(iterable, self._queue, self._stop), name="movie-prefetch", daemon=True
        )
        self._thread.start()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Item:
        while not self._done:
            try:
                is_item, value = self._queue.get(timeout=1.0)
            except queue.Empty:
                if not self._thread.is_alive() and self._queue.empty():
                    break
                continue
            if is_item:
                item: Item = value
                return item
            self._done = True
            if value is not None:
                raise value
        raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self._stop.set()

    def close(self) -> None:
        """Stop the thread and wait for it; what was not taken is dropped."""
        self._done = True
        self._stop.set()
        _drain(self._queue)
        if self._thread is not threading.current_thread():
            self._thread.join()
        _drain(self._queue)


class WriterThread(Generic[Item]):
    """Call `consume(item)` for each `put` item, in order, in a thread of its own.

    An error in `consume` is raised by the next `put` or by `finish`. Leaving the context without `finish` drops what
    is still waiting.
    """

    def __init__(self, consume: Callable[[Item], object], depth: int = 8) -> None:
        self._queue: queue.Queue[tuple[bool, Any]] = queue.Queue(maxsize=max(1, depth))
        self._stop = threading.Event()
        # Python 3.11 takes a thread for ended whose `join` was interrupted: its end is told of by itself.
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(consume,), name="movie-writer", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def put(self, item: Item) -> None:
        """Hand over one item; waits while the queue is full.

        Raises:
            BaseException: whatever `consume` raised for an earlier item.
        """
        self._offer((True, item))

    def finish(self) -> None:
        """Wait until all items are consumed, and end the thread.

        Raises:
            BaseException: whatever `consume` raised.
        """
        if not self._stop.is_set():
            self._offer((False, None))
            while not self._ended.wait(timeout=1.0):
                pass  # Ctrl-C comes between, also on Windows
        self._raise_error()

    def close(self) -> None:
        """Drop what is waiting and end the thread, without raising its error."""
        self._stop.set()
        _drain(self._queue)
        self._ended.wait()
        self._thread.join()

    def _offer(self, entry: tuple[bool, Any]) -> None:
        while True:
            self._raise_error()
            try:
                self._queue.put(entry, timeout=_POLL)
            except queue.Full:
                continue
            return

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self, consume: Callable[[Item], object]) -> None:
        try:
            while not self._stop.is_set():
                try:
                    is_item, value = self._queue.get(timeout=_POLL)
                except queue.Empty:
                    continue
                if not is_item:
                    return
                consume(value)
        except BaseException as error:
            self._error = error
        finally:
            self._ended.set()


def _fill(iterable: Iterable[Item], target: queue.Queue[tuple[bool, Any]], stop: threading.Event) -> None:
    """Runs in the thread. Holds no reference to the `prefetch`, so that a forgotten one can be collected."""
    end: BaseException | None = None
    iterator = None
    try:
        iterator = iter(iterable)
        for item in iterator:
            if not _offer_until(target, (True, item), stop):
                return
    except BaseException as error:
        end = error
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            with contextlib.suppress(Exception):
                close()
        _offer_until(target, (False, end), stop)


def _offer_until(target: queue.Queue[tuple[bool, Any]], entry: tuple[bool, Any], stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            target.put(entry, timeout=_POLL)
        except queue.Full:
            continue
        return True
    return False


def _drain(source: queue.Queue[tuple[bool, Any]]) -> None:
    with contextlib.suppress(queue.Empty):
        while True:
            source.get_nowait()


@contextlib.contextmanager
def kept_priority() -> Iterator[None]:
    """Threads that a library makes real-time ones meanwhile get the policy back that the caller has.

    SVT-AV1 gives its threads, and the one that opens it, the highest real-time priority wherever it may, as root may in
    a container. All other programs, and all that this one starts afterwards, would wait for them.
    """
    if sys.platform != "linux":
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        for task in Path("/proc/self/task").iterdir():
            thread = int(task.name)
            # A thread may be gone by now, and a sandbox may refuse: both leave things as they are.
            with contextlib.suppress(OSError):
                if os.sched_getscheduler(thread) in _REAL_TIME and policy not in _REAL_TIME:
                    os.sched_setscheduler(thread, policy, parameters)
