"""Values that change over time: scales as in `0s=0,3s=9`, instructions as in `0s: make it autumn; 4s: make it winter`.

Times count from the source's first picture and rise. What comes first also holds before its time, what comes last to
the end.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Generic, TypeVar

from movie_cli.errors import UsageError
from movie_cli.kinds import Kind, Number, TimeValue

Value = TypeVar("Value")
_KEY = re.compile(r"\s*([^=\s]+)\s*=\s*([^=\s]+)(\s+hold)?\s*")
_UNITS, _CLOCK = r"\d[\d.]*[sf]", r"(?:\d+:)?\d+:\d\d(?:\.\d+)?"
_AT = re.compile(rf"(?:^|;)\s*(?:({_UNITS})\s*:\s*|({_CLOCK})\s*:\s+)", re.ASCII)
_HINT = 'write "0s=0,3s=9" for a ramp, "0s=0 hold,3s=9" for a step'
START = TimeValue(frames=0)


@dataclass(frozen=True)
class Key(Generic[Value]):
    """A value and when it is reached; with `hold` it stays until the next one's time, else the way there is even."""

    at: TimeValue
    value: Value
    hold: bool = False


def scale_keys(value: float | str, kind: Number) -> tuple[Key[float], ...]:
    """The keys of a scale, one for a number.

    Raises:
        UsageError: a key is none, or their times do not rise.
        ValueError: a value is no number that `kind` takes.
    """
    if not isinstance(value, str):
        return (Key(START, float(value)),)
    keys = []
    for part in value.split(","):
        found = _KEY.fullmatch(part)
        if found is None:
            raise UsageError(f'"{part.strip()}" is no time with a number', _HINT)
        keys.append(Key(TimeValue.parse(found[1]), Number.parse(kind, found[2]), hold=bool(found[3])))
    return _rising(keys)


def instruction_keys(text: str) -> tuple[Key[str], ...]:
    """The keys of an instruction, one where it names no times. What stands before the first time begins with the film.

    Raises:
        UsageError: one says nothing, or their times do not rise.
    """
    found = list(_AT.finditer(text))
    times = [TimeValue.parse(each[1] or each[2]) for each in found]
    ends = [each.start() for each in found] + [len(text)]
    keys = [Key(at, text[each.end() : end].strip()) for at, each, end in zip(times, found, ends[1:], strict=True)]
    if text[: ends[0]].strip() or not found:
        first = TimeValue(seconds=Fraction(0)) if found and times[0].seconds is not None else START
        keys.insert(0, Key(first, text[: ends[0]].strip()))
    for key in keys:
        if not key.value:
            where = f" at {key.at}" if found else ""
            raise UsageError(f"the instruction{where} is empty", 'say what to do, for example "make it winter"')
    return _rising(keys)


def texts_of(instruction: str) -> tuple[str, ...]:
    """What an instruction asks for, one after the other; each once."""
    return tuple(dict.fromkeys(key.value for key in instruction_keys(instruction)))


def _rising(keys: Sequence[Key[Value]]) -> tuple[Key[Value], ...]:
    for before, key in itertools.pairwise(keys):
        if (before.at.frames is None) != (key.at.frames is None):
            raise UsageError(f"{before.at} and {key.at} are of two units", "give all in frames, or all in seconds")
        if (before.at.frames or before.at.seconds or 0) >= (key.at.frames or key.at.seconds or 0):
            raise UsageError(f"{key.at} comes after {before.at}", "times must rise: put the earlier one first")
    return tuple(keys)


def short(value: float) -> str:
    """A number as short as it can be read back from."""
    text = f"{value:g}"
    return text if float(text) == value else str(value)


@dataclass(frozen=True)
class ScaleKind(Number):
    """A number, or several with the times at which they hold."""

    noun = 'a number, or numbers at times such as "0s=0,3s=9"'

    def parse(self, text: str) -> float | str:  # type: ignore[override]  # a number's text may be more than a number
        """Read and check; keys in one spelling."""
        if "=" not in text:
            return super().parse(text)
        return ",".join(f"{key.at}={short(key.value)}{' hold' if key.hold else ''}" for key in scale_keys(text, self))

    def check(self, value: Any) -> None:
        """Refuse what is outside."""
        if isinstance(value, str) and "=" in value:
            scale_keys(value, self)
        else:
            super().check(value)

    def from_json(self, value: Any) -> Any:
        """A number or a text."""
        return Kind.from_json(self, value) if isinstance(value, str) else super().from_json(value)
