"""Named looks: recipes without a source, some that come with the program and those in the settings file.

Promises that every preset is checked as a recipe is, that one of the user's replaces one of the same name that came
with the program, and that a wrong one is told of by file and key.
"""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from movie_cli.errors import UsageError, did_you_mean, output_error
from movie_cli.files import config_file, write_whole
from movie_cli.recipe import Recipe

TABLE = "presets"
"""The settings file's table that holds the user's, one table each: `[presets.NAME]`."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)
_KEYS = tuple(field.name for field in dataclasses.fields(Recipe))


@dataclass(frozen=True)
class Preset:
    """A look. `values` are the fields of `Recipe` that it sets, the instruction among them; `own`: it is the user's."""

    name: str
    values: Mapping[str, Any]
    description: str = ""
    own: bool = False

    @property
    def recipe(self) -> Recipe:
        """The recipe, with all else as usual."""
        return Recipe(**self.values)


def list_presets() -> list[Preset]:
    """All presets by name.

    Raises:
        UsageError: the settings file holds one that is none.
    """
    found = {name: _preset("presets.toml", name, values, own=False) for name, values in _built_in().items()}
    path = config_file()
    for name, values in own_tables(path).items():
        found[name] = _preset(str(path), name, values, own=True)
    return [found[name] for name in sorted(found)]


def get_preset(name: str) -> Preset:
    """One preset by its name.

    Raises:
        UsageError: there is none of that name, or the settings file holds one that is none.
    """
    presets = {preset.name: preset for preset in list_presets()}
    if name not in presets:
        hint = did_you_mean(name, presets, "`movie presets` shows what there is")
        raise UsageError(f"there is no preset {name}", hint)
    return presets[name]


def own_tables(path: Path) -> dict[str, Any]:
    """The tables under `[presets]` of a settings file; none where it is missing or cannot be read.

    Raises:
        UsageError: `presets` is not a table.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8")).get(TABLE, {})
    except (OSError, ValueError):
        return {}  # what is wrong with the file is told where its settings are read
    if not isinstance(values, dict):
        raise UsageError(f"{path}: {TABLE} is not a table", f"write [{TABLE}.dusk], and under it instruction = ...")
    return values


def _built_in() -> dict[str, Any]:
    return tomllib.loads((resources.files("movie_cli") / "presets.toml").read_text(encoding="utf-8"))


def _preset(path: str, name: str, values: Any, *, own: bool) -> Preset:
    where = f"{path}: the preset {name}"
    if not isinstance(values, dict):
        raise UsageError(f"{where} is not a table", f"write [{TABLE}.{name}], and under it instruction = ...")
    known: dict[str, Any] = {}
    for key, value in values.items():
        field = key.replace("-", "_")
        if field == "description":
            continue
        if field not in _KEYS:
            keys = [each.replace("_", "-") for each in _KEYS]
            hint = did_you_mean(field.replace("_", "-"), keys, f"there are {', '.join(keys)}")
            raise UsageError(f"{where} has no key {key}", hint)
        known[field] = value
    if not isinstance(known.get("instruction"), str):
        raise UsageError(f"{where} has no instruction", 'add instruction = "make it winter"')
    try:
        recipe = Recipe.of(known)
    except UsageError as error:
        raise UsageError(f"{where}: {error}", error.hint) from error
    return Preset(name, {field: getattr(recipe, field) for field in known}, str(values.get("description", "")), own)


def save_preset(name: str, values: Mapping[str, Any]) -> Path:
    """Write a preset of the user's to the end of the settings file, which is made where there is none.

    Raises:
        UsageError: the name is none, the user has a preset of that name, or the settings file cannot be read.
        OutputError: the file cannot be written.
    """
    path = config_file()
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name[:40]!a} is no preset's name", "use letters, digits, - and _, at most 40 of them")
    if name in own_tables(path):
        raise UsageError(f"there is a preset {name} already", f"choose another name, or take it out of {path}")
    lines = [f"[{TABLE}.{name}]"]
    lines += [f"{key.replace('_', '-')} = {to_toml(value)}" for key, value in values.items() if value is not None]
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        text = f"{before.rstrip()}\n\n" * bool(before.strip()) + "\n".join(lines) + "\n"
        made = tomllib.loads(text)[TABLE][name]
    except (OSError, ValueError) as error:
        raise UsageError(f"nothing can be added to {path}: {error}", "correct it or move it away") from error
    _preset(str(path), name, made, own=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(path, error) from error
    write_whole(path.resolve(), text.encode())
    return path


def to_toml(value: Any) -> str:
    """A text, number, truth value or list of them in TOML. JSON's escapes are TOML's, but for the delete character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
