"""Reading a source on from the middle, where an earlier run or another machine stopped.

Promises the very frames that reading from the beginning would give at that place. Seeking is tried first and believed
only if the frames before the place have the timestamps, and the last of them the picture, that are known of them;
otherwise the source is read from the beginning.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from movie_cli.backends.base import Pixels
from movie_cli.errors import SourceError
from movie_cli.media import Frame, FrameReader, VideoInfo

OVERLAP = 3
"""Frames before the place that are read again."""


@dataclass(frozen=True)
class Mark:
    """A place between two frames: the number of frames before it, the timestamps of the last of them, its picture.

    `picture` is what `picture_of` gave for the last frame before, or None where that is not known.
    """

    index: int
    before: tuple[int, ...]
    picture: int | None

    @classmethod
    def after(cls, index: int, times: Sequence[tuple[int, int | None]], picture: int | None) -> Mark:
        """The place after `index` frames, the last of which have these `(pts, duration)`."""
        return cls(index, tuple(pts for pts, _ in times[-OVERLAP:]), picture)


def picture_of(small: Pixels) -> int:
    """A CRC-32 of a source's frame at the working size."""
    return zlib.crc32(np.ascontiguousarray(small).data)


class FrameSource:
    """The frames of a source from a mark on; iterate once, then look at `reader`. `picture` is that before the mark.

    Args:
        open_reader: Gives a reader of the edited range that begins at an instant in seconds, or at the range's begin.
        video: What is known of the video.
        mark: Where to begin; None for the beginning.

    Raises:
        SourceError: as `FrameReader`; or the source no longer reads as it did.
    """

    def __init__(self, open_reader: Callable[[float | None], FrameReader], video: VideoInfo, mark: Mark | None) -> None:
        self._open_reader = open_reader
        self._video = video
        self._mark = mark
        self.picture: int | None = None
        self.reader: FrameReader | None = None

    def __iter__(self) -> Iterator[Frame]:
        if self._mark is None:
            yield from self._open(None)
            return
        frames = None
        # Only what goes wrong before the first frame is a reason to begin again: later, frames would come twice.
        with contextlib.suppress(SourceError):
            frames = self._sought(self._mark)
        yield from self._from_beginning(self._mark) if frames is None else frames

    def _sought(self, mark: Mark) -> Iterator[Frame] | None:
        video = self._video
        frames = self._open(float((mark.before[0] - video.origin) * video.time_base))
        for pts in mark.before:
            frame = next(frames, None)
            if frame is None or frame.pts != pts:
                return None
            self.picture = _picture(frame)
        if mark.picture is not None and self.picture != mark.picture:
            return None
        return frames

    def _from_beginning(self, mark: Mark) -> Iterator[Frame]:
        frames = self._open(None)
        frame = None
        for _ in range(mark.index):
            frame = next(frames, None)
        path = self.reader.path if self.reader is not None else ""
        if frame is None or frame.pts != mark.before[-1]:
            raise SourceError(f"{path} no longer has the frames that were edited", "-y starts from the beginning")
        self.picture = _picture(frame)
        if mark.picture is not None and self.picture != mark.picture:
            raise SourceError(f"{path} no longer decodes as it did", "-y starts from the beginning")
        yield from frames

    def _open(self, seconds: float | None) -> Iterator[Frame]:
        self.close()
        self.reader = self._open_reader(seconds)
        return iter(self.reader)

    def close(self) -> None:
        """Let go of the source. Safe to call twice; not while another thread is iterating."""
        if self.reader is not None:
            self.reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _picture(frame: Frame) -> int:
    return picture_of(frame.pixels if frame.small is None else frame.small)
