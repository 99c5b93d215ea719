"""The local engine: worker processes on this machine, each with one model for all its jobs.

Promises that a job which brings its worker down (a decoder that crashes, memory that runs out) is that job's failure
and no other's: the worker is replaced. Workers stop as on Ctrl-C and keep finished segments.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Literal

from movie_cli.batch import Job, Listener, Result
from movie_cli.child import safe_path
from movie_cli.editing.request import EditRequest
from movie_cli.errors import UsageError, known_error

STOP_SECONDS = 60.0
"""How long a worker may take to end after it was asked to."""

_Event = tuple[Job | None, str, tuple[Any, ...]]
"""A job, a method of `Listener` and its other arguments; without a job, a worker's thread that is about to end."""


class LocalEngine:
    """Runs jobs in `workers` processes."""

    def __init__(self, workers: int) -> None:
        self._count = workers

    def run(self, jobs: Sequence[Job], listener: Listener, *, fail_fast: bool) -> None:
        """See `Engine.run`."""
        team = _Team(jobs, min(self._count, len(jobs)), threads_for(self._count), fail_fast)
        try:
            team.hear(listener)
        except BaseException:
            team.stop()
            team.hear(listener)
            raise
        finally:
            team.kill()
            team.join()


class _Team:
    """Workers that take jobs from one pile, and what they tell."""

    def __init__(self, jobs: Sequence[Job], count: int, threads: int, fail_fast: bool) -> None:
        self._waiting = deque(jobs)
        self._fail_fast = fail_fast
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._event: _Event | None = None
        self._patience: float | None = None
        self._workers = [_Worker(self._next, self._told, threads) for _ in range(count)]
        for worker in self._workers:
            worker.thread.start()

    def _next(self) -> Job | None:
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def _told(self, event: _Event) -> None:
        self._events.put(event)
        if self._fail_fast and event[1] == "ended" and event[2][0].outcome == "failed":
            self.stop()

    def hear(self, listener: Listener) -> None:
        """Pass on what the workers tell until all have ended; again what an interrupt kept from being passed on."""
        while self._event is not None or self._running or not self._events.empty():
            if self._event is None:
                try:
                    self._event = self._events.get(timeout=self._patience)
                except queue.Empty:
                    self.kill()
                    continue
            job, kind, values = self._event
            if job is not None:
                tell: Callable[..., None] = getattr(listener, kind)
                tell(job, *values)
            else:
                values[0].join()
            self._event = None

    @property
    def _running(self) -> bool:
        return any(worker.thread.is_alive() for worker in self._workers)

    def stop(self) -> None:
        """Begin no more jobs, and interrupt those that run."""
        self._waiting.clear()
        self._patience = STOP_SECONDS
        for worker in self._workers:
            worker.interrupt()

    def kill(self) -> None:
        """End what still runs."""
        self._waiting.clear()
        for worker in self._workers:
            worker.interrupt(kill=True)

    def join(self) -> None:
        """Wait until nothing is left of the workers."""
        for worker in self._workers:
            worker.thread.join(STOP_SECONDS)


def threads_for(workers: int) -> int:
    """CPU threads for each of some workers: what OMP_NUM_THREADS says, else an equal share of the cores.

    Sums over large pictures are split among the threads, so that another number rounds otherwise.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isascii() and wanted.isdigit() and int(wanted):
        return int(wanted)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // workers)


class _Worker:
    """A thread with a process of its own, to which it hands one job after another.

    Nothing interrupts a thread, so that whatever comes through the pipe is read whole.
    """

    def __init__(self, take: Callable[[], Job | None], tell: Callable[[_Event], None], threads: int) -> None:
        self._take, self._tell, self._threads = take, tell, threads
        self._lock = Lock()
        self._interrupted = False
        self._process: multiprocessing.process.BaseProcess | None = None
        self.thread = Thread(target=self._serve, name="movie-batch", daemon=True)

    def _serve(self) -> None:
        if hasattr(signal, "pthread_sigmask"):
            # Ctrl-C goes to all processes of a terminal: those that are begun here inherit that it is blocked.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        pipe: Connection | None = None
        try:
            while (job := self._take()) is not None:
                if pipe is None and (pipe := self._begin()) is None:
                    return
                try:
                    pipe.send(job.request)
                    kind = ""
                    while kind != "ended":
                        kind, values = pipe.recv()
                        self._tell((job, kind, values))
                except (EOFError, OSError):
                    pipe.close()
                    pipe = None
                    self._tell((job, "ended", (self._fate(),)))
        finally:
            if pipe is not None:
                pipe.close()
                self._fate()
            self._tell((None, "", (self.thread,)))

    def _begin(self) -> Connection | None:
        """The pipe to a new process; None where there shall be no more."""
        context = multiprocessing.get_context("spawn")
        with self._lock:
            if self._interrupted:
                return None
            ours, theirs = context.Pipe()
            self._process = context.Process(target=work, args=(theirs, self._threads), daemon=True)
            with safe_path():
                self._process.start()
            theirs.close()
            return ours

    def _fate(self) -> Result:
        """Wait for the process, whose pipe is closed; what became of the job that it had."""
        assert self._process is not None
        self._process.join(STOP_SECONDS)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        if self._interrupted:
            return Result("interrupted", {})
        code = self._process.exitcode or 0
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        hint = "another try continues from the finished segments; --jobs 1 needs less memory"
        return Result("failed", {"error": f"its process was ended {how}", "hint": hint, "exit_code": 1})

    def interrupt(self, *, kill: bool = False) -> None:
        """Stop the process as on Ctrl-C, or at once, and begin no other."""
        with self._lock:
            self._interrupted = True
            if self._process is not None:
                (self._process.kill if kill else self._process.terminate)()


class PipeReporter:
    """Tells the other end of a pipe how an edit goes.

    One thread alone sends: an edit reports from several, and an interrupt would tear what the main thread sends.
    """

    def __init__(self, pipe: Connection) -> None:
        self._queue: queue.SimpleQueue[tuple[str, tuple[Any, ...]] | None] = queue.SimpleQueue()
        self._thread = Thread(target=self._send, args=(pipe,), daemon=True)
        self._thread.start()

    def _send(self, pipe: Connection) -> None:
        with contextlib.suppress(OSError):
            while (event := self._queue.get()) is not None:
                pipe.send(event)

    def tell(self, kind: str, *values: Any) -> None:
        """Pass on an event of `Listener`.

        Raises:
            BrokenPipeError: nobody listens any more.
        """
        if not self._thread.is_alive():
            raise BrokenPipeError
        self._queue.put((kind, values))

    def message(self, level: Literal["info", "warning"], text: str) -> None:
        """Pass a sentence on."""
        self.tell("message", level, text)

    def start(self, total_frames: int | None, title: str) -> None:
        """Pass on that it begins."""
        self.tell("started", total_frames)

    def advance(self, frames: int) -> None:
        """Pass on a count."""
        self.tell("advanced", frames)

    def done(self, summary: Mapping[str, object]) -> None:
        """The summary comes with the result."""

    def close(self) -> None:
        """Wait until all is sent."""
        self._queue.put(None)
        self._thread.join(STOP_SECONDS)


def work(pipe: Connection, threads: int) -> None:
    """What a worker does: edit what comes through the pipe until it is closed."""
    _leave_to_parent()
    signal.signal(signal.SIGTERM, _interrupt)
    reporter = PipeReporter(pipe)
    with contextlib.suppress(EOFError, BrokenPipeError, KeyboardInterrupt), contextlib.closing(reporter):
        import torch

        from movie_cli.editing.editor import Editors

        torch.set_num_threads(threads)
        editors = Editors()
        while True:
            reporter.tell("ended", edit_one(pipe.recv(), reporter, editors))


Unknown = list[tuple[str, int]]
"""What `unknown_instructions` gives."""


def find_unknown(requests: Sequence[EditRequest]) -> tuple[Unknown, Unknown]:
    """Unknown instructions of strict requests, and of all, found in a process that takes torch away with it."""
    context = multiprocessing.get_context("spawn")
    with safe_path():
        pool = ProcessPoolExecutor(1, context, initializer=_leave_to_parent)
        found = pool.submit(_find_unknown, requests)
    with pool:
        try:
            return found.result()
        except BrokenProcessPool:
            return [], []  # the edits themselves tell what is wrong


def _find_unknown(requests: Sequence[EditRequest]) -> tuple[Unknown, Unknown]:
    from movie_cli.editing.directing import unknown_instructions

    found = unknown_instructions(requests)
    return (unknown_instructions(each for each in requests if each.strict) if found else []), found


def _leave_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the parent decides
    if os.environ.get("MOVIE_DEBUG") != "1":
        warnings.simplefilter("ignore")


def edit_one(request: EditRequest, reporter: Any, editors: Any) -> Result:
    """Edit, and say what became of it."""
    from movie_cli.editing.request import check_output, check_source
    from movie_cli.editing.video import edit_video

    try:
        check_source(request.source)
        check_output(request.source, request.output)
        check_free(request)
        return Result("done", asdict(edit_video(request, reporter, editors)))
    except KeyboardInterrupt:
        return Result("interrupted", {})
    except (BrokenPipeError, EOFError):
        raise
    except Exception as error:
        told = known_error(error)
        return Result("interrupted", {}) if told.exit_code == 130 else Result.of_error(told)


def check_free(request: EditRequest) -> None:
    """Refuse to replace an output without consent.

    Raises:
        UsageError: it exists.
    """
    from movie_cli.editing.request import output_exists
    from movie_cli.editing.work_folder import was_published

    output = request.output
    if output_exists(output) and not request.overwrite and not (request.resume and was_published(Path(output))):
        raise UsageError(f"{output} exists", "-y replaces it; or choose another output")


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
