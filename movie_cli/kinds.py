"""Kinds of values that options take: how each is written, read from text or JSON, and checked.

The command line, the environment, the settings file, presets, recipes in files, manifests and Python all come here.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from movie_cli.errors import UsageError

_TIME = re.compile(
    r"(?:(?:(?P<hours>\d{1,6}):)?(?P<minutes>\d{1,6}):)?(?P<seconds>\d{1,9}(?:\.\d{0,12})?|\.\d{1,12})(?P<unit>s?)",
    re.ASCII,
)
_FRAMES = re.compile(r"(\d{1,12})f", re.ASCII)
_RATE = re.compile(r"\d{1,7}(?:\.\d{1,7})?|\d{1,7}/\d{1,7}", re.ASCII)
_SIZE = re.compile(r"(\d{1,6})[xX×](\d{1,6})", re.ASCII)


@dataclass(frozen=True)
class TimeValue:
    """A position or a length in the source: a number of frames or of seconds, exactly one of the two."""

    frames: int | None = None
    seconds: Fraction | None = None  # from Python any number

    def __post_init__(self) -> None:
        if (self.frames is None) == (self.seconds is None):
            raise UsageError("a time is either a number of frames or a number of seconds")
        if self.seconds is not None:
            object.__setattr__(self, "seconds", Fraction(str(self.seconds)))  # a float 0.4 means four tenths exactly

    @classmethod
    def parse(cls, text: str) -> TimeValue:
        """Read `90f`, `1.5s`, `1.5`, `MM:SS.mmm` or `HH:MM:SS.mmm`; seconds are kept exactly.

        Raises:
            UsageError: the text is none of these.
        """
        text = text.strip()
        if frames := _FRAMES.fullmatch(text):
            return cls(frames=int(frames[1]))
        found = _TIME.fullmatch(text)
        clock = found is not None and found["minutes"] is not None
        if found is None or (clock and (found["unit"] or Fraction(found["seconds"]) >= 60)):
            raise _not_a_time(text)
        if found["hours"] is not None and int(found["minutes"]) >= 60:
            raise _not_a_time(text)
        seconds = Fraction(found["seconds"]) + 60 * int(found["minutes"] or 0) + 3600 * int(found["hours"] or 0)
        return cls(seconds=seconds)

    def __str__(self) -> str:
        """One spelling for each value, which `parse` reads back if the seconds are a finite decimal."""
        if self.seconds is None:
            return f"{self.frames}f"
        digits = 0
        while digits < 18 and (self.seconds * 10**digits).denominator != 1:
            digits += 1
        if digits == 18:
            return f"{self.seconds}s"
        scaled = f"{int(self.seconds * 10**digits):0{digits + 1}d}"
        return f"{scaled[: len(scaled) - digits]}.{scaled[len(scaled) - digits :]}".rstrip(".") + "s"


def _not_a_time(text: str) -> UsageError:
    return UsageError(f'"{text}" is not a time', "write 90f for frames, 1.5s for seconds, or HH:MM:SS.mmm")


@dataclass(frozen=True)
class Kind:
    """A text of one line, and the base of all other kinds. `lines` allows several."""

    lines: bool = False
    noun = "a text of one line"
    """What JSON must hold."""
    several = False
    """Whether it may be typed more than once; what is read then is one of a tuple's values."""

    def parse(self, text: str) -> Any:
        """The value that was written.

        Raises:
            ValueError: it is none; the sentence goes on from the text, such as "is not a number".
            UsageError: the same, as a whole sentence.
        """
        return text

    def check(self, value: Any) -> None:
        """Refuse a value of the right type that may not be; ValueError as for `parse`."""

    def from_json(self, value: Any) -> Any:
        """The value that JSON or TOML holds.

        Raises:
            ValueError: it is of another type; `noun` says which would be right.
        """
        allowed = "\n\t" if self.lines else ""
        if not isinstance(value, str) or not all(
            # Nothing that a terminal or a file system would take for something else.
            letter in allowed or unicodedata.category(letter) not in {"Cc", "Cs"}
            for letter in value
        ):
            raise ValueError(value)
        return value

    def show(self, value: Any) -> str:
        """The value as it would be written, empty for none; equal values and no others look the same."""
        return "" if value is None else str(value)


@dataclass(frozen=True)
class Number(Kind):
    """A finite number from `low` (or `above` it) to `high`."""

    low: float = 0.0
    high: float = 1.0
    above: bool = False
    noun = "a number"

    def parse(self, text: str) -> float:
        """Read and check."""
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        self.check(number)
        return number

    def check(self, value: Any) -> None:
        """Refuse what is outside."""
        number = float(value) if isinstance(value, int | float) else math.nan
        if not self.low <= number <= self.high or (self.above and number == self.low):
            bounds = f"above {self.low:g} and at most" if self.above else f"from {self.low:g} to"
            raise ValueError(f"is not a number {bounds} {self.high:g}")

    def from_json(self, value: Any) -> float:
        """Whole numbers are numbers, too."""
        if type(value) not in {int, float} or not abs(value) < 2**53:
            raise ValueError(value)
        return float(value)


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number within limits, both included."""

    low: int = 0
    high: int = 2**63 - 1
    noun = "a whole number"

    def parse(self, text: str) -> int:
        """Read and check."""
        try:
            number = int(text)
        except ValueError:
            number = self.low - 1
        self.check(number)
        return number

    def check(self, value: Any) -> None:
        """Refuse what is outside."""
        if not (isinstance(value, int) and self.low <= value <= self.high):
            raise ValueError(f"is not a whole number from {self.low} to {self.high}")

    def from_json(self, value: Any) -> int:
        """True and false are no numbers."""
        if type(value) is not int:
            raise ValueError(value)
        return value


@dataclass(frozen=True)
class Size(Kind):
    """Width and height in pixels as `1280x720`, or `source` (None)."""

    low: int = 2
    high: int = 16384
    noun = "two whole numbers"

    def parse(self, text: str) -> tuple[int, int] | None:
        """Read and check."""
        if text == "source":
            return None
        found = _SIZE.fullmatch(text.strip())
        if found is None:
            raise ValueError("is not a size such as 1280x720, nor the word source")
        size = int(found[1]), int(found[2])
        self.check(size)
        return size

    def check(self, value: Any) -> None:
        """Refuse sides that no video has."""
        if not all(self.low <= side <= self.high for side in value):
            raise ValueError(f"has a side that is not between {self.low} and {self.high} pixels")

    def from_json(self, value: Any) -> tuple[int, int]:
        """A list of the two."""
        if not isinstance(value, list) or [type(side) for side in value] != [int, int]:
            raise ValueError(value)
        return value[0], value[1]

    def show(self, value: Any) -> str:
        """Two sides with an x between."""
        return "source" if value is None else "{}x{}".format(*value)


@dataclass(frozen=True)
class Time(Kind):
    """`90f`, `1.5s` or `HH:MM:SS.mmm`."""

    def parse(self, text: str) -> TimeValue:
        """Read it."""
        return TimeValue.parse(text)

    def check(self, value: Any) -> None:
        """Refuse a text, which only the command line reads."""
        if not isinstance(value, TimeValue):
            raise TypeError


@dataclass(frozen=True)
class Seconds(Kind):
    """A length in seconds, written as a time; `zero` where it may be none."""

    zero: bool = False
    noun = "a number of seconds"

    def parse(self, text: str) -> float:
        """Read it; a number of frames says nothing of seconds."""
        time = TimeValue.parse(text)
        if time.seconds is None:
            raise UsageError(f"{time} is a number of frames", "give it in seconds or as HH:MM:SS")
        return float(time.seconds)

    def check(self, value: Any) -> None:
        """Refuse less than nothing, and nothing."""
        if not (value > 0 or (self.zero and value == 0)) or value == math.inf:
            raise ValueError("is not above 0")

    def from_json(self, value: Any) -> float:
        """A number."""
        return Number().from_json(value)


@dataclass(frozen=True)
class Rate(Kind):
    """Frames a second, as `24`, `23.976` or `24000/1001`."""

    def parse(self, text: str) -> Fraction:
        """Read and check."""
        found = _RATE.fullmatch(text.strip())
        try:
            rate = Fraction(found[0] if found else 0)
        except ZeroDivisionError:
            rate = Fraction(0)
        self.check(rate)
        return rate.limit_denominator(100_000)

    def check(self, value: Any) -> None:
        """Refuse what no video has."""
        if not Fraction(1, 3600) <= value <= 1000:
            raise ValueError("is not a frame rate such as 24, 23.976 or 24000/1001")


@dataclass(frozen=True)
class Choice(Kind):
    """One of some words."""

    words: tuple[str, ...] = ()

    def check(self, value: Any) -> None:
        """Refuse other words."""
        if value not in self.words:
            raise ValueError(f"is not one of {', '.join(self.words)}")


@dataclass(frozen=True)
class FileName(Kind):
    """A file, or a name with `%03d` for several: what counts of it is what is in it."""


@dataclass(frozen=True)
class Flag(Kind):
    """Yes or no."""

    def show(self, value: Any) -> str:
        """Only what is so is worth a word."""
        return "yes" if value else ""


@dataclass(frozen=True)
class Pairs(Kind):
    """An encoder's options, each `KEY=VALUE`; the value may hold further equals signs and may be empty."""

    several = True

    def parse(self, text: str) -> tuple[str, str]:
        """Read one pair."""
        key, equals, rest = text.partition("=")
        if not equals or not key.strip():
            raise ValueError("is not KEY=VALUE")
        return key.strip(), rest

    def show(self, value: Any) -> str:
        """All of them."""
        return " ".join(f"{key}={text}" for key, text in value)
