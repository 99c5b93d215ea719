"""Options as click takes them, from the fields of dataclasses, so that they mean the same in all commands."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from movie_cli.cli.help import Decorator, themed
from movie_cli.cli.types import type_of
from movie_cli.kinds import Flag
from movie_cli.options import MachineOptions, Option, RunOptions, options_of
from movie_cli.recipe import AnchorsKind, Recipe


def click_option(option: Option, under: Callable[..., Decorator] | None = None) -> Decorator:
    """The option of a field, under its own theme or that of `under`."""
    settings: dict[str, Any] = {"help": option.help, "setting": option.setting}
    if isinstance(option.kind, Flag):
        settings |= {"default": option.default} if "/" in option.flags[0] else {"is_flag": True}
    elif option.kind.several:
        settings |= {"type": type_of(option.kind), "multiple": True, "metavar": option.metavar}
    else:
        default = option.shown or option.default
        settings |= {"type": type_of(option.kind), "metavar": option.metavar}
        settings |= {} if default is None else {"default": default, "show_default": True}
    return (under or themed(option.theme))(*option.flags, option.param, **settings)


def field_options(cls: type) -> list[Decorator]:
    """The options of all fields of a dataclass that are typed, in their order."""
    return [click_option(option) for option in options_of(cls).values() if option.typed]


def field_values(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a dataclass from a command's values, by the names of its options."""
    return {
        name: not values[option.param] if option.negated else values[option.param]
        for name, option in options_of(cls).items()
        if option.typed
    }


_machine, _run, _recipe = map(options_of, (MachineOptions, RunOptions, Recipe))
BACKEND, DTYPE, COMPILE, OFFLINE = (click_option(_machine[name]) for name in ("backend", "dtype", "compile", "offline"))
DEVICE = click_option(_machine["device"])
PROVIDER, THREADS = click_option(_run["provider"]), click_option(_run["threads"])
_safety = themed("Safety")
YES = _safety("-y", "--yes", is_flag=True, setting=False, help="Replace OUT if it exists.")
NO = _safety("-n", "--no", is_flag=True, setting=False, help="Never replace OUT, and do not ask.")


def steps(theme: Callable[..., Decorator]) -> Decorator:
    """`--steps`, under a theme."""
    return click_option(_recipe["steps"], theme)


def steps_in_time(theme: Callable[..., Decorator]) -> list[Decorator]:
    """`--fade` and `--then`, under a theme."""
    return [click_option(_recipe[name], theme) for name in ("fade", "then")]


def places(theme: Callable[..., Decorator]) -> list[Decorator]:
    """`--only`, `--except` and `--feather`, under a theme."""
    return [click_option(_recipe[name], theme) for name in ("only", "except_for", "feather")]


def anchors(theme: Callable[..., Decorator], *, moving: bool = True) -> Decorator:
    """`--anchors`, under a theme; `moving` where anchors may change within a clip."""
    if moving:
        return click_option(_recipe["anchors"], theme)
    kind, text = AnchorsKind(moving=False), "Frame that the others follow."
    return click_option(
        dataclasses.replace(_recipe["anchors"], kind=kind, metavar="middle|first|none", help=text), theme
    )
