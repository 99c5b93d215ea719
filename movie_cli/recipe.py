"""The recipe: all that decides an edit's pixels, as one immutable value that travels in the output's metadata."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from functools import partial
from typing import Any

from movie_cli.errors import UsageError
from movie_cli.kinds import Kind, Number, Seconds, Size, Whole
from movie_cli.models.region_names import read_place
from movie_cli.options import check_options, option, options_of
from movie_cli.timeline import ScaleKind, instruction_keys

DEFAULT_TEXT_SCALE = 7.5
DEFAULT_IMAGE_SCALE = 1.5
RECIPE_KEY = "movie_recipe"
"""The output's metadata entry that holds its recipe as JSON."""
LONGEST_JSON = 2**16
"""Characters of a recipe in a file: many times what any of ours has."""

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
class AnchorsKind(Kind):
    """What is written after `--anchors`; `moving` where anchors may change within a clip."""

    moving: bool = True

    def check(self, value: Any) -> None:
        """Refuse what is no choice of anchors, in whole sentences."""
        if AnchorRule.parse(value).moves and not self.moving:
            raise ValueError("moves with the clip, of which only single frames are shown")

    def parse(self, text: str) -> str:
        """Read and check."""
        self.check(text)
        return text


@dataclass(frozen=True)
class PlaceKind(Kind):
    """A place, or several with commas between them (see `region_names`)."""

    def check(self, value: Any) -> None:
        """Refuse what is no place, in whole sentences."""
        read_place(value)

    def parse(self, text: str) -> str:
        """Read and check."""
        self.check(text)
        return text


TEXT_SCALE, IMAGE_SCALE = ScaleKind(high=100.0), ScaleKind(high=100.0, above=True)
"""No published editor does anything sensible outside."""
_recipe = partial(option, decides="picture", theme="What to do")
_scale = partial(
    _recipe,
    metavar="NUMBER|TIME=N,...",
    hint=f"{DEFAULT_TEXT_SCALE} is the usual text scale and {DEFAULT_IMAGE_SCALE} the usual image scale",
)


@dataclass(frozen=True)
class Recipe:
    """What is done to a source.

    `text_scale` and `image_scale` are the paper's `s_T` and `s_I`, numbers or, as texts, what they are at which times
    (see `movie_cli.timeline`); a text scale of 0 leaves the source. `instruction` may name times, too: one fades into
    the next over `fade` seconds. `steps` is None for the checkpoint's own
    number. `size` is the output's width and height, None for the source's. `anchors` is `middle`, `first`, `every:N`,
    `scene` or `none`. `detail` in [0, 1] is how much of the source's own fine detail is carried to the output's size.
    `only` and `except_for` are places that bound the edit, `feather` softens their edges, in pixels of the output.
    `still` is the difference in code values up to which a frame shares the edit of the one before. `vae`, `scheduler`
    and `lora` are used instead of, or with, the checkpoint's own parts (see `movie_cli.checkpoints.store`).

    Raises:
        UsageError: a value is out of range, not a number, or the instruction is empty.
    """

    instruction: str = _recipe(MISSING, Kind(lines=True), "What should change.", typed=False)
    text_scale: float | str = _scale(
        DEFAULT_TEXT_SCALE, TEXT_SCALE, "How much the instruction counts; also at times: 0s=0,3s=9."
    )
    image_scale: float | str = _scale(DEFAULT_IMAGE_SCALE, IMAGE_SCALE, "How much the source counts; also at times.")
    fade: float = _recipe(
        1.0,
        Seconds(zero=True),
        'Between instructions with times: "0s: autumn; 4s: winter".',
        metavar="TIME",
        shown="1s",
    )
    seed: int = _recipe(0, Whole(), "Another seed, another take.", metavar="N")
    steps: int | None = _recipe(
        None, Whole(low=1, high=1000), "Denoising steps; default: the model's own.", metavar="N"
    )
    model: str = _recipe("nano", Kind(), "What edits: a name, a folder, or owner/name on the Hub.", metavar="MODEL")
    size: tuple[int, int] | None = _recipe(None, Size(), "Size of the output.", metavar="WxH|source", shown="source")
    anchors: str = _recipe(
        "middle",
        AnchorsKind(),
        "Frames that the others follow: one, the newest of every N, or one of each scene.",
        metavar="middle|first|every:N|scene|none",
    )
    detail: float = _recipe(
        1.0,
        Number(),
        "How much of the source's fine detail is kept.",
        metavar="0..1",
        hint="1 keeps the source's detail",
    )
    still: float = _recipe(
        0.0,
        Number(high=255.0),
        "Reuse an edit while no part of the picture changes by more; 0: equal frames.",
        metavar="0..255",
        hint="0 takes equal frames alone",
    )
    only: str | None = _recipe(
        None, PlaceKind(), "Edit this place alone, such as sky or people,animal.", metavar="PLACE,..."
    )
    except_for: str | None = _recipe(
        None, PlaceKind(), "Leave this place as it is.", metavar="PLACE,...", flags=("--except",)
    )
    feather: float = _recipe(
        0.0,
        Number(high=1000.0),
        "Soften the edges of a place or mask over so much.",
        metavar="PIXELS",
        hint="0 leaves edges where the picture's are",
    )
    vae: str | None = _recipe(
        None, Kind(), "Another autoencoder for a checkpoint of many steps.", metavar="taesd|FOLDER|HUB-ID"
    )
    scheduler: str | None = _recipe(
        None, Kind(), "Another scheduler for one: ddim, euler, euler-a, dpm++, unipc, lcm.", metavar="NAME"
    )
    lora: str | None = _recipe(
        None, Kind(), "Low-rank layers for one, such as LCM's with --steps 4.", metavar="FILE|FOLDER|HUB-ID"
    )

    def __post_init__(self) -> None:
        instruction_keys(self.instruction)
        check_options(self)

    @property
    def scales(self) -> tuple[float, float]:
        """Text and image scale where they are numbers.

        Raises:
            UsageError: one changes over time.
        """
        text, image = self.text_scale, self.image_scale
        if isinstance(text, str) or isinstance(image, str):
            raise UsageError("a scale changes over time, and one number is wanted here", "`movie edit` takes it")
        return text, image

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
        options, checked = options_of(cls), {}
        for name, value in values.items():
            if name not in options:
                raise UsageError(f"a recipe has no {name[:40]!a}", "it may be of a newer version")
            if value is None and options[name].default is None:
                continue
            try:
                checked[name] = options[name].kind.from_json(value)
            except ValueError as error:
                simple = isinstance(value, str | float) or type(value) is int
                shown = ascii(value)[:40] if simple else type(value).__name__
                problem = f"its {name.replace('_', '-')} is {shown}, not {options[name].kind.noun}"
                raise UsageError(problem) from error
        if "instruction" not in checked:
            raise UsageError("it has no instruction")
        return cls(**checked)


def recipe_text(metadata: Mapping[str, str]) -> str | None:
    """The recipe among a file's tags, as JSON; None without. Matroska writes tag names in capitals."""
    return next((text for name, text in metadata.items() if name.lower() == RECIPE_KEY), None)
