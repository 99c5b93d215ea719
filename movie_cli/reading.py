"""How a source may be read: limits against files that unpack to far more than they weigh, and what becomes of HDR.

Promises plain values and one check, which `probe` applies to what headers say and `FrameReader` to what decodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from movie_cli.errors import SourceError, UsageError

MAX_PIXELS = 8192 * 4608
"""Pixels a frame may have by default: 8K in either aspect, 38 million."""

MAX_SECONDS = 24 * 3600.0
"""Length of a source, or of the part asked for, by default."""


@dataclass(frozen=True)
class ReadOptions:
    """How a source is read.

    `max_pixels` and `max_seconds` bound a frame's area and the length of what is read. `hdr` is `tonemap` (PQ and HLG
    become BT.709, see `tonemap`) or `refuse`. `frame_rate`, in frames a second, is that of an image sequence, which
    has none of its own; None for 25.

    Raises:
        UsageError: a value is out of range.
    """

    max_pixels: int = MAX_PIXELS
    max_seconds: float = MAX_SECONDS
    hdr: Literal["tonemap", "refuse"] = "tonemap"
    frame_rate: Fraction | None = None

    def __post_init__(self) -> None:
        if self.max_pixels < 1 or not self.max_seconds > 0:
            raise UsageError("--max-pixels and --max-duration must be above 0", "leave them out for 8K and 24 hours")
        if self.frame_rate is not None and not Fraction(1, 3600) <= self.frame_rate <= 1000:
            raise UsageError(f"--frame-rate {float(self.frame_rate):g} is not between 1/3600 and 1000")

    @property
    def decoder_limit(self) -> str:
        """For ffmpeg's `max_pixels`, which refuses before memory is asked for, but drops the picture without a word.

        Up to it `check_size` tells what is wrong.
        """
        return str(min(2 * self.max_pixels, 2**31 - 1))

    def check_size(self, name: object, width: int, height: int) -> None:
        """Refuse a picture that is too large.

        Raises:
            SourceError: it has more pixels than allowed; `name` is what the file is called.
        """
        if width * height > self.max_pixels:
            raise SourceError(
                f"{name} has pictures of {width}x{height}, more than {self.max_pixels} pixels",
                "if you trust the file: --max-pixels " + str(width * height),
            )

    def check_length(self, name: object, seconds: float) -> None:
        """Refuse a source that is too long.

        Raises:
            SourceError: it lasts longer than allowed; `name` is what the file is called.
        """
        if seconds > self.max_seconds:
            raise SourceError(
                f"{name} lasts {seconds:.0f} s, more than {self.max_seconds:.0f} s",
                "choose a part with --end or --duration, or raise --max-duration if you trust the file",
            )
