"""Where a source breaks, in values and in words.

Promises one sentence for all that went wrong while a source was decoded. Knows nothing of decoders.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from movie_cli.media.info import VideoInfo

MISSING_END = Fraction(1, 4)
"""A video that stops this many seconds (and two frames) before its header's duration is reported as cut off."""


@dataclass(frozen=True)
class Damage:
    """Where a source breaks: `time` in seconds on its timeline, `packets` that were skipped.

    `message` is a sentence, which counts from the first picture. `fatal` says that nothing after `time` could be read.
    """

    time: float
    message: str
    packets: int
    fatal: bool


@dataclass
class Trouble:
    """What went wrong so far: how many packets, and the first one's place (timestamp) and reason."""

    packets: int = 0
    where: int = 0
    reason: str = ""

    def add(self, error: BaseException, where: int) -> None:
        """One more packet could not be read or decoded."""
        if not self.packets:
            self.where = where
            self.reason = str(getattr(error, "strerror", None) or error)
        self.packets += 1

    def damage(self, video: VideoInfo, reached: int, *, fatal: bool) -> Damage | None:
        """All of it, where something went wrong or the end is missing; `reached` is the last frame's end."""
        where, problem = self.where, self.reason
        if not self.packets:
            missing = _missing_end(video, reached)
            if missing is None:
                return None
            where, fatal, problem = reached, True, f"the last {missing:.2f} s are missing"
        place = float((where - video.start) * video.time_base)
        packets = "1 packet" if self.packets == 1 else f"{self.packets} packets"
        text = f"it breaks at {place:.2f} s ({problem})"
        if not fatal:
            text = f"{packets} at or after {place:.2f} s cannot be decoded ({problem})"
        return Damage(video.seconds(where), text, self.packets, fatal)


def _missing_end(video: VideoInfo, after: int) -> float | None:
    """Seconds between the last frame and the end that the header promises, where that is worth a word."""
    if video.duration is None or video.average_rate is None or not video.frames:
        return None
    promised = Fraction(video.duration) - (after - video.start) * video.time_base
    enough = promised > MISSING_END + 2 / video.average_rate
    return float(promised) if enough else None
