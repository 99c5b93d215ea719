"""An output: what its name and an existing file tell, where frames go, how segments become one, what a store gets.

A segment stands in the work folder as soon as its last frame is written, and an unfinished one leaves nothing. The
output is the same whoever made the segments, and gets its name only while the source is what was edited. One for a
store is edited into a folder on this machine and sent when it is whole; an interrupted edit, or one whose output could
not be sent, is continued by `--resume` like any other.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal, Protocol, Self

from movie_cli import files, media, remote
from movie_cli.backends import Pixels
from movie_cli.editing.clip import picture_of, span_of
from movie_cli.editing.job import SourceWatch
from movie_cli.editing.plan import Plan, encode_options
from movie_cli.editing.request import EditRequest, Reporter
from movie_cli.editing.work_folder import WorkFolder, folder_for, remove_published
from movie_cli.errors import MovieError, output_error
from movie_cli.media import VideoWriter
from movie_cli.media.containers import container_for
from movie_cli.media.encoder import Picture
from movie_cli.media.outfile import Naming
from movie_cli.media.segments import Segment, SegmentEncoder
from movie_cli.options import STREAM, EncodeOptions
from movie_cli.recipe import RECIPE_KEY, START_KEY, recipe_in, recipe_text


def check_ending(request: EditRequest) -> None:
    """Refuse an output whose name says no container, before the networks are imported.

    Raises:
        OutputError: it is not known, or cannot be written there.
    """
    name = remote.file_name(request.output) if remote.is_url(request.output) else request.output
    container_for(name, request.encode.container)


def frames_if_finished(request: EditRequest) -> int | None:
    """How many frames an existing output of the request has, if it is whole as far as it tells; else None.

    It has the recipe, the size, the beginning and as many frames as the edit would have, and was written after the
    source; nothing of an edit that was interrupted is beside it. What else is asked of the output cannot be told of it.
    """
    output, asked = Path(request.output), request.encode != EncodeOptions() or request.mask is not None
    if STREAM in {request.source, request.output} or remote.is_url(request.output) or folder_for(output).exists():
        return None
    if asked or not (output.is_file() and Path(request.source).is_file()):
        return None
    if Path(request.source).stat().st_mtime > output.stat().st_mtime:
        return None
    try:
        made = media.probe(output)
        if recipe_in(made.metadata) != request.recipe:
            return None
        with media.local_source(request.source, request.reading) as path:
            info = media.probe(path, request.reading)
            span = span_of(request, info)
    except MovieError:
        return None  # the edit tells of it
    alike = recipe_text(made.metadata, START_KEY) == span.start_text(info.video)
    alike = alike and made.video.display_size == (request.recipe.size or info.video.display_size)
    frames, whole = made.video.frames, request.start is request.end is request.duration is None
    # A header's count of all frames may be one off; that of a part is ours.
    alike = alike and span.frames is not None and abs((frames or 0) - span.frames) <= whole
    return frames if alike and frames else None


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


class _Held:
    """Passes everything on but the end, which has not come before the output is in its place."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self.summary: Mapping[str, object] | None = None

    def message(self, level: Literal["info", "warning"], text: str) -> None:
        self._reporter.message(level, text)

    def start(self, total_frames: int | None, title: str) -> None:
        self._reporter.start(total_frames, title)

    def advance(self, frames: int) -> None:
        self._reporter.advance(frames)

    def done(self, summary: Mapping[str, object]) -> None:
        self.summary = summary


@contextlib.contextmanager
def staged(request: EditRequest, reporter: Reporter) -> Iterator[tuple[EditRequest, Reporter]]:
    """The request and the reporter to edit with; where the output is named by a URL it is sent there at the end.

    Raises:
        MovieError: the output cannot be sent. It is kept, and `--resume` sends it.
    """
    if not remote.is_url(request.output):
        yield request, reporter
        return
    here, held = prepare(request), _Held(reporter)
    try:
        yield here, held
    except BaseException:
        clean(here)
        raise
    reporter.message("info", f"sending the output to {request.output}")
    send(here, request)
    if held.summary is not None:
        reporter.done({**held.summary, "output": request.output})


def prepare(request: EditRequest) -> EditRequest:
    """The request with an output on this machine, in a folder that no other request has.

    Raises:
        OutputError: the folder cannot be made.
    """
    if not remote.is_url(request.output):
        return request
    path = files.outputs_folder() / request.key / remote.file_name(request.output)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not request.resume:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(path, error) from error
    return dataclasses.replace(request, output=str(path))


def is_staged(request: EditRequest) -> bool:
    """Whether a request came from `prepare`, which sends its output to a store when it is whole."""
    return files.outputs_folder() in Path(request.output).parents


def send(here: EditRequest, request: EditRequest) -> None:
    """Send the output of a `prepare`d request to where it was asked for, and remove it here.

    Raises:
        MovieError: that failed; the hint says that the output is kept.
    """
    if here is request:
        return
    path = Path(here.output)
    try:
        remote.upload(path, request.output, overwrite=request.overwrite)
    except MovieError as error:
        error.hint = f"{error.hint}; the output is kept as {path}, and the same command with --resume sends it"
        raise
    with contextlib.suppress(OSError, MovieError):
        path.unlink()
        remove_published(path)
    clean(here)


def clean(here: EditRequest) -> None:
    """Remove the folder of a `prepare`d request unless something is kept in it."""
    with contextlib.suppress(OSError):
        Path(here.output).parent.rmdir()
