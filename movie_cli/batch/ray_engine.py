"""The Ray engine: jobs, and the segments of long videos, on the workers of a cluster.

Promises the bytes of the local engine, work that is repeated when a worker is lost, and nothing left running. Sources
and outputs are files that every machine sees under the same name; segments travel through Ray's object store.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from movie_cli.backends import RuntimeConfig
from movie_cli.batch import Job, Listener, Result
from movie_cli.batch.ray_job import ClusterJob, Indivisible, Task, absolute
from movie_cli.batch.ray_worker import Part, connected_workers
from movie_cli.editing.request import EditRequest, Reporter
from movie_cli.errors import DeviceError, InterruptedEdit, MovieError, UsageError, first_line, known_error

TRIES = 4
"""How often a task is begun before its job fails: it may be what brings workers down."""
LOST_SECONDS = 300.0
"""How long all workers may be away."""


@dataclass
class _Open:
    """A job that has begun, what is left to hand out of it, and how many of its tasks are away."""

    cluster: ClusterJob
    waiting: deque[Task] = field(default_factory=deque)
    away: int = 0
    over: bool = False
    wants_anchors: bool = False


@dataclass
class _Flight:
    """A task on its way: `task` None asks for the anchors, `open` None whether a lost worker is back."""

    worker: Any
    open: _Open | None
    task: Task | None


class RayEngine:
    """Runs jobs on the cluster at `address` (None: one on this machine, with `workers` processes).

    `workers` None is one worker for each accelerator, or for each pair of cores where there is none. `threads` is the
    number of CPU threads of each, on which rounding depends; None is what the local engine would give as many workers.
    """

    def __init__(self, address: str | None, workers: int | None, threads: int | None = None) -> None:
        self._address = address
        self._workers = workers
        self._threads = threads

    def run(self, jobs: Sequence[Job], listener: Listener, *, fail_fast: bool) -> None:
        """See `Engine.run`."""
        if not jobs:
            return
        with connected_workers(self._address, self._workers, self._threads) as (ray, actors):
            _Run(ray, actors, listener, fail_fast).run(jobs)


class _Run:
    """One call of `RayEngine.run`."""

    def __init__(self, ray: Any, actors: list[Any], listener: Listener, fail_fast: bool) -> None:
        self._ray, self._idle, self._listener, self._fail_fast = ray, list(actors), listener, fail_fast
        self._actors = actors
        self._jobs: deque[Job] = deque()
        self._open: list[_Open] = []
        self._flights: dict[Any, _Flight] = {}
        self._tries: dict[tuple[int, int | None], int] = {}
        self._lost = 0
        self._answered = time.monotonic()

    def run(self, jobs: Sequence[Job]) -> None:
        """Run all jobs."""
        self._jobs.extend(jobs)
        try:
            while self._jobs or self._open:
                self._hand_out()
                if self._flights:
                    ready, _ = self._ray.wait(list(self._flights), num_returns=1, timeout=5.0)
                    for reference in ready:
                        self._receive(reference, self._flights.pop(reference))
                self._check_answers()
        except BaseException as error:
            for opened in list(self._open):
                self._end(opened, error)
            raise

    def _check_answers(self) -> None:
        if self._lost == len(self._actors) and time.monotonic() - self._answered > LOST_SECONDS:
            raise DeviceError("no worker of the cluster answers", "`ray status` shows its nodes")

    def _hand_out(self) -> None:
        while self._idle:
            opened = next((one for one in self._open if one.waiting or one.wants_anchors), None)
            if opened is None:
                # No job waits for a worker: begin the next, or, with none left, wait for those that are away.
                if not self._jobs or not self._begin(self._jobs.popleft()):
                    if self._jobs:
                        continue
                    return
                continue
            worker, cluster = self._idle.pop(), opened.cluster
            opened.away += 1
            if opened.wants_anchors:
                opened.wants_anchors = False
                reference = worker.anchors.remote(cluster.request, cluster.runtime)
                self._flights[reference] = _Flight(worker, opened, None)
                continue
            task = opened.waiting.popleft()
            if task.number is None:
                # Tried before, it may have left finished segments.
                again = (cluster.job.number, None) in self._tries or cluster.request.resume
                reference = worker.whole.remote(dataclasses.replace(cluster.request, resume=again))
            else:
                reference = worker.segment.remote(
                    cluster.request, cluster.runtime, task.begin, task.limit, self._shipped(cluster)
                )
            self._flights[reference] = _Flight(worker, opened, task)

    def _shipped(self, cluster: ClusterJob) -> Any:
        """The anchors in the object store, put there once."""
        if cluster.shipped is None and cluster.anchors is not None:
            cluster.shipped = self._ray.put(cluster.anchors)
        return cluster.shipped

    def _begin(self, job: Job) -> bool:
        """Open a job; whether that went well."""
        cluster: ClusterJob | None = None
        try:
            config = self._runtime(job)
            cluster = ClusterJob(job, config, self._listener)
            opened = _Open(cluster)
            self._open.append(opened)
            if cluster.divided and cluster.complete:
                self._finish(opened)
            elif cluster.divided and cluster.anchors is None:
                opened.wants_anchors = True
            else:
                opened.waiting.extend(cluster.tasks())
        except MovieError as error:
            self._report(job, Result.of_error(error))
            return False
        return True

    def _runtime(self, job: Job) -> RuntimeConfig:
        """What the first worker that answers would run the job on; all that work on it are told to do the same."""
        if job.request.max_flicker is not None:
            raise UsageError("--max-flicker looks at a whole film, which a cluster has in parts", "use --engine local")
        request = absolute(job.request)
        until = time.monotonic() + LOST_SECONDS
        while True:
            # One that is idle answers at once; the last of them will be the first to need the source.
            for actor in (*reversed(self._idle), *self._actors):
                # A worker that was lost is away until Ray has started another in its place.
                with contextlib.suppress(self._ray.exceptions.RayError):
                    answer = self._ray.get(actor.runtime.remote(request))
                    if isinstance(answer, Result):
                        raise answer.error()
                    return answer
            if time.monotonic() > until:
                raise DeviceError("no worker of the cluster answers", "`ray status` shows its nodes")
            time.sleep(1)

    def _receive(self, reference: Any, flight: _Flight) -> None:
        opened = flight.open
        try:
            value = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._lose(flight, error)
            return
        self._answered = time.monotonic()
        self._idle.append(flight.worker)
        if opened is None:
            self._lost -= 1
            return
        opened.away -= 1
        if opened.over:
            return
        try:
            self._use(opened, flight.task, value)
        except MovieError as error:
            self._end(opened, error)

    def _use(self, opened: _Open, task: Task | None, value: Any) -> None:
        cluster, job = opened.cluster, opened.cluster.job
        if isinstance(value, Result):
            raise value.error()
        if task is None:
            anchors, said = value
            for level, text in said:
                self._listener.message(job, level, text)
            cluster.keep_anchors(anchors)
            opened.waiting.extend(cluster.tasks())
        elif isinstance(value, Part):
            try:
                again = cluster.take(task, value)
            except Indivisible:
                opened.waiting.clear()
                self._open.remove(opened)
                opened.over = True
                whole = _Open(cluster)
                whole.waiting.append(cluster.give_up_dividing())
                self._open.append(whole)
                return
            if again is not None:
                opened.waiting.append(again)
            if not opened.waiting and not opened.away and cluster.complete:
                self._finish(opened)
        else:
            result, said = value
            for level, text in said:
                self._listener.message(job, level, text)
            self._close(opened)
            self._report(job, result)

    def _finish(self, opened: _Open) -> None:
        try:
            result = opened.cluster.finish()
        except MovieError as error:
            self._end(opened, error)
            return
        self._close(opened)
        self._report(opened.cluster.job, result)

    def _lose(self, flight: _Flight, error: Exception) -> None:
        """A worker is gone, or its answer: do its task again, and use it again when it is back."""
        self._flights[flight.worker.process.remote()] = _Flight(flight.worker, None, None)
        opened = flight.open
        if opened is None:
            time.sleep(1)
            return
        self._lost += 1
        opened.away -= 1
        if opened.over:
            return
        job = opened.cluster.job
        key = (job.number, flight.task.number if flight.task is not None else -1)
        self._tries[key] = self._tries.get(key, 1) + 1
        if self._tries[key] > TRIES:
            said = f"its worker was lost {TRIES} times: {first_line(error)}"
            self._end(opened, DeviceError(said, "see the logs of Ray"))
            return
        self._listener.message(job, "warning", "a worker was lost; what it did is done again")
        if flight.task is None:
            opened.wants_anchors = True
        else:
            opened.waiting.appendleft(flight.task)

    def _end(self, opened: _Open, error: BaseException) -> None:
        """A job cannot go on."""
        self._close(opened, error)
        stopped = isinstance(error, KeyboardInterrupt | InterruptedEdit)
        result = Result("interrupted", {}) if stopped else Result.of_error(known_error(error))
        self._report(opened.cluster.job, result)

    def _close(self, opened: _Open, error: BaseException | None = None) -> None:
        opened.over = True
        opened.waiting.clear()
        if opened in self._open:
            self._open.remove(opened)
        opened.cluster.close(error)

    def _report(self, job: Job, result: Result) -> None:
        self._listener.ended(job, result)
        if result.outcome == "failed" and self._fail_fast:
            self._jobs.clear()
            for other in list(self._open):
                self._end(other, KeyboardInterrupt())


class _AsReporter:
    """Tells a reporter of the one job there is."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self.result: Result | None = None

    def started(self, job: Job, total_frames: int | None) -> None:
        self._reporter.start(total_frames, Path(job.request.source).name)

    def message(self, job: Job, level: Literal["info", "warning"], text: str) -> None:
        self._reporter.message(level, text)

    def advanced(self, job: Job, frames: int) -> None:
        self._reporter.advance(frames)

    def ended(self, job: Job, result: Result) -> None:
        self.result = result


def edit_on_cluster(request: EditRequest, reporter: Reporter, address: str | None, workers: int | None) -> None:
    """Edit a video on a Ray cluster, its segments side by side.

    Raises:
        MovieError: whatever went wrong, as `edit_video`.
        InterruptedEdit: Ctrl-C or a termination; finished segments are kept.
    """
    told = _AsReporter(reporter)
    try:
        RayEngine(address, workers, torch.get_num_threads()).run(
            [Job(1, request.source, request)], told, fail_fast=True
        )
    except KeyboardInterrupt as error:
        raise InterruptedEdit("interrupted", "the same command with --resume continues what is done") from error
    assert told.result is not None
    if told.result.outcome != "done":
        raise told.result.error()
    reporter.done(told.result.facts)
