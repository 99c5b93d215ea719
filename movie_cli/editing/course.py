"""What is asked of each frame: scales and instructions as they are at its time.

It follows from the frame's time alone, so that segments, resumed edits and other machines ask the same. Below the text
scales that a model was trained on its edit at the lowest of them is mixed with the source, down to the source itself.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from movie_cli.backends import Pixels
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.errors import UsageError
from movie_cli.kinds import TimeValue
from movie_cli.recipe import IMAGE_SCALE, TEXT_SCALE, Recipe
from movie_cli.timeline import Key, Value, instruction_keys, scale_keys, short

SLACK = 0.05
"""Seconds by which a time may lie past the end: lengths of files are rarely round."""


@dataclass(frozen=True)
class Moment:
    """What is asked of one frame.

    `text_scale` is the network's. `strength` in [0, 1] is how much of the edit there is over the source. `following` is
    the instruction that is being faded to, and `fade` in [0, 1) how far that has come.
    """

    instruction: str
    text_scale: float
    image_scale: float
    strength: float = 1.0
    following: str = ""
    fade: float = 0.0

    @property
    def asked(self) -> Moment | None:
        """What is asked of the network; None where it need not run."""
        return dataclasses.replace(self, strength=1.0) if self.strength else None


def seconds_of(time: TimeValue) -> float:
    """A time in seconds.

    Raises:
        UsageError: it is a number of frames, which says nothing of seconds where no film is at hand.
    """
    if time.frames:
        raise UsageError(f"{time} is a number of frames", "give it in seconds")
    return float(time.seconds or 0)


def beyond(descriptor: Descriptor, recipe: Recipe) -> list[str]:
    """A sentence on each scale that the checkpoint was not trained at. Below its text scales the source is mixed in."""
    text, image = descriptor.text_scale_range, descriptor.image_scale_range
    said = []
    for name, kind, (low, high), least in (
        ("text_scale", TEXT_SCALE, text, 0.0),
        ("image_scale", IMAGE_SCALE, image, image[0]),
    ):
        keys = [key for step in recipe.chain for key in scale_keys(getattr(step, name), kind)]
        outside = dict.fromkeys(short(key.value) for key in keys if not least <= key.value <= high)
        if outside:
            flag, values = f"--{name.replace('_', '-')}", ", ".join(outside)
            said.append(f"{descriptor.name} was trained with {flag} {low:g} to {high:g}: {values} is beyond")
    return said


class Course:
    """What a recipe asks at which time, in seconds after the source's first picture.

    Args:
        recipe: What is asked.
        least: The lowest text scale that the model was trained on.
        place: Gives the seconds of a time.
        end: When the edited part ends; None where that is not known.

    Raises:
        UsageError: a time is past the end, or a fade takes longer than there is until the next one.
    """

    def __init__(
        self,
        recipe: Recipe,
        least: float,
        place: Callable[[TimeValue], float] = seconds_of,
        end: float | None = None,
    ) -> None:
        self._fade, self._least = recipe.fade, least
        self._texts = _placed("the instruction", instruction_keys(recipe.instruction), place, end)
        self._text_scales = _placed("--text-scale", scale_keys(recipe.text_scale, TEXT_SCALE), place, end)
        self._image_scales = _placed("--image-scale", scale_keys(recipe.image_scale, IMAGE_SCALE), place, end)
        times = [time for time, _ in self._texts]
        gap = min((after - before for before, after in itertools.pairwise(times[1:])), default=recipe.fade)
        if recipe.fade > gap:
            raise UsageError(
                f"--fade is {recipe.fade:g} s, and two instructions are {gap:g} s apart",
                f"--fade {gap:g}s fits",
            )

    @property
    def moves(self) -> bool:
        """Whether anything changes over time."""
        return any(len(keys) > 1 for keys in (self._texts, self._text_scales, self._image_scales))

    @property
    def whole(self) -> bool:
        """Whether nowhere less than the whole edit is asked for: nothing is mixed with the source."""
        return all(key.value >= self._least for _, key in self._text_scales)

    @property
    def texts(self) -> tuple[str, ...]:
        """All instructions."""
        return tuple(dict.fromkeys(key.value for _, key in self._texts))

    def at(self, seconds: float) -> Moment:
        """What is asked of the frame that is shown so long after the first picture."""
        index = _last(self._texts, seconds)
        time, key = self._texts[index]
        text_scale = _value(self._text_scales, seconds)
        strength = min(1.0, text_scale / self._least)
        scales = max(text_scale, self._least), _value(self._image_scales, seconds)
        if index and time < seconds < time + self._fade:
            before = self._texts[index - 1][1].value
            return Moment(before, *scales, strength, key.value, (seconds - time) / self._fade)
        if index and seconds <= time and self._fade:
            key = self._texts[index - 1][1]
        return Moment(key.value, *scales, strength)


def _placed(
    name: str, keys: Sequence[Key[Value]], place: Callable[[TimeValue], float], end: float | None
) -> list[tuple[float, Key[Value]]]:
    if len(keys) == 1:
        return [(0.0, keys[0])]
    placed = [(place(key.at), key) for key in keys]
    time, last = placed[-1]
    if end is not None and time > end + SLACK:
        raise UsageError(
            f"{name} goes on to {last.at}, and the edited part ends at {end:.2f} s",
            "times count from the source's first picture; what comes last holds to the end",
        )
    return placed


def _last(keys: Sequence[tuple[float, Key[Any]]], seconds: float) -> int:
    return max(0, bisect.bisect_right(keys, seconds, key=lambda each: each[0]) - 1)


def _value(keys: Sequence[tuple[float, Key[float]]], seconds: float) -> float:
    """The value at a time."""
    index = _last(keys, seconds)
    time, key = keys[index]
    if key.hold or seconds <= time or index + 1 == len(keys):
        return key.value
    until, following = keys[index + 1]
    return key.value + (following.value - key.value) * (seconds - time) / (until - time)


def mixed(source: Pixels, edited: Pixels, strength: float) -> Pixels:
    """So much of the edit over the source, both uint8 of one shape: exactly the one at 0 and the other at 1."""
    if strength in {0.0, 1.0}:
        return edited if strength else source
    before = source.astype(np.float32)
    return np.rint(before + np.float32(strength) * (edited - before)).astype(np.uint8)
