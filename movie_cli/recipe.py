"""The recipe: all that decides an edit's pixels, as one immutable value that travels in the output's metadata."""

from __future__ import annotations

import dataclasses
import json
import math
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


@dataclass(frozen=True)
class Recipe:
    """What is done to a source.

    `text_scale` and `image_scale` are the paper's `s_T` and `s_I`. `steps` is None for the checkpoint's own
    number. `size` is the output's width and height, None for the source's. `anchors` is `middle`, `first`, `every:N`,
    `scene` or `none`. `detail` in [0, 1] is how much of the source's own fine detail is carried to the output's size.
    `still` is the difference in code values up to which a frame shares the edit of the one before. `vae`, `scheduler`
    and `lora` are used instead of, or with, the checkpoint's own parts (see `movie_cli.checkpoints.variant`).

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

    def to_json(self) -> str:
        """The recipe as one line of JSON, for the output's metadata."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read what `to_json` wrote.

        Raises:
            UsageError: the text is not a recipe.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            if values.get("size") is not None:
                values["size"] = tuple(values["size"])
            return cls(**values)
        except (ValueError, TypeError, AttributeError) as error:
            raise UsageError(f"not a recipe of movie: {error}") from error


def recipe_text(metadata: Mapping[str, str]) -> str | None:
    """The recipe among a file's tags, as JSON; None without. Matroska writes tag names in capitals."""
    return next((text for name, text in metadata.items() if name.lower() == RECIPE_KEY), None)
