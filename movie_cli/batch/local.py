"""The local engine: worker processes on this machine, each with one model for all its jobs.

Promises that a job which brings its worker down (a decoder that crashes, memory that runs out) is that job's failure
and no other's: the worker is replaced. Workers stop as on Ctrl-C and keep finished segments.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import warnings
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Literal

from movie_cli.batch.jobs import Job, Listener, Result
from movie_cli.editing.request import EditRequest
from movie_cli.errors import UsageError, known_error

STOP_SECONDS = 60.0
"""How long a worker may take to end after it was asked to."""


class LocalEngine:
    """Runs jobs in `workers` processes."""

    def __init__(self, workers: int) -> None:
        self._count = workers

    def run(self, jobs: Sequence[Job], listener: Listener, *, fail_fast: bool) -> None:
        """See `Engine.run`."""
        waiting = deque(jobs)
        light = all(job.request.recipe.lora is None for job in jobs)
        workers: list[_Worker] = []
        try:
            while waiting or any(worker.job for worker in workers):
                workers = [worker for worker in workers if worker.alive or worker.job]
                idle = [worker for worker in workers if worker.job is None]
                while waiting and (idle or len(workers) < self._count):
                    if not idle:
                        workers.append(_Worker(threads_for(self._count), light))
                        idle.append(workers[-1])
                    idle.pop().begin(waiting.popleft())
                busy = {worker.pipe: worker for worker in workers if worker.job}
                for ready in wait(list(busy)):
                    assert isinstance(ready, Connection)
                    failed = not busy[ready].listen(listener)
                    if failed and fail_fast:
                        waiting.clear()
                        self._stop(workers, listener)
        except BaseException:
            self._stop(workers, listener)
            raise
        finally:
            for worker in workers:
                worker.dismiss()

    @staticmethod
    def _stop(workers: Sequence[_Worker], listener: Listener) -> None:
        """Interrupt all workers and hear them out."""
        for worker in workers:
            worker.interrupt()
        for worker in workers:
            while worker.job is not None:
                worker.listen(listener, STOP_SECONDS)


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
    """One process and the pipe to it."""

    def __init__(self, threads: int, light: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.job: Job | None = None
        self.alive = True
        self._interrupted = False
        self._process = context.Process(target=work, args=(theirs, threads, light), name="movie-batch", daemon=True)
        self._process.start()
        theirs.close()

    def begin(self, job: Job) -> None:
        """Hand over a job."""
        self.job = job
        with contextlib.suppress(OSError):  # it has died: `listen` finds out
            self.pipe.send(job.request)

    def listen(self, listener: Listener, seconds: float | None = None) -> bool:
        """Pass on one thing that the worker tells; False if it is that the job failed."""
        job = self.job
        assert job is not None
        try:
            if seconds is not None and not self.pipe.poll(seconds):
                self._process.kill()
            kind, values = self.pipe.recv()
        except (EOFError, OSError):
            self.alive, self.job = False, None
            self._process.join()
            result = self._fate()
            listener.ended(job, result)
            return result.outcome != "failed"
        if kind == "start":
            listener.started(job, *values)
        elif kind == "message":
            listener.message(job, *values)
        elif kind == "advance":
            listener.advanced(job, *values)
        else:
            self.job = None
            listener.ended(job, values)
            return bool(values.outcome != "failed")
        return True

    def _fate(self) -> Result:
        if self._interrupted:
            return Result("interrupted", {})
        code = self._process.exitcode or 0
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        hint = "another try continues from the finished segments; --jobs 1 needs less memory"
        return Result("failed", {"error": f"its process was ended {how}", "hint": hint, "exit_code": 1})

    def interrupt(self) -> None:
        """Stop as on Ctrl-C."""
        self._interrupted = True
        if self.alive:
            self._process.terminate()

    def dismiss(self) -> None:
        """End an idle worker."""
        with contextlib.suppress(OSError):
            self.pipe.close()
        self._process.join(STOP_SECONDS)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        self._process.close()


class PipeReporter:
    """Tells the other end of a pipe how an edit goes."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def message(self, level: Literal["info", "warning"], text: str) -> None:
        """Pass a sentence on."""
        self._pipe.send(("message", (level, text)))

    def start(self, total_frames: int | None, title: str) -> None:
        """Pass on that it begins."""
        self._pipe.send(("start", (total_frames,)))

    def advance(self, frames: int) -> None:
        """Pass on a count."""
        self._pipe.send(("advance", (frames,)))

    def done(self, summary: Mapping[str, object]) -> None:
        """The summary comes with the result."""


def work(pipe: Connection, threads: int, light: bool) -> None:
    """What a worker does: edit what comes through the pipe until it is closed. `light` as in `light_imports`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the parent decides
    signal.signal(signal.SIGTERM, _interrupt)
    if os.environ.get("MOVIE_DEBUG") != "1":
        warnings.simplefilter("ignore")
    try:
        import torch

        if light:
            from movie_cli.models.light_imports import import_networks

            import_networks()
        from movie_cli.editing.editors import Editors

        torch.set_num_threads(threads)
        editors = Editors()
        while True:
            pipe.send(("end", edit_one(pipe.recv(), PipeReporter(pipe), editors)))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return


def edit_one(request: EditRequest, reporter: Any, editors: Any) -> Result:
    """Edit, and say what became of it."""
    from movie_cli.editing.pipeline import edit_video
    from movie_cli.editing.request import check_output, check_source

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
