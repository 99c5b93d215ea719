"""The kinds of values that options take, and what is said about a wrong one.

Each message names what was typed and what would be right. Knows nothing of which option it serves.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any

import click

from movie_cli.editing.request import TimeValue
from movie_cli.errors import UsageError
from movie_cli.recipe import SCALE_LIMITS, SIZE_LIMITS

_RATE = re.compile(r"\d{1,7}(?:\.\d{1,7})?|\d{1,7}/\d{1,7}", re.ASCII)
_SIZE = re.compile(r"(\d{1,6})[xX×](\d{1,6})", re.ASCII)


class ScaleType(click.ParamType[float]):
    """A finite number within the recipe's limits for scales."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a scale."""
        low, high = SCALE_LIMITS
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and low < number <= high):
            self.fail(f"{value} is not a number above {low:g} and at most {high:g}", param, ctx)
        return number


class FractionType(click.ParamType[float]):
    """A number from 0 to 1."""

    name = "0..1"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a number from 0 to 1."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0 <= number <= 1:
            self.fail(f"{value} is not a number from 0 to 1", param, ctx)
        return number


class WholeType(click.ParamType[int]):
    """A whole number within limits, both included."""

    name = "N"

    def __init__(self, low: int, high: int) -> None:
        self.low = low
        self.high = high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a whole number."""
        try:
            number = int(value)
        except ValueError:
            number = self.low - 1
        if not self.low <= number <= self.high:
            self.fail(f"{value} is not a whole number from {self.low} to {self.high}", param, ctx)
        return number


class SizeType(click.ParamType["tuple[int, int] | None"]):
    """Width and height in pixels as `1280x720`, or `source` (None)."""

    name = "WxH|source"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int] | None:
        """Read a size."""
        if value == "source" or value is None:
            return None
        found = _SIZE.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"{value} is not a size such as 1280x720, nor the word source", param, ctx)
        low, high = SIZE_LIMITS
        width, height = int(found[1]), int(found[2])
        if not (low <= width <= high and low <= height <= high):
            self.fail(f"{value} has a side that is not between {low} and {high} pixels", param, ctx)
        return width, height


class TimeType(click.ParamType[TimeValue]):
    """`90f`, `1.5s` or `HH:MM:SS.mmm`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> TimeValue:
        """Read a time."""
        if isinstance(value, TimeValue):
            return value
        try:
            return TimeValue.parse(str(value))
        except UsageError as error:
            raise UsageError(f"{param.opts[0] if param else 'time'}: {error}", error.hint) from error


class ListType(click.ParamType["tuple[Any, ...]"]):
    """Values of one kind with commas between, at least one."""

    name = "list"

    def __init__(self, kind: click.ParamType[Any]) -> None:
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """Read each; a value that stands there twice counts once."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",")]
        return tuple(dict.fromkeys(self.kind.convert(part, param, ctx) for part in parts))


class RateType(click.ParamType[Fraction]):
    """Frames a second, as `24`, `23.976` or `24000/1001`."""

    name = "NUMBER"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        """Read a rate."""
        if isinstance(value, Fraction):
            return value
        try:
            rate = Fraction(_RATE.fullmatch(str(value).strip())[0])  # type: ignore[index]
        except (TypeError, ZeroDivisionError):
            rate = Fraction(0)
        if not Fraction(1, 3600) <= rate <= 1000:
            self.fail(f"{value} is not a frame rate such as 24, 23.976 or 24000/1001", param, ctx)
        return rate.limit_denominator(100_000)


class KeyValueType(click.ParamType["tuple[str, str]"]):
    """An encoder's option, `KEY=VALUE`."""

    name = "KEY=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Read a pair; the value may hold further equals signs and may be empty."""
        if isinstance(value, tuple):
            return str(value[0]), str(value[1])
        key, equals, rest = str(value).partition("=")
        if not equals or not key.strip():
            self.fail(f"{value} is not KEY=VALUE", param, ctx)
        return key.strip(), rest


class AnchorsType(click.ParamType[str]):
    """Which frames the others attend to; `moving` where they may change within a clip."""

    name = "anchors"

    def __init__(self, moving: bool) -> None:
        self._moving = moving

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read a choice of anchors."""
        from movie_cli.recipe import AnchorRule

        try:
            rule = AnchorRule.parse(str(value))
        except UsageError as error:
            self.fail(f"{error}; {error.hint}", param, ctx)
        if rule.moves and not self._moving:
            self.fail(f"{value} moves with the clip, of which only single frames are shown", param, ctx)
        return str(value)


SCALE = ScaleType()
FRACTION = FractionType()
SIZE = SizeType()
TIME = TimeType()
KEY_VALUE = KeyValueType()
RATE = RateType()
ANCHOR = AnchorsType(moving=True)
STILL_ANCHOR = AnchorsType(moving=False)
