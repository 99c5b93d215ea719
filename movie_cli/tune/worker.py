"""The one thread that runs the model: what is asked for last is done, what it replaces never.

Every job has a key, such as "the frame on that page". A job that waits is dropped when another with its key comes, so
that a slider that is turned asks for as many passes of the network as there is time for.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

MOST_WAITING = 64
"""Jobs beyond these take the place of the one that has waited longest."""


class Stale(Exception):  # noqa: N818 - nothing failed
    """A job was dropped: a later one with its key came, or there is no more time for any."""


@dataclass(frozen=True)
class _Job:
    urgency: int
    number: int
    work: Callable[[], Any]
    future: Future[Any]


class Worker:
    """Does jobs one after another, those of the smallest `urgency` first."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, _Job] = {}
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    def submit(self, key: Hashable, urgency: int, work: Callable[[], Any]) -> Future[Any]:
        """Have a job done; the future's result is the work's, or `Stale`."""
        job = _Job(urgency, next(self._numbers), work, Future())
        with self._changed:
            dropped = [self._waiting.pop(key, None)]
            if len(self._waiting) >= MOST_WAITING:
                oldest = min(self._waiting, key=lambda each: self._waiting[each].number)
                dropped.append(self._waiting.pop(oldest))
            if self._ended:
                dropped.append(job)
            else:
                self._waiting[key] = job
                self._changed.notify()
        _drop(dropped)
        return job.future

    @property
    def runs(self) -> bool:
        """Whether its thread is there: also after `stop`, where a job took longer than that waits."""
        return self._thread.is_alive()

    def stop(self, seconds: float = 2.0) -> None:
        """Drop what waits, and give what runs some seconds to end."""
        with self._changed:
            self._ended = True
            dropped = list(self._waiting.values())
            self._waiting.clear()
            self._changed.notify()
        _drop(dropped)
        self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if self._ended:
                    return
                key = min(self._waiting, key=lambda each: (self._waiting[each].urgency, self._waiting[each].number))
                job = self._waiting.pop(key)
            if not job.future.set_running_or_notify_cancel():
                continue
            try:
                job.future.set_result(job.work())
            except BaseException as error:
                job.future.set_exception(error)


def _drop(jobs: Sequence[_Job | None]) -> None:
    for job in jobs:
        if job is not None and job.future.set_running_or_notify_cancel():
            job.future.set_exception(Stale())
