"""The recipe: all that decides an edit's pixels, as one immutable value that travels in the output's metadata."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from movie_cli.errors import UsageError

DEFAULT_TEXT_SCALE = 7.5
DEFAULT_IMAGE_SCALE = 1.5
RECIPE_KEY = "movie_recipe"
"""The output's metadata entry that holds its recipe as JSON."""
SCALE_LIMITS = (0.0, 100.0)
"""Values outside are refused: no published editor does anything sensible there."""
SIZE_LIMITS = (2, 16384)
"""Pixels of a side of an output."""
LONGEST_JSON = 2**16
"""Characters of a recipe in a file: many times what any of ours has."""

_TEXTS = ("instruction", "model", "anchors", "vae", "scheduler", "lora")
_FREE = ("instruction",)
_NUMBERS = ("text_scale", "image_scale", "detail", "still")
_WHOLE = ("seed", "steps")
_OPTIONAL = ("steps", "size", "vae", "scheduler", "lora")


ANCHORS = ("middle", "first", "every:N", "scene", "none")
_EVERY = re.compile(r"every:([1-9]\d{0,8})", re.ASCII)


@dataclass(frozen=True)
class AnchorRule:
    """A choice of anchors: one of `ANCHORS`; `every` is the N of `every:N`."""

    kind: str
    every: int = 0

    @classmethod
    def parse(cls, text: str) -> AnchorRule:
        """Read what is written after `--anchors`.

        Raises:
            UsageError: it is none of `ANCHORS`.
        """
        found = _EVERY.fullmatch(text)
        if found:
            return cls("every", int(found[1]))
        if text not in ANCHORS or ":" in text:
            raise UsageError(f"there are no anchors {text}", f"known are {', '.join(ANCHORS)}, such as every:48")
        return cls(text)

    @property
    def moves(self) -> bool:
        """Whether anchors change within a clip."""
        return self.kind in {"every", "scene"}


@dataclass(frozen=True)
class Recipe:
    """What is done to a source.

    `text_scale` and `image_scale` are the paper's `s_T` and `s_I`. `steps` is None for the checkpoint's own
    number. `size` is the output's width and height, None for the source's. `anchors` is `middle`, `first`, `every:N`,
    `scene` or `none`. `detail` in [0, 1] is how much of the source's own fine detail is carried to the output's size.
    `still` is the difference in code values up to which a frame shares the edit of the one before. `vae`, `scheduler`
    and `lora` are used instead of, or with, the checkpoint's own parts (see `movie_cli.checkpoints.store`).

    Raises:
        UsageError: a value is out of range, not a number, or the instruction is empty.
    """

    instruction: str
    text_scale: float = DEFAULT_TEXT_SCALE
    image_scale: float = DEFAULT_IMAGE_SCALE
    seed: int = 0
    steps: int | None = None
    model: str = "nano"
    size: tuple[int, int] | None = None
    anchors: str = "middle"
    detail: float = 1.0
    still: float = 0.0
    vae: str | None = None
    scheduler: str | None = None
    lora: str | None = None

    def __post_init__(self) -> None:
        if not self.instruction.strip():
            raise UsageError("the instruction is empty", 'say what to do, for example "make it winter"')
        for name in ("text_scale", "image_scale"):
            value = getattr(self, name)
            low, high = SCALE_LIMITS
            if not (math.isfinite(value) and low < value <= high):
                raise UsageError(
                    f"--{name.replace('_', '-')} is {value}, which is not a number above {low:g} and at most {high:g}",
                    f"{DEFAULT_TEXT_SCALE} is the usual text scale and {DEFAULT_IMAGE_SCALE} the usual image scale",
                )
        if not 0.0 <= self.detail <= 1.0:
            raise UsageError(f"--detail is {self.detail}, which is not between 0 and 1", "1 keeps the source's detail")
        if not 0.0 <= self.still <= 255.0:
            raise UsageError(f"--still is {self.still}, which is not between 0 and 255", "0 takes equal frames alone")
        if self.steps is not None and not 1 <= self.steps <= 1000:
            raise UsageError(f"--steps is {self.steps}, which is not between 1 and 1000")
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"--seed is {self.seed}, which is not between 0 and 2^63 - 1")
        low, high = SIZE_LIMITS
        if self.size is not None and not all(low <= side <= high for side in self.size):
            raise UsageError(
                f"--size is {self.size[0]}x{self.size[1]}, with a side that is not between {low} and {high} pixels"
            )
        AnchorRule.parse(self.anchors)

    def to_json(self) -> str:
        """The recipe as one line of JSON, for the output's metadata."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read what `to_json` wrote, or a stranger, who may have written anything.

        Raises:
            UsageError: the text is not a recipe.
        """
        try:
            values = json.loads(text) if len(text) <= LONGEST_JSON else None
        except (ValueError, RecursionError) as error:
            raise UsageError("it is not a recipe of movie") from error
        if not isinstance(values, dict):
            raise UsageError("it is not a recipe of movie")
        return cls.of(values)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Recipe:
        """A recipe of values that were read from somewhere, `size` as a list.

        Raises:
            UsageError: one is unknown, of another type, or out of range.
        """
        checked = {}
        for name, value in values.items():
            if name not in _TEXTS + _NUMBERS + _WHOLE + ("size",):
                raise UsageError(f"a recipe has no {name[:40]!a}", "it may be of a newer version")
            if value is None and name in _OPTIONAL:
                continue
            checked[name] = _checked(name, value)
        if "instruction" not in checked:
            raise UsageError("it has no instruction")
        return cls(**checked)


def _checked(name: str, value: Any) -> Any:
    """A recipe's value as its type.

    Raises:
        UsageError: it is of another type.
    """
    if name in _TEXTS:
        kind, right = "a text of one line", isinstance(value, str) and _is_clean(value, "\n\t" * (name in _FREE))
    elif name in _WHOLE:
        kind, right = "a whole number", type(value) is int
    elif name in _NUMBERS:
        kind, right = "a number", type(value) in {int, float} and abs(value) < 2**53
    else:
        kind, right = "two whole numbers", isinstance(value, list) and [type(side) for side in value] == [int, int]
    if not right:
        shown = ascii(value)[:40] if isinstance(value, str | float) or type(value) is int else type(value).__name__
        raise UsageError(f"its {name.replace('_', '-')} is {shown}, not {kind}")
    return tuple(value) if name == "size" else float(value) if name in _NUMBERS else value


def _is_clean(text: str, allowed: str) -> bool:
    """Whether there is nothing in it that a terminal or a file system would take for something else."""
    return all(letter in allowed or unicodedata.category(letter) not in {"Cc", "Cs"} for letter in text)


def recipe_text(metadata: Mapping[str, str]) -> str | None:
    """The recipe among a file's tags, as JSON; None without. Matroska writes tag names in capitals."""
    return next((text for name, text in metadata.items() if name.lower() == RECIPE_KEY), None)
