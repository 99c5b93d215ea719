"""Training configurations in TOML: read, checked against the settings' types and ranges, and written with sources.

A misspelt key, a wrong type and a value out of range are refused by name.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from movie_cli.errors import UsageError, did_you_mean
from movie_cli.presets import to_toml
from movie_cli.train.settings import SETTINGS, StageName, StageSettings

CONFIGS = Path(__file__).parent / "configs"
T = TypeVar("T")


def read_settings(stage: StageName, config: str, changes: Sequence[str] = ()) -> StageSettings:
    """The settings of a stage: defaults, then the TOML file `config`, then `KEY=VALUE` changes.

    `config` is a path, the name of a configuration that comes with movie (`nano`, `sd15`), or empty for the
    defaults alone. A key of a table is written with a dot, `data.crop=128`.

    Raises:
        UsageError: the file cannot be read, or a key, a type or a value is wrong.
    """
    values: dict[str, Any] = {}
    origin = "the configuration"
    if config:
        path = find_config(stage, config)
        origin = str(path)
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read as TOML: {error}", "correct the file") from error
    for change in changes:
        _change(values, change)
    return build(SETTINGS[stage], values, origin)


def find_config(stage: StageName, config: str) -> Path:
    """The file that `config` means for a stage.

    Raises:
        UsageError: there is none.
    """
    path = Path(config).expanduser()
    if path.is_file():
        return path
    named = CONFIGS / f"{config}-{stage}.toml"
    if "/" not in config and named.is_file():
        return named
    known = sorted(file.name.removesuffix(f"-{stage}.toml") for file in CONFIGS.glob(f"*-{stage}.toml"))
    raise UsageError(f"{config}: no such configuration", f"name a TOML file, or one of {', '.join(known)}")


def _change(values: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {change} is not KEY=VALUE", "for example --set steps=1000 or --set data.crop=128")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a text without quotes, which a shell would have eaten anyway
    *tables, last = key.strip().split(".")
    for table in tables:
        inner = values.setdefault(table, {})
        if not isinstance(inner, dict):
            raise UsageError(f"--set {change}: {table} is not a table", "see --show-defaults")
        values = inner
    values[last] = value


def build(kind: type[T], values: Mapping[str, Any], origin: str, table: str = "") -> T:
    """An object of the dataclass `kind` from TOML values.

    Raises:
        UsageError: a key, a type or a value is wrong; the sentence names `origin` and the key.
    """
    fields = {item.name: item for item in dataclasses.fields(kind)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(kind)
    found: dict[str, Any] = {}
    for key, value in values.items():
        if key not in fields:
            hint = did_you_mean(key, fields, f"there are {', '.join(fields)}")
            raise UsageError(f"{origin}: there is no key {table}{key}", hint)
        metadata = fields[key].metadata
        found[key] = _value(hints[key], value, origin, table + key)
        low, high = metadata.get("low"), metadata.get("high")
        number = isinstance(found[key], (int, float))
        if number and ((low is not None and found[key] < low) or (high is not None and found[key] > high)):
            wanted = f"at least {low:g}" if high is None else f"from {low:g} to {high:g}"
            raise UsageError(f"{origin}: {table}{key} is {value!r}, not {wanted}", str(metadata["source"]))
    return kind(**found)


def _value(hint: Any, value: Any, origin: str, key: str) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, dict):
            return build(hint, value, origin, f"{key}.")
        raise _wrong(origin, key, value, "a table")
    if get_origin(hint) is Literal:
        if value in get_args(hint) and isinstance(value, str):
            return value
        raise _wrong(origin, key, value, f"one of {', '.join(get_args(hint))}")
    if get_origin(hint) is tuple:
        return _tuple(get_args(hint), value, origin, key)
    if get_origin(hint) is dict:
        if not isinstance(value, dict):
            raise _wrong(origin, key, value, "a table")
        inner = get_args(hint)[1]
        return {
            name: item if inner is Any else _value(inner, item, origin, f"{key}.{name}") for name, item in value.items()
        }
    if hint is float and (whole or isinstance(value, float)):
        return float(value)
    if (hint is int and whole) or (hint is not int and isinstance(hint, type) and type(value) is hint):
        return value
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    raise _wrong(origin, key, value, words.get(hint, str(hint)))


def _tuple(parts: tuple[Any, ...], value: Any, origin: str, key: str) -> tuple[Any, ...]:
    any_number = parts[-1] is Ellipsis
    if not isinstance(value, (list, tuple)) or not (any_number or len(value) == len(parts)):
        raise _wrong(origin, key, value, "a list in brackets" if any_number else f"{len(parts)} numbers in brackets")
    hints = parts[:1] * len(value) if any_number else parts
    return tuple(_value(hint, item, origin, key) for hint, item in zip(hints, value, strict=True))


def _wrong(origin: str, key: str, value: Any, wanted: str) -> UsageError:
    return UsageError(f"{origin}: {key} is {value!r}, not {wanted}", "correct it; --show-defaults writes all keys")


def to_values(settings: Any) -> dict[str, Any]:
    """Settings as plain values for JSON; tuples become lists, as TOML has them."""
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(settings)))
    return values


def commented_defaults(stage: StageName) -> str:
    """A TOML file of all keys of a stage with their defaults, each with its source in a comment."""
    return "\n".join(_lines(SETTINGS[stage](), "")) + "\n"


def _lines(settings: Any, table: str) -> list[str]:
    lines, tables = [], []
    for item in dataclasses.fields(settings):
        value = getattr(settings, item.name)
        if dataclasses.is_dataclass(value):
            tables += ["", f"[{table}{item.name}]", *_lines(value, f"{table}{item.name}.")]
        elif isinstance(value, dict):
            tables += [
                "",
                f"# {item.metadata['source']}",
                f"[{table}{item.name}]",
                *(f"{k} = {to_toml(v)}" for k, v in value.items()),
            ]
        else:
            source = item.metadata.get("source")
            lines.append(f"{item.name} = {to_toml(value)}" + (f"  # {source}" if source else ""))
    return lines + tables
