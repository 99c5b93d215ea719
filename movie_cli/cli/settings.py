"""Defaults from the environment and the settings file: flag > `MOVIE_*` > `config.toml`.

Promises that every value is checked as if it had been typed, that a complaint names the variable or the file it
comes from, and that a misspelt key is told of with the nearest one. Which options may be set is marked at the
options themselves; one file serves all commands, and each takes what it has an option for.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from movie_cli.errors import UsageError, did_you_mean
from movie_cli.files import config_file
from movie_cli.presets import TABLE

PREFIX = "MOVIE_"
GENERAL = "General"
_OTHER_VARIABLES = frozenset({"MOVIE_HOME", "MOVIE_DEBUG"})


class ThemedOption(click.Option):
    """An option with the heading it stands under. `setting` says that environment and settings file may set it."""

    def __init__(self, *names: Any, theme: str = GENERAL, setting: bool = False, **rest: Any) -> None:
        super().__init__(*names, **rest)
        self.theme = theme
        self.setting = setting


def defaults_for(command: click.Command, program: click.Command) -> dict[str, Any]:
    """The values that the settings give to the options of `command` of `program`, by parameter name.

    Raises:
        UsageError: the settings file cannot be read, has an unknown key, or some value is wrong.
    """
    options = _settable(command)
    defaults = _from_file(config_file(), options, program)
    for name, option in options.items():
        variable = PREFIX + name.upper()
        if os.environ.get(variable, ""):
            defaults[name] = _convert(option, os.environ[variable], variable)
    _warn_of_misspelt(program)
    return defaults


def _settable(command: click.Command) -> dict[str, ThemedOption]:
    return {
        option.name: option
        for option in command.params
        if isinstance(option, ThemedOption) and option.setting and option.name
    }


def _from_file(path: Path, options: Mapping[str, ThemedOption], program: click.Command) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"the settings file {path} cannot be read: {error}", "correct it or move it away") from error
    defaults = {}
    for key, value in values.items():
        name = key.replace("-", "_")
        if key == TABLE:
            continue  # see `movie_cli.presets`
        if name not in options:
            known = _of_all_commands(program)
            if name not in known:
                raise UsageError(f"{path}: there is no setting {key}", _nearest(key, known))
            continue
        if isinstance(value, bool):
            value = str(value).lower()  # noqa: PLW2901  (one spelling for what TOML and the environment say)
        elif not isinstance(value, (str, int, float)):
            raise UsageError(f"{path}: {key} is neither text, number nor true or false", f'write {key} = "..."')
        defaults[name] = _convert(options[name], str(value), f"{path}: {key}")
    return defaults


def _of_all_commands(program: click.Command) -> set[str]:
    """The names of all settings of the program."""
    found: set[str] = set()
    waiting: list[click.Command] = [program]
    while waiting:
        command = waiting.pop()
        found |= _settable(command).keys()
        waiting += command.commands.values() if isinstance(command, click.Group) else []
    return found


def _nearest(key: str, known: Iterable[str]) -> str:
    names = [name.replace("_", "-") for name in known]
    return did_you_mean(key.replace("_", "-"), names, f"there are {', '.join(sorted(names))}")


def _convert(option: ThemedOption, text: str, origin: str) -> Any:
    kind = click.BOOL if option.is_flag else option.type
    try:
        return kind.convert(text, option, None)
    except click.BadParameter as error:
        raise UsageError(f"{origin}: {error.message}", f"it sets {option.opts[0]}") from error


def _warn_of_misspelt(program: click.Command) -> None:
    """Variables with our prefix may be another program's, so only near misses are told of."""
    ours = [variable for variable in sorted(os.environ) if variable.startswith(PREFIX)]
    known = {PREFIX + name.upper() for name in _of_all_commands(program)} | _OTHER_VARIABLES if ours else set()
    for variable in ours:
        if variable not in known:
            near = difflib.get_close_matches(variable, known, n=1, cutoff=0.85)
            if near:
                click.echo(f"warning: {variable} is not a setting; did you mean {near[0]}?", err=True)
