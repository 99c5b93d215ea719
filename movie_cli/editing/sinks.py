"""Where edited frames go: into segments of a work folder, or straight into the output; and how segments become one.

A segment stands in the folder as soon as its last frame is written, and an unfinished one leaves nothing. The output
is the same whoever made the segments, and gets its name only while the source is what was edited.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, Self

from movie_cli import media
from movie_cli.backends.base import Pixels
from movie_cli.editing.clip import picture_of
from movie_cli.editing.job import SourceWatch
from movie_cli.editing.plan import Plan, encode_options
from movie_cli.editing.work_folder import WorkFolder
from movie_cli.media import VideoWriter
from movie_cli.media.encoder import Picture
from movie_cli.media.outfile import Naming
from movie_cli.media.segments import Segment, SegmentEncoder
from movie_cli.recipe import RECIPE_KEY, START_KEY


class Sink(Protocol):
    """Takes edited frames in order."""

    def write(self, picture: Picture, pts: int, duration: int | None, source: Pixels) -> None:
        """Take one frame; `source` is the source's frame at the working size."""

    def finish(self) -> None:
        """All frames have come."""


class PipeSink:
    """Hands frames to a writer as they come."""

    def __init__(self, writer: VideoWriter) -> None:
        self._writer = writer

    def write(self, picture: Picture, pts: int, duration: int | None, source: Pixels) -> None:
        """Write one frame."""
        self._writer.write(picture, pts, duration)

    def finish(self) -> None:
        """The writer is finished by whoever opened it."""


class SegmentStore(Protocol):
    """Where segments go: a work folder, or whatever is like one."""

    def part(self, number: int) -> Path:
        """Where a segment's packets are to be written."""

    def add(self, number: int, segment: Segment) -> None:
        """Take over a segment whose packets are written."""


class SegmentSink:
    """Encodes frames into segments of `plan.segment` frames, the last one shorter, beginning with number `first`.

    `finished` is called after each segment. As a context manager it drops an unfinished segment.
    """

    def __init__(
        self, folder: SegmentStore, plan: Plan, first: int = 0, finished: Callable[[], None] = lambda: None
    ) -> None:
        self._folder, self._plan, self._number, self._finished = folder, plan, first, finished
        self._open: SegmentEncoder | None = None
        self._last: Pixels | None = None

    @property
    def count(self) -> int:
        """How many segments there are, those before `first` included."""
        return self._number

    def write(self, picture: Picture, pts: int, duration: int | None, source: Pixels) -> None:
        """Encode one frame."""
        if self._open is None:
            plan, path = self._plan, self._folder.part(self._number)
            self._open = SegmentEncoder(path, plan.request.output, plan.info, encode_options(plan.request), plan.size)
        self._open.write(picture, pts, duration)
        self._last = source
        if self._open.frames_written == self._plan.segment:
            self.finish()

    def finish(self) -> None:
        """End the segment that is being written, if there is one."""
        if self._open is None or self._last is None:
            return
        segment = self._open.finish(picture_of(self._last))
        self._folder.add(self._number, segment)
        self._open = None
        self._number += 1
        self._finished()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._open is not None:
            self._open.abort()
            self._open = None


def open_writer(plan: Plan, hidden_in: Path | None) -> VideoWriter:
    """A writer of the output, whose hidden file is in the folder given."""
    tags = {RECIPE_KEY: plan.request.recipe.to_json()}
    if (start := plan.span.start_text(plan.info.video)) is not None:
        tags[START_KEY] = start
    return VideoWriter(
        plan.request.output,
        plan.info,
        encode_options(plan.request),
        size=plan.size,
        start=plan.span.start,
        end=plan.span.end,
        metadata=tags if plan.request.encode.metadata else {},
        hidden_in=hidden_in,
    )


def naming_of(plan: Plan, watch: SourceWatch, folder: WorkFolder | None) -> Naming:
    """How the output gets its name: what cannot be continued later is kept if the name is taken meanwhile."""

    def ready(whole: Path) -> None:
        watch.check()
        if folder is not None:
            folder.note_published(whole)

    return Naming(ready, replace=plan.request.overwrite, keep=not plan.resumable)


def join(plan: Plan, folder: WorkFolder, count: int, watch: SourceWatch, until: float | None) -> media.WriteReport:
    """Put the output together from the first `count` segments, check it and give it its name.

    Raises:
        MovieError: it cannot be written, or the source has changed.
    """
    with open_writer(plan, folder.path) as writer:
        for number in range(count):
            writer.write_segment(folder.load(number), folder.packets(number))
        return writer.commit(until=until, naming=naming_of(plan, watch, folder))
