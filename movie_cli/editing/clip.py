"""The part of a source that is edited: its range in seconds, and its frames, also from the middle on.

An edit goes on in the middle where an earlier run or another machine stopped. It gets the very frames that reading from
the beginning would give there: seeking is believed only if the frames before the place have the timestamps, and the
last of them the picture, that are known of them; otherwise the source is read from the beginning.
"""

from __future__ import annotations

import contextlib
import itertools
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from movie_cli.backends import Pixels
from movie_cli.editing.request import EditRequest
from movie_cli.errors import SourceError, UsageError
from movie_cli.kinds import TimeValue
from movie_cli.media import Damage, Frame, FrameReader, SourceInfo, VideoInfo
from movie_cli.media.planes import Luma
from movie_cli.media.reader import check_range
from movie_cli.media.timing import frame_times


@dataclass(frozen=True)
class Span:
    """The range to edit in seconds on the file's timeline, None for an open end, and how many frames to expect."""

    start: float | None
    end: float | None
    frames: int | None
    middle: float | None

    def start_text(self, video: VideoInfo) -> str | None:
        """Where it begins, in seconds after the first picture, as tags of an output say it; None without a start."""
        return None if self.start is None else f"{self.start - float(video.begin):.9f}"


@dataclass(frozen=True)
class Batch:
    """A batch on its way: frames at the working size, the frames they came from, and source latents if known.

    `full` are RGB or luma, None where the output has the working size. `times` holds `(pts, duration)` of each frame.
    """

    working: Pixels
    full: Sequence[Pixels | Luma] | None
    times: list[tuple[int, int | None]]
    latents: Any = None


def span_of(request: EditRequest, info: SourceInfo) -> Span:
    """Resolve `--start`, `--end` and `--duration`, which count from the first picture.

    Frames are counted, not timed: by the packets, or by decoding where these do not tell.

    Raises:
        UsageError: the range is empty.
        SourceError: the range is longer than `info.reading` allows, or begins after the last frame.
    """
    begin, rate = float(info.video.begin), info.video.average_rate
    start = end = count = None
    if request.start is not None:
        start = begin + float(request.start.seconds or 0)
        if request.start.frames is not None:
            start = _nth(info, request.start.frames)
    if request.end is not None:
        end = begin + float(request.end.seconds or 0)
        if request.end.frames is not None:
            end = _until(info, None, request.end.frames)[0]
    if request.duration is not None:
        end = (begin if start is None else start) + float(request.duration.seconds or 0)
        if request.duration.frames is not None:
            end, count = _until(info, start, request.duration.frames)
    check_range(info, start, end)
    length = info.length
    if start is not None and length is not None and start >= begin + length and not _shown(info, start, 1):
        raise SourceError(
            f"no frame of {info.path} lies in the range asked for; it is {length:.2f} s long", "choose an earlier start"
        )
    ends = [value for value in (end, None if length is None else begin + length) if value is not None]
    first = begin if start is None else start
    if start is None and end is None and info.video.frames:
        count = info.video.frames
    elif count is None and rate is not None and length is not None:
        count = max(1, round((min(ends) - first) * rate))
    return Span(start, end, count, (first + min(ends)) / 2 if ends else None)


def _nth(info: SourceInfo, number: int) -> float:
    """When the frame is shown that has so many before it, in seconds on the file's timeline."""
    times = _shown(info, None, number + 1)
    if len(times) <= number:
        raise SourceError(f"{info.path} has only {len(times)} frames", "the first one is 0f: choose an earlier one")
    return times[number]


def _until(info: SourceInfo, start: float | None, number: int) -> tuple[float | None, int]:
    """When so many frames from `start` on have been shown, and how many of them there are."""
    times = _shown(info, start, number + 1)
    if len(times) > number:
        return times[number], number
    rate = info.video.average_rate
    return (times[-1] + (number + 1 - len(times)) / float(rate) if rate and times else None), len(times)


def _shown(info: SourceInfo, start: float | None, most: int) -> list[float]:
    """Times of the first frames from `start` on, in seconds on the file's timeline."""
    times = frame_times(info.path, info, start, None, most=most)
    if times is None:
        with FrameReader(info.path, start=start, info=info) as reader:
            times = [frame.pts for frame in itertools.islice(reader, most)]
    return [info.video.seconds(pts) for pts in times]


def batches(frames: Iterator[Frame], size: int, keep_full: bool, cut: int | None = None) -> Iterator[Batch]:
    """Gather frames into batches of `size`; the last one, and one that ends at a multiple of `cut`, may be shorter."""
    pending: list[Frame] = []
    for count, frame in enumerate(frames, 1):
        pending.append(frame)
        if len(pending) == size or (cut is not None and count % cut == 0):
            yield batch_of(pending, keep_full)
            pending = []
    if pending:
        yield batch_of(pending, keep_full)


def batch_of(frames: list[Frame], keep_full: bool) -> Batch:
    """A batch of these frames."""
    small = np.stack([frame.working for frame in frames])
    full = [frame.pixels if frame.luma is None else frame.luma for frame in frames] if keep_full else None
    return Batch(small, full, [(frame.pts, frame.duration) for frame in frames])


def frame_at(
    path: Path, info: SourceInfo, span: Span, seconds: float | None, size: tuple[int, int], threads: int = 1
) -> Frame | None:
    """The first frame at or after `seconds`, also at the working size; None where none can be read.

    Key frames may be far apart: `threads` are the decoder's, 0 for one a core.
    """
    also = None if size == info.video.display_size else size
    try:
        with FrameReader(path, start=seconds, end=span.end, info=info, also_size=also, threads=threads) as reader:
            return next(iter(reader))
    except (SourceError, UsageError, StopIteration):  # nothing may be left after the middle of one frame
        return None


def seconds_of(info: SourceInfo, time: TimeValue) -> float:
    """A time in seconds after the first picture.

    Raises:
        UsageError: it is the number of a frame that the source does not have.
    """
    if time.frames is None:
        return float(time.seconds or 0)
    try:
        return _nth(info, time.frames) - float(info.video.begin)
    except SourceError as error:
        raise UsageError(f"there is no frame {time}: {error}", error.hint) from error


def damage_to_text(damage: Damage | None) -> dict[str, str]:
    """Damage as cache metadata, so that a second edit warns as the first did."""
    if damage is None:
        return {}
    return {"damage_time": repr(damage.time), "damage": damage.message, "damage_fatal": str(int(damage.fatal))}


def damage_from_text(meta: dict[str, str]) -> Damage | None:
    """What `damage_to_text` wrote."""
    if "damage" not in meta:
        return None
    return Damage(float(meta["damage_time"]), meta["damage"], 0, meta["damage_fatal"] == "1")


OVERLAP = 3
"""Frames before the place that are read again."""


@dataclass(frozen=True)
class ResumePoint:
    """A place between two frames: the number of frames before it, the timestamps of the last of them, its picture.

    `picture` is what `picture_of` gave for the last frame before, or None where that is not known.
    """

    index: int
    before: tuple[int, ...]
    picture: int | None

    @classmethod
    def after(cls, index: int, times: Sequence[tuple[int, int | None]], picture: int | None) -> ResumePoint:
        """The place after `index` frames, the last of which have these `(pts, duration)`."""
        return cls(index, tuple(pts for pts, _ in times[-OVERLAP:]), picture)


def picture_of(small: Pixels) -> int:
    """A CRC-32 of a source's frame at the working size."""
    return zlib.crc32(np.ascontiguousarray(small).data)


class FrameSource:
    """The frames of a source from a point on; iterate once, then look at `reader`. `picture` is that before the point.

    Args:
        open_reader: Gives a reader of the edited range that begins at an instant in seconds, or at the range's begin.
        video: What is known of the video.
        point: Where to begin; None for the beginning.

    Raises:
        SourceError: as `FrameReader`; or the source no longer reads as it did.
    """

    def __init__(
        self, open_reader: Callable[[float | None], FrameReader], video: VideoInfo, point: ResumePoint | None
    ) -> None:
        self._open_reader = open_reader
        self._video = video
        self._point = point
        self.picture: int | None = None
        self.reader: FrameReader | None = None

    def __iter__(self) -> Iterator[Frame]:
        if self._point is None:
            yield from self._open(None)
            return
        frames = None
        # Only what goes wrong before the first frame is a reason to begin again: later, frames would come twice.
        with contextlib.suppress(SourceError):
            frames = self._sought(self._point)
        yield from self._from_beginning(self._point) if frames is None else frames

    def _sought(self, point: ResumePoint) -> Iterator[Frame] | None:
        video = self._video
        frames = self._open(float((point.before[0] - video.origin) * video.time_base))
        for pts in point.before:
            frame = next(frames, None)
            if frame is None or frame.pts != pts:
                return None
            self.picture = _picture(frame)
        if point.picture is not None and self.picture != point.picture:
            return None
        return frames

    def _from_beginning(self, point: ResumePoint) -> Iterator[Frame]:
        frames = self._open(None)
        frame = None
        for _ in range(point.index):
            frame = next(frames, None)
        path = self.reader.path if self.reader is not None else ""
        if frame is None or frame.pts != point.before[-1]:
            raise SourceError(f"{path} no longer has the frames that were edited", "-y starts from the beginning")
        self.picture = _picture(frame)
        if point.picture is not None and self.picture != point.picture:
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

    def __exit__(self, *_: object) -> None:
        self.close()


def _picture(frame: Frame) -> int:
    return picture_of(frame.working)
