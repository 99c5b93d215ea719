"""Where edited frames go: into segments of a work folder, or, for a pipe, straight to its end.

Promises that a segment stands in the folder as soon as its last frame is written, and that an unfinished one leaves
nothing. Used by one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from movie_cli.backends.base import Pixels
from movie_cli.editing.continuing import picture_of
from movie_cli.media import VideoWriter
from movie_cli.media.segments import Segment, SegmentEncoder


class Sink(Protocol):
    """Takes edited frames in order."""

    def write(self, pixels: Pixels, pts: int, duration: int | None, source: Pixels) -> None:
        """Take one frame; `source` is the source's frame at the working size."""

    def finish(self) -> None:
        """All frames have come."""


class PipeSink:
    """Hands frames to a writer as they come."""

    def __init__(self, writer: VideoWriter) -> None:
        self._writer = writer

    def write(self, pixels: Pixels, pts: int, duration: int | None, source: Pixels) -> None:
        """Write one frame."""
        self._writer.write(pixels, pts, duration)

    def finish(self) -> None:
        """The writer is finished by whoever opened it."""


class SegmentStore(Protocol):
    """Where segments go: a work folder, or whatever is like one."""

    def part(self, number: int) -> Path:
        """Where a segment's packets are to be written."""

    def add(self, number: int, segment: Segment) -> None:
        """Take over a segment whose packets are written."""


class SegmentSink:
    """Encodes frames into segments of `length` frames, the last one shorter, beginning with number `first`.

    `encoder` opens the encoder of a segment's file; `finished` is called after each segment. As a context manager it
    drops an unfinished segment.
    """

    def __init__(
        self,
        folder: SegmentStore,
        encoder: Callable[[Path], SegmentEncoder],
        length: int,
        first: int,
        finished: Callable[[], None],
    ) -> None:
        self._folder, self._encoder, self._length = folder, encoder, length
        self._number = first
        self._finished = finished
        self._open: SegmentEncoder | None = None
        self._last: Pixels | None = None

    @property
    def count(self) -> int:
        """How many segments there are, those before `first` included."""
        return self._number

    def write(self, pixels: Pixels, pts: int, duration: int | None, source: Pixels) -> None:
        """Encode one frame."""
        if self._open is None:
            self._open = self._encoder(self._folder.part(self._number))
        self._open.write(pixels, pts, duration)
        self._last = source
        if self._open.frames_written == self._length:
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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open is not None:
            self._open.abort()
            self._open = None
