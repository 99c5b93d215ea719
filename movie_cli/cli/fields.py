"""Options as click takes them, from the fields of dataclasses, so that they mean the same in all commands.

Where an option means something narrower in a command, that says so in its help and takes the rest from the field.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

import click

from movie_cli.cli.command import Decorator, themed
from movie_cli.errors import UsageError
from movie_cli.kinds import Choice, Flag, Kind, Seconds, Whole
from movie_cli.options import Option, options_of
from movie_cli.recipe import AnchorsKind, Recipe


class KindType(click.ParamType[Any]):
    """A kind of value: each complaint names what was typed and what would be right; what is read already stays."""

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

    def __init__(self, kind: Kind) -> None:
        self.kind = KindType(kind)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """Read each; a value that stands there twice counts once. Keys of one value, `0s=0,3s=9`, stay together."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in re.split(r",(?![^,]*=)", str(value))]
        return tuple(dict.fromkeys(self.kind.convert(part, param, ctx) for part in parts))


def whole(low: int, high: int) -> KindType:
    """The type of a whole number within limits, both included."""
    return KindType(Whole(low=low, high=high))


def _option(option: Option, under: Callable[..., Decorator] | None) -> Decorator:
    """The option of a field, under its own theme or that of `under`."""
    kind: click.ParamType[Any] = KindType(option.kind)
    if isinstance(option.kind, Choice):
        kind = click.Choice(option.kind.words)  # which shells complete
    settings: dict[str, Any] = {"help": option.help, "setting": option.setting}
    if isinstance(option.kind, Flag):
        settings |= {"default": option.default} if "/" in option.flags[0] else {"is_flag": True}
    elif option.kind.several:
        settings |= {"type": kind, "multiple": True, "metavar": option.metavar}
    else:
        default = option.shown or option.default
        settings |= {"type": kind, "metavar": option.metavar}
        settings |= {} if default is None else {"default": default, "show_default": True}
    return (under or themed(option.theme))(*option.flags, option.param, **settings)


def field_option(cls: type, name: str, under: Callable[..., Decorator] | None = None, **changes: Any) -> Decorator:
    """The option of one field, under another theme if one is given, with `changes` of what it says of itself."""
    return _option(dataclasses.replace(options_of(cls)[name], **changes), under)


def field_options(cls: type, *names: str, under: Callable[..., Decorator] | None = None) -> list[Decorator]:
    """The options of some fields of a dataclass, or of all that are typed."""
    found = options_of(cls)
    return [_option(found[name], under) for name in names or found if found[name].typed]


def listed_option(cls: type, name: str, under: Callable[..., Decorator], text: str) -> Decorator:
    """The option of a field that takes several values here, with commas between; `text` is its help."""
    option = options_of(cls)[name]
    return under(*option.flags, option.param, type=ListType(option.kind), setting=False, metavar="N,...", help=text)


def still_anchors(under: Callable[..., Decorator]) -> Decorator:
    """`--anchors` where single frames are shown: none that moves with the clip."""
    words, text = "middle|first|none", "Frame that the others follow."
    return field_option(Recipe, "anchors", under, kind=AnchorsKind(moving=False), metavar=words, help=text)


def seconds(cls: type, name: str, under: Callable[..., Decorator], text: str) -> Decorator:
    """The option of a field that is a time, in seconds here."""
    return field_option(cls, name, under, kind=Seconds(), help=text, metavar="TIME")


def field_values(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a dataclass from a command's values, by the names of its options, as far as it has them."""
    return {
        name: not values[option.param] if option.negated else values[option.param]
        for name, option in options_of(cls).items()
        if option.typed and option.param in values
    }


_safety = themed("Safety")
YES = _safety("-y", "--yes", is_flag=True, setting=False, help="Replace OUT if it exists.")
NO = _safety("-n", "--no", is_flag=True, setting=False, help="Never replace OUT, and do not ask.")
