"""One job on a cluster: its segments as tasks, checked as they come back, joined when all are there.

Promises that the work folder is the one a local edit would make, so that either can continue what the other began, and
that segments which do not fit together (a source that seeks badly) are made again by reading from the beginning.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from movie_cli import media, remote
from movie_cli.backends import RuntimeConfig
from movie_cli.batch import Job, Listener, Result
from movie_cli.batch.local import check_free
from movie_cli.batch.ray_worker import Part
from movie_cli.checkpoints.exported import is_export
from movie_cli.editing.clip import OVERLAP, ResumePoint
from movie_cli.editing.editor import Editors
from movie_cli.editing.outputs import clean, open_writer, prepare, send
from movie_cli.editing.plan import make_plan
from movie_cli.editing.request import EditRequest, SilentReporter, check_output, check_source
from movie_cli.editing.video import VideoEdit, is_whole, whole_already, work_folder
from movie_cli.editing.work_folder import ANCHORS
from movie_cli.errors import MovieError, SourceError, output_error
from movie_cli.media.timing import frame_times


@dataclass(frozen=True)
class Task:
    """What a worker is asked: `number` of the segment (None: the whole video), from `begin` on, `limit` frames."""

    number: int | None
    begin: ResumePoint | None = None
    limit: int | None = None


def absolute(request: EditRequest) -> EditRequest:
    """The request with names that mean the same on every worker, and without this machine's cache.

    A checkpoint runs on torch unless the request says otherwise: which other backends a machine has, and whether it
    keeps graphs of the checkpoint, differs among machines, and would make segments differ.
    """
    model = request.recipe.model
    backend = "torch" if request.backend == "auto" and not is_export(Path(model)) else request.backend
    recipe = dataclasses.replace(request.recipe, model=str(Path(model).absolute()) if Path(model).is_dir() else model)
    source, output = (
        name if remote.is_url(name) else str(Path(name).absolute()) for name in (request.source, request.output)
    )
    files: dict[str, Any] = {name: str(Path(file).absolute()) for name, file in request.files.items()}
    return dataclasses.replace(
        request,
        source=source,
        output=output,
        backend=backend,
        recipe=recipe,
        use_cache=False,
        **files,
    )


class ClusterJob:
    """A job that has begun. Call `close` at the end, whatever happens."""

    def __init__(self, job: Job, config: RuntimeConfig, listener: Listener) -> None:
        self.job = job
        self.runtime = config
        self.request = absolute(job.request)
        self.anchors: bytes | None = None
        self.shipped: Any = None
        self._listener = listener
        self._stack = ExitStack()
        check_source(self.request.source)
        check_output(self.request.source, self.request.output)
        check_free(job.request)
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise

    def _open(self) -> None:
        request, job, listener = self.request, self.job, self._listener
        self.path = self._stack.enter_context(media.local_source(request.source, request.reading))
        here = prepare(request)
        self._stack.callback(clean, here)
        self.made = dataclasses.replace(make_plan(here, self.path), runtime=self.runtime)
        self._waiting = is_whole(self.made, self.path)
        self._times: list[int] | None = None
        if self.made.joined:
            span = self.made.span
            self._times = frame_times(self.path, self.made.info, span.start, span.end)
        self._began = time.monotonic()
        self._resumed = 0
        listener.started(job, len(self._times) if self._times else self.made.span.frames)
        if self._waiting:
            self._resumed = len(self._times or ())
        elif self._times is not None:
            self.folder = self._stack.enter_context(work_folder(self.made, self.path))
            # What the container refuses is to be known now, not when all segments are there.
            open_writer(self.made, self.folder.path).abort()
            self._pictures: dict[int, int | None] = {}
            self._damage: dict[str, str] = dict(self.folder.facts.get("damage", {}))
            self.anchors = self.folder.stored(ANCHORS)
            self._resumed = self.folder.finished_frames
            listener.advanced(job, self._resumed)

    @property
    def count(self) -> int:
        """The number of segments."""
        return -(-len(self._times or ()) // self.made.segment)

    @property
    def divided(self) -> bool:
        """Whether the job is done in segments; else a worker does it whole."""
        return self._times is not None

    def tasks(self) -> Iterator[Task]:
        """What is left to do."""
        if not self.divided:
            yield Task(None)
            return
        for number in range(self.count):
            if number not in self.folder.finished:
                yield self._task(number)

    def keep_anchors(self, anchors: bytes | None) -> None:
        """Keep the anchors that a worker has made."""
        self.anchors = anchors
        if anchors is not None and self.divided:
            self.folder.store(ANCHORS, anchors)

    def _task(self, number: int, picture: int | None = None) -> Task:
        assert self._times is not None
        first = number * self.made.segment
        if not first:
            begin = None
        else:
            if picture is None and number - 1 in self.folder.finished:
                picture = self.folder.load(number - 1).last_picture
            begin = ResumePoint(first, tuple(self._times[max(0, first - OVERLAP) : first]), picture)
        # The last one reads on to the end: there must not be more frames than the packets told.
        return Task(number, begin, self.made.segment if number + 1 < self.count else None)

    def take(self, task: Task, part: Part) -> Task | None:
        """Keep a segment that has come back; what is to be done again, if anything.

        Raises:
            SourceError: the source has other frames than its packets tell.
        """
        assert self._times is not None
        assert task.number is not None
        first = task.number * self.made.segment
        expected = self._times[first : first + self.made.segment]
        if [pts for pts, _ in part.segment.times] != expected:
            raise Indivisible(f"{self.path} has other frames than its packets tell", "")
        try:
            self.folder.part(task.number).write_bytes(part.packets)
            with self.folder.part(task.number).open("rb+") as file:
                os.fsync(file.fileno())
        except OSError as error:
            raise output_error(Path(self.request.output), error) from error
        self.folder.add(task.number, part.segment)
        self._pictures[task.number] = part.picture_before
        seen = self.folder.facts.get("seen", part.seen)
        self.folder.note(seen=[max(pair) for pair in zip(seen, part.seen, strict=True)])
        before = self.folder.facts.get("met", [])
        if part.met is not None and part.met not in before:
            self._damage |= part.damage
            self.folder.note(met=[*before, part.met], damage=self._damage)
        self._listener.advanced(self.job, part.segment.frames)
        return next(self._misfits(task.number), None)

    def _misfits(self, number: int) -> Iterator[Task]:
        """Segments at either side of one that has come whose reader did not arrive where the one before had ended."""
        for later in (number, number + 1):
            if later and {later - 1, later} <= self.folder.finished and later in self._pictures:
                picture = self.folder.load(later - 1).last_picture
                if self._pictures[later] != picture:
                    # With the picture known, the reader does not believe a wrong place, and reads from the beginning.
                    yield self._task(later, picture)

    @property
    def complete(self) -> bool:
        """Whether all segments are there and fit."""
        return self._waiting or len(self.folder.finished) == self.count

    def finish(self) -> Result:
        """Put the output together.

        Raises:
            MovieError: that failed.
        """
        notes = _Forward(self.job, self._listener)
        if self._waiting:
            summary = whole_already(self.made, notes)
        else:
            self.folder.note(segments=self.count, damage=self._damage)
            summary = VideoEdit(self.made, self.path, Editors(), notes, self.folder).run()
        send(self.made.request, self.request)
        seconds = time.monotonic() - self._began
        facts = dataclasses.asdict(summary) | {
            "output": self.job.request.output,
            "seconds": round(seconds, 3),
            "fps": round((summary.frames - self._resumed) / max(seconds, 1e-9), 2),
            "resumed": self._resumed,
        }
        return Result("done", facts)

    def give_up_dividing(self) -> Task:
        """Leave the job to one worker."""
        if self.divided:
            self.folder.discard()
            self._times = None
        self._stack.close()
        return Task(None)

    def close(self, error: BaseException | None = None) -> None:
        """Let go of the work folder; an error gets a hint where finished segments are kept."""
        if error is None:
            self._stack.close()
            return
        with contextlib.suppress(MovieError, KeyboardInterrupt):
            self._stack.__exit__(type(error), error, error.__traceback__)


class Indivisible(SourceError):  # noqa: N818 - nothing failed
    """The frames are not where the packets say."""


class _Forward(SilentReporter):
    """Passes sentences on, and nothing else: frames were counted when their segments came."""

    def __init__(self, job: Job, listener: Listener) -> None:
        self._job, self._listener = job, listener

    def message(self, level: Literal["info", "warning"], text: str) -> None:
        """Pass a sentence on."""
        if not text.startswith("continuing after"):
            self._listener.message(self._job, level, text)
