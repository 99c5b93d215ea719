"""Timestamps: which instant is zero, what a sane frame rate is, and how missing or repeated ones are repaired.

Promises strictly rising integers out of `Repair`, equal to the input wherever that was possible. Pure arithmetic.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.container.core import Chapter as MuxChapter

    from movie_cli.media.info import Chapter

RATE_LIMITS = (Fraction(1, 3600), Fraction(1000))
"""Frames a second that are believed at all."""

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
