"""Timecodes, `HH:MM:SS:FF`: what a film's first frame is called on the set.

Promises that a part of a film begins with the timecode that its first frame had, drop-frame counting included.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction

from movie_cli.media.info import VideoInfo

_TIMECODE = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})([:;.])(\d{1,3})", re.ASCII)
_DAY = 24 * 60


def advanced(text: str, frames: int, rate: Fraction) -> str:
    """The timecode so many frames later, at `rate` frames a second; text that is no timecode as it is.

    With `;` or `.` before the frames, the first two (of 60: four) numbers of each minute but every tenth are left out.
    """
    found = _TIMECODE.fullmatch(text.strip())
    whole = round(rate)
    if found is None or whole < 1 or not frames:
        return text
    hours, minutes, seconds, count = (int(found[group]) for group in (1, 2, 3, 5))
    dropped = whole // 15 if found[4] != ":" and whole % 30 == 0 else 0
    minute = hours * 60 + minutes
    number = (minute * 60 + seconds) * whole + count - dropped * (minute - minute // 10)
    per_ten = whole * 600 - dropped * 9
    tens, rest = divmod((number + frames) % (per_ten * _DAY // 10), per_ten)
    rest += dropped * max(0, (rest - dropped) // (whole * 60 - dropped))
    total = tens * whole * 600 + rest
    count, total = total % whole, total // whole
    return f"{total // 3600:02d}:{total // 60 % 60:02d}:{total % 60:02d}{found[4]}{count:02d}"


def moved_timecode(tags: Mapping[str, str], video: VideoInfo, start: float | None) -> dict[str, str]:
    """Tags whose timecode is that of the first frame at or after `start`, in seconds on the source's timeline."""
    skipped, rate = 0, video.average_rate
    if start is not None and rate is not None:
        begins = (video.start - video.origin) * video.time_base
        skipped = max(0, math.ceil((Fraction(start) - begins) * rate - Fraction(1, 1000)))
    return {
        name: advanced(value, skipped, rate) if rate is not None and name.lower() == "timecode" else value
        for name, value in tags.items()
    }
