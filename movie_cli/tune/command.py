"""From what the page's controls say to a recipe, and to the command that makes the same edit.

The page never names a file: source, output, model and machine are those of the command line that opened it.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from movie_cli.errors import UsageError
from movie_cli.options import options_of
from movie_cli.recipe import AnchorRule, Recipe

CONTROLS = (
    *("instruction", "text_scale", "image_scale", "seed", "steps", "anchors", "detail"),
    *("only", "except_for", "feather"),
)
"""Fields of the recipe that the page sets: what is done, and where."""


def recipe_of(values: Any, model: str) -> Recipe:
    """The recipe that a page asks for.

    Raises:
        UsageError: a value is none of a control's, of another type, or out of range.
    """
    if not isinstance(values, dict) or set(values) - {*CONTROLS}:
        raise UsageError(f"a page sets nothing but its controls: {', '.join(CONTROLS)}")
    recipe = Recipe.of({**values, "model": model})
    recipe.scales  # noqa: B018 - refuses those that change over time
    if AnchorRule.parse(recipe.anchors).moves:
        raise UsageError(f"{recipe.anchors} moves with the clip, of which only single frames are shown")
    return recipe


def controls_of(recipe: Recipe) -> dict[str, Any]:
    """What the page's controls show of a recipe."""
    return {name: getattr(recipe, name) for name in CONTROLS}


def edit_arguments(source: str, output: str, recipe: Recipe, usual: Recipe, machine: Mapping[str, Any]) -> list[str]:
    """What stands after `movie` to make the edit; `usual` is what `movie edit` does here when nothing is said.

    `machine` holds options about where it runs, those that are not as usual.
    """
    options = ["-o", output]
    for name, one in options_of(Recipe).items():
        value = getattr(recipe, name)
        if one.typed and value is not None and value != getattr(usual, name):
            options += one.typed_as(value)
    for name, value in machine.items():
        options += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    words = [source, recipe.instruction]
    if any(word.startswith("-") for word in words):
        return ["edit", *options, "--", *words]
    return ["edit", *words, *options]


def as_typed(arguments: list[str]) -> str:
    """The command as one types it into a shell."""
    return shlex.join(["movie", *arguments])
