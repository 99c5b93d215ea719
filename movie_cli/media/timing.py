"""Timestamps: what a sane frame rate is, when a frame is shown, how missing or repeated ones are repaired.

When the frames of a source are shown, and when the last one ends, is also read from its packets alone.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import statistics
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import av.error
from av import VideoFrame

from movie_cli.media.clock import Clock
from movie_cli.media.info import Chapter, SourceInfo, VideoInfo
from movie_cli.media.opening import demuxed, only_stream, open_source

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.container.core import Chapter as MuxChapter


RATE_LIMITS = (Fraction(1, 3600), Fraction(1000))
"""Frames a second that are believed at all."""

COARSE = Fraction(1, 2000)
"""A clock of so many seconds or more rounds the times of common frame rates visibly."""

_COARSE_STEP = 4
"""Units between frames below which a clock is too coarse to tell a rate."""

_FINEST = 240_000
"""Units a second of the finest clock that is made for an even rate."""

JUMP_SECONDS = 2
"""A step back by more than this starts a new timeline (spliced broadcasts) rather than being a late frame."""


def seconds_to_pts(seconds: float | Fraction, time_base: Fraction) -> int:
    """The first timestamp at or after an instant. A hair (1e-6 s) early still counts, because decimals are cut."""
    exact = Fraction(seconds) - Fraction(1, 1_000_000)
    return -((-exact / time_base).__floor__())


def spacing(pts: Sequence[int]) -> list[int]:
    """Differences of sorted, distinct timestamps."""
    ordered = sorted(set(pts))
    return [later - earlier for earlier, later in itertools.pairwise(ordered)]


def looks_variable(pts: Sequence[int]) -> bool:
    """Whether frames are unevenly spaced, by more than the rounding of a coarse time base (one unit) explains."""
    steps = spacing(pts)
    return bool(steps) and max(steps) - min(steps) > max(2, round(0.02 * statistics.median(steps)))


def sane_rate(header: Fraction | None, pts: Sequence[int], time_base: Fraction) -> Fraction | None:
    """The header's average rate if the first frames do not contradict it, else the rate of those frames.

    Headers are known to say 1000 or 612 for 30 frames a second. None where neither is known.
    """
    steps = spacing(pts)
    measured = Fraction(len(steps), sum(steps)) / time_base if steps else None
    low, high = RATE_LIMITS
    if header is not None and low <= header <= high and (measured is None or measured / 2 <= header <= measured * 2):
        return header
    if measured is None or not low <= measured <= high:
        return None
    return _tidy(measured)


def _tidy(rate: Fraction) -> Fraction:
    """The nearest customary rate within 0.5 %, else the rate with a small denominator."""
    customary = [Fraction(n) for n in (10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240)]
    customary += [Fraction(n * 1000, 1001) for n in (24, 30, 60, 120)]
    nearest = min(customary, key=lambda value: abs(value - rate))
    return nearest if abs(nearest - rate) <= rate / 200 else rate.limit_denominator(1001)


def even_time_base(rate: Fraction | None, pts: Sequence[int], time_base: Fraction) -> tuple[Fraction, Fraction] | None:
    """The rate whose frames were rounded to these timestamps by a coarse clock, and a clock that holds them exactly.

    None where the clock is fine, holds the rate's times itself, or the timestamps are not those of one rate.
    """
    if rate is None or len(pts) < 2 or time_base.numerator != 1 or time_base < COARSE:
        return None
    for exact in dict.fromkeys((rate, _tidy(rate))):
        step, first = 1 / (exact * time_base), min(pts)
        finer = Fraction(1, math.lcm(time_base.denominator, exact.numerator))
        fits = all(abs(first + round((value - first) / step) * step - value) <= 1 for value in pts)
        if step.denominator != 1 and step >= _COARSE_STEP and fits and finer.denominator <= _FINEST:
            return exact, finer
    return None


class Stamps:
    """Gives decoded frames, in the order in which they are shown, their timestamps in the video's `time_base`.

    Where frames are counted, or only decoding times are stored, they must come from the first of a decoder on.
    """

    def __init__(self, video: VideoInfo) -> None:
        self._video = video
        self._factor = int(video.stored_time_base / video.time_base)
        rate = video.average_rate
        self._step = max(1, round(1 / (rate * video.time_base))) if rate else 1
        self._next = 0

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """The frame, with `pts` (None where unknown) and `duration` set."""
        duration = self._step if frame.duration is None else frame.duration * self._factor
        if self._factor > 1 and abs(duration - self._step) <= self._factor:
            duration = self._step
        stamp = {"shown": frame.pts, "decoded": frame.dts, "counted": None}[self._video.stamps]
        pts = None if stamp is None else self.even(stamp)
        if pts is None and self._video.stamps != "shown":
            pts = self._next
        self._next = (pts or 0) + (duration or self._step)
        frame.pts, frame.duration, frame.time_base = pts, duration, self._video.time_base
        return frame

    def even(self, stored: int) -> int:
        """A stored timestamp in the video's `time_base`: the even rate's own time where only rounding keeps it off."""
        pts = stored * self._factor
        if self._factor == 1:
            return pts
        exact = self._video.start + round(Fraction(pts - self._video.start, self._step)) * self._step
        return exact if abs(exact - pts) <= self._factor else pts


def shifted_chapters(
    chapters: Sequence[Chapter], origin: Fraction, start: float | None, end: float | None
) -> list[MuxChapter]:
    """Chapters moved so that `origin` (seconds), and then `start` if there is one, become 0; cut to the range kept."""
    moved: list[MuxChapter] = []
    zero = origin + Fraction(start or 0)
    last = None if end is None else Fraction(end) - Fraction(start or 0)
    for chapter in chapters:
        begin, stop = chapter.start * chapter.time_base - zero, chapter.end * chapter.time_base - zero
        if start is not None:
            begin = max(begin, Fraction(0))
        if last is not None:
            stop = min(stop, last)
        if stop > begin and stop > 0:
            moved.append(
                {
                    "id": len(moved),
                    "start": round(begin / chapter.time_base),
                    "end": round(stop / chapter.time_base),
                    "time_base": chapter.time_base,
                    "metadata": dict(chapter.metadata),
                }
            )
    return moved


class Repair:
    """Makes a stream's timestamps strictly rising.

    A missing one becomes the last plus the usual step, a repeated or late one the last plus one unit; after a jump
    back of more than `JUMP_SECONDS` all that follows is moved by the same amount. `repaired` counts the changed ones.
    """

    def __init__(self, time_base: Fraction, rate: Fraction | None) -> None:
        self._step = max(1, round(1 / (rate * time_base))) if rate else 1
        self._jump = int(JUMP_SECONDS / time_base)
        self._last: int | None = None
        self._shift = 0
        self.repaired = 0

    def __call__(self, pts: int | None, dts: int | None = None) -> int:
        """The timestamp to use for the next frame in display order."""
        if pts is None:
            pts = dts if self._last is None else None
        if pts is None:
            fixed = 0 if self._last is None else self._last + self._step
        else:
            fixed = pts + self._shift
            if self._last is not None and fixed <= self._last:
                if self._last - fixed > self._jump:
                    self._shift += self._last + self._step - fixed
                    fixed = self._last + self._step
                else:
                    fixed = self._last + 1
        self.repaired += fixed != pts
        self._last = fixed
        return fixed


_REORDERED = 64
"""More packets than come between one and another that is shown before it."""


def frame_times(
    path: Path, info: SourceInfo, start: float | None, end: float | None, most: int | None = None
) -> list[int] | None:
    """Rising timestamps, in the video's time base, of the frames from `start` until before `end` (seconds).

    With `most` only of the first so many of them.

    Raises:
        SourceError: the source cannot be opened.
    """
    video = info.video
    if video.stamps != "shown":
        return None
    even = Stamps(video).even
    first = video.start if start is None else video.origin + seconds_to_pts(start, video.time_base)
    times: list[int] = []
    count = 0
    with open_source(path) as container:
        try:
            for packet in map(Clock(info.splices), demuxed(container, only_stream(container, video.index))):
                if not packet.size or packet.is_discard:
                    continue
                if packet.pts is None or packet.is_corrupt:
                    return None
                times.append(even(packet.pts))
                count += times[-1] >= first
                if most is not None and count >= most + _REORDERED:
                    break
        except (av.error.FFmpegError, OSError, ValueError):
            return None
    times.sort()
    if len(set(times)) != len(times):
        return None
    times = [pts for pts in times if pts >= first]
    if end is not None:
        stop = video.origin + seconds_to_pts(end, video.time_base)
        times = [pts for pts in times if pts < stop]
    return times[:most] or None


def picture_end(container: InputContainer, index: int) -> Fraction | None:
    """When the last picture of video stream `index` ends, in seconds, by the packets after the last key frame.

    None where the file cannot be searched. The container is used up.
    """
    stream = only_stream(container, index)
    end = None
    with contextlib.suppress(av.error.FFmpegError, OSError, ValueError):
        container.seek(container.duration or 0)
        for packet in demuxed(container, stream):
            if packet.size and packet.pts is not None:
                this = (packet.pts + (packet.duration or 0)) * packet.time_base
                end = this if end is None else max(end, this)
    return end
