"""Kinds of values as click takes them: each complaint names what was typed and what would be right."""

from __future__ import annotations

import re
from typing import Any

import click

from movie_cli.errors import UsageError
from movie_cli.kinds import Choice, Kind, Number, Size, Time, Whole
from movie_cli.recipe import IMAGE_SCALE, TEXT_SCALE


class KindType(click.ParamType[Any]):
    """A kind of value; what is read already stays as it is."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.name = type(kind).__name__.lower()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read what was typed."""
        if not isinstance(value, str):
            return value
        try:
            return self.kind.parse(value)
        except ValueError as error:
            self.fail(f"{value} {error}", param, ctx)
        except UsageError as error:
            raise UsageError(f"{param.opts[0] if param else self.name}: {error}", error.hint) from error


class ListType(click.ParamType["tuple[Any, ...]"]):
    """Values of one kind with commas between, at least one."""

    name = "list"

    def __init__(self, kind: click.ParamType[Any]) -> None:
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """Read each; a value that stands there twice counts once. Keys of one value, `0s=0,3s=9`, stay together."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in re.split(r",(?![^,]*=)", str(value))]
        return tuple(dict.fromkeys(self.kind.convert(part, param, ctx) for part in parts))


def type_of(kind: Kind) -> click.ParamType[Any]:
    """The click type of a kind; shells complete click's own choices."""
    return click.Choice(kind.words) if isinstance(kind, Choice) else KindType(kind)


def WholeType(low: int, high: int) -> KindType:  # noqa: N802 - made like a type
    """A whole number within limits, both included."""
    return KindType(Whole(low=low, high=high))


SCALE, FRACTION = KindType(Number(high=IMAGE_SCALE.high, above=True)), KindType(Number())
TEXT_SCALES, IMAGE_SCALES = ListType(KindType(TEXT_SCALE)), ListType(KindType(IMAGE_SCALE))
SIZE, TIME = KindType(Size()), KindType(Time())
