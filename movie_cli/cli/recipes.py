"""The recipe of a command: what was typed, over a preset's or another video's.

Promises that a recipe from a file, which may be a stranger's, is checked as if it had been typed, and that nothing is
fetched because a file says so: the user is asked, or has to name it.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from movie_cli.editing.request import check_source
from movie_cli.errors import ModelError, UsageError
from movie_cli.recipe import Recipe, recipe_text


def recipe_of(
    ctx: click.Context, instruction: str | None, values: Mapping[str, Any], *, ask: bool
) -> tuple[Recipe, bool]:
    """The recipe, and whether nothing may be fetched for it. `ask` allows questions, on a terminal.

    Raises:
        UsageError: there is none, or it cannot be meant.
        ModelError: a recipe from a file names a checkpoint that is not here.
    """
    names = tuple(field.name for field in dataclasses.fields(Recipe) if field.name != "instruction")
    usual = {name: values[name] for name in names}
    typed = {name: values[name] for name in names if ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE}
    if instruction is not None:
        typed["instruction"] = instruction
    offline: bool = values["offline"]
    if values["recipe_from"] is not None:
        if values["preset"] is not None:
            raise UsageError("--preset and --recipe-from are both given", "keep one of the two")
        path: str = values["recipe_from"]
        recipe = dataclasses.replace(_read(path), **typed)
        return recipe, forbids_fetching(path, recipe, typed, ask=ask) or offline
    if values["preset"] is not None:
        from movie_cli.presets import get_preset

        return Recipe(**{**usual, **get_preset(values["preset"]).values, **typed}), offline
    if instruction is None:
        raise UsageError('"INSTRUCTION" is missing', 'say what to do, for example "make it winter"')
    return Recipe(instruction, **usual), offline


def _read(path: str) -> Recipe:
    check_source(path)
    from movie_cli.media import probe

    text = recipe_text(probe(Path(path)).metadata)
    if text is None:
        raise UsageError(
            f"{path} carries no recipe",
            "only outputs of movie do, unless written with --no-metadata or converted since",
        )
    try:
        return Recipe.from_json(text)
    except UsageError as error:
        raise UsageError(f"the recipe in {path} cannot be repeated: {error}", error.hint) from error


def forbids_fetching(path: str, recipe: Recipe, typed: Mapping[str, Any], *, ask: bool) -> bool:
    """Whether a file names something on the Hub that nobody has agreed to fetch, not even what is new of it.

    Args:
        path: The file, or the place in it, that names them.
        recipe: What it says, with what was typed.
        typed: What the user has typed, by the recipe's fields.
        ask: Whether a user at a terminal may be asked.

    Raises:
        ModelError: it is not here, and the user does not want it or cannot be asked.
    """
    from movie_cli.checkpoints.store import on_the_hub

    forbids = False
    for field, (name, here) in on_the_hub(recipe).items():
        if typed.get(field) == name:
            continue
        if not here:
            asks = f"{path} asks for {name}, which is not on this machine"
            can_ask = ask and sys.stdin.isatty() and sys.stderr.isatty()
            if can_ask and click.confirm(f"{asks}. Fetch it from the Hugging Face Hub?", err=True):
                continue
            raise ModelError(asks, f"if you trust it, name it: --{field} {name}; or choose another --{field}")
        forbids = True
    return forbids
