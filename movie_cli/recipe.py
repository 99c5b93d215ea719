"""The recipe: all that decides an edit's pixels, as one immutable value that travels in the output's metadata."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from functools import partial
from typing import Any

from movie_cli.errors import UsageError
from movie_cli.kinds import Kind, Number, Seconds, Size, Whole
from movie_cli.models.region_names import PlaceKind
from movie_cli.options import check_options, option, options_of
from movie_cli.timeline import ScaleKind, instruction_keys

DEFAULT_TEXT_SCALE = 7.5
DEFAULT_IMAGE_SCALE = 1.5
RECIPE_KEY, START_KEY = "movie_recipe", "movie_start"
"""Metadata of an output: its recipe as JSON, and where in its source it begins, in seconds after the first picture."""
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
class StepKind(Kind):
    """An edit that follows another, as it is typed."""

    several = True
    noun = "a list of texts"

    def parse(self, text: str) -> str:
        """Read and check."""
        read_step(text)
        return text

    def from_json(self, value: Any) -> tuple[str, ...]:
        """A list of texts."""
        if not isinstance(value, list):
            raise ValueError(value)  # noqa: TRY004 - as for all kinds
        return tuple(Kind.from_json(self, each) for each in value)

    def show(self, value: Any) -> str:
        """One after the other."""
        return "; then ".join(value)


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

    `text_scale` and `image_scale` are the paper's `s_T` and `s_I`, numbers or, as texts, what they are at which
    times (see `movie_cli.timeline`); a text scale of 0 leaves the source. `instruction` may name times, too: one
    fades into the next over `fade` seconds. `steps` is None for the checkpoint's own number. `size` is the output's
    width and height, None for the source's. `anchors` is `middle`, `first`, `every:N`, `scene` or `none`. `detail`
    in [0, 1] is how much of the source's own fine detail is carried to the output's size. `only` and `except_for`
    are places that bound the edit, `feather` softens their edges, in pixels of the output. `then` are edits of the
    edit, each as it is typed after `--then` (see `read_step`). `still` is the difference in code values up to which
    a frame shares the edit of the one before. `vae`, `scheduler` and `lora` are used instead of, or with, the
    checkpoint's own parts (see `movie_cli.checkpoints.store`).

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
    then: tuple[str, ...] = _recipe(
        (),
        StepKind(),
        "Another edit after this one, in quotes with options of its own; repeatable.",
        metavar='"INSTRUCTION [OPTIONS]"',
        setting=False,
    )

    def __post_init__(self) -> None:
        instruction_keys(self.instruction)
        check_options(self)
        for text in self.then:
            read_step(text)

    @property
    def chain(self) -> tuple[Recipe, ...]:
        """This edit and those that follow, each as a recipe of its own. They share all that `STEP` does not name."""
        first = dataclasses.replace(self, then=())
        usual = {name: options_of(Recipe)[name].default for name in STEP}
        return (first, *(dataclasses.replace(first, **usual | read_step(text)) for text in self.then))

    @property
    def place_flags(self) -> list[str]:
        """What is typed for the places that bound the edit."""
        return [f for f, place in (("--only", self.only), ("--except", self.except_for)) if place]

    @property
    def is_plain(self) -> bool:
        """Whether it is one edit, with scales that are numbers."""
        return not (self.then or isinstance(self.text_scale, str) or isinstance(self.image_scale, str))

    @property
    def scales(self) -> tuple[float, float]:
        """Text and image scale of a plain recipe.

        Raises:
            UsageError: one changes over time, or further edits follow.
        """
        if not self.is_plain:
            raise UsageError("one edit with scales that are numbers is wanted here", "`movie edit` takes others")
        return float(self.text_scale), float(self.image_scale)

    def to_json(self) -> str:
        """The recipe as one line of JSON, for the output's metadata."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read what `to_json` wrote, a list of edits in a row, or what a stranger has written, which may be anything.

        Raises:
            UsageError: the text is not a recipe.
        """
        try:
            values = json.loads(text) if len(text) <= LONGEST_JSON else None
        except (ValueError, RecursionError) as error:
            raise UsageError("it is not a recipe of movie") from error
        if isinstance(values, list) and values and all(isinstance(value, dict) for value in values):
            values = values[0] | {"then": [step_text(value) for value in values[1:]]}
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


STEP = ("text_scale", "image_scale", "fade", "seed", "detail", "only", "except_for", "feather")
"""What each of several edits in a row has of its own, beside its instruction."""


def read_step(text: str) -> dict[str, Any]:
    """The values of an edit that follows another, as it is typed: `turn the car red --text-scale 10`, quoted by shlex.

    Raises:
        UsageError: it says nothing, an option is not among `STEP`, or has no value, or not one that it takes.
    """
    shown = ascii(text[:60])
    try:
        words = iter(shlex.split(text))
    except ValueError as error:
        hint = "what holds an apostrophe stands in double quotes"
        raise UsageError(f"{shown} has a quote that is not closed", hint) from error
    flags = {one.flag: one for name, one in options_of(Recipe).items() if name in STEP}
    said, values = list[str](), dict[str, Any]()
    for word in words:
        flag, equals, value = word.partition("=")
        if not word.startswith("-") or word == "-":
            said.append(word)
            continue
        one = flags.get(flag)
        if one is None:
            raise UsageError(f"{shown} has {flag}", f"it takes {', '.join(flags)}; all else is said outside of it")
        typed = value if equals else next(words, "")
        if not typed or one.name in values:
            raise UsageError(f"{shown} has {flag} {'twice' if typed else 'without a value'}", f"such as {flag} 9")
        try:
            values[one.name] = one.kind.parse(typed)
        except (ValueError, UsageError) as error:
            problem = f"{typed} {error}" if isinstance(error, ValueError) else str(error)
            raise UsageError(f"{shown}: {flag}: {problem}", getattr(error, "hint", "") or one.hint) from error
    if not said:
        raise UsageError(f"{shown} says nothing to do", 'such as --then "turn the car red --text-scale 10"')
    instruction_keys(" ".join(said))
    return {"instruction": " ".join(said), **values}


def step_text(values: Mapping[str, Any]) -> str:
    """An edit that follows another as it is typed, from values by their names in a recipe.

    Raises:
        UsageError: one is not among `STEP`, or it says nothing.
    """
    options = options_of(Recipe)
    others = [name for name in values if name not in {"instruction", *STEP}]
    if others or not isinstance(values.get("instruction"), str):
        problem = f"has {others[0][:40]!a}" if others else "has no instruction"
        raise UsageError(f"an edit that follows {problem}", f"it has an instruction and {', '.join(STEP)}")
    typed = [word for name, value in values.items() if name in STEP for word in (options[name].flag, str(value))]
    return shlex.join([str(values["instruction"]), *typed])


def recipe_text(metadata: Mapping[str, str], key: str = RECIPE_KEY) -> str | None:
    """The recipe, or what else has `key`, among a file's tags; None without. Matroska writes tag names in capitals."""
    return next((text for name, text in metadata.items() if name.lower() == key), None)


def recipe_in(metadata: Mapping[str, str]) -> Recipe | None:
    """The recipe among a file's tags; None where there is none, or one that cannot be read."""
    text = recipe_text(metadata)
    try:
        return Recipe.from_json(text) if text is not None else None
    except UsageError:
        return None


def start_in(metadata: Mapping[str, str]) -> float | None:
    """Where in its source a film of ours begins, in seconds after the first picture; None where nothing says so."""
    try:
        start = float(recipe_text(metadata, START_KEY) or "")
    except ValueError:
        return None
    return start if 0 <= start < math.inf else None
