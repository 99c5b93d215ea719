"""The editor: set an instruction once, prepare anchors once, edit any number of frames.

A frame has the same pixels whatever batch it comes in. Nothing here knows of files and containers.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from movie_cli.backends import (
    Backend,
    Carry,
    EmbeddedInstruction,
    FetchFrames,
    Pixels,
    RuntimeConfig,
    Settings,
    registry,
)
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.exported import nearest_size
from movie_cli.editing.course import Course, Moment, mixed
from movie_cli.editing.directing import directions_of
from movie_cli.errors import DeviceMemoryError, UsageError
from movie_cli.recipe import Recipe

MOST_TEXTS = 256
"""Embedded instructions that are kept."""


class Editor:
    """Edits frames `(N, H, W, 3)`, uint8 RGB, at the working size.

    Call `set_recipe` first, `set_anchors` if frames belong together, then `edit` as often as you like.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.notes: list[str] = []
        self._most: int | None = None
        self._settings: Settings | None = None
        self._strength = 1.0
        self.user: object | None = None
        """Whose state is set, where edits take turns."""
        self._texts: dict[str, EmbeddedInstruction] = {}

    @property
    def settings(self) -> Settings:
        """What `set_recipe` set.

        Raises:
            UsageError: nothing was set yet.
        """
        if self._settings is None:
            raise UsageError("no instruction is set", "call set_recipe first")
        return self._settings

    @staticmethod
    def size_for(descriptor: Descriptor, width: int, height: int) -> tuple[int, int]:
        """The size that a picture shown at `width` x `height` is to be brought to before `encode` and `edit`.

        Raises:
            ModelError: the checkpoint is an export that has no size of that shape.
        """
        if descriptor.export is not None:
            return nearest_size(descriptor.export, width, height)
        return working_size(width, height, descriptor.native_area, descriptor.size_multiple)

    def set_recipe(self, recipe: Recipe, seconds: float = 0.0) -> EmbeddedInstruction:
        """Set instruction, scales, seed and steps, as they are at a time; forgets the anchors.

        Texts' embeddings are kept for next time.
        """
        return self.set_moment(Course(recipe, self.least_text_scale).at(seconds), recipe)

    def set_moment(self, moment: Moment, recipe: Recipe) -> EmbeddedInstruction:
        """As `set_recipe`, with instruction and scales of a moment."""
        text = self.embed(moment.instruction)
        if moment.following:
            following = self.embed(moment.following)
            tokens = text.tokens + moment.fade * (following.tokens - text.tokens)
            text = EmbeddedInstruction(tokens, text.null_tokens, text.known and following.known, text.nearest)
        steps = recipe.steps or self.backend.descriptor.steps
        self._settings = Settings(text, moment.text_scale, moment.image_scale, recipe.seed, steps)
        self._strength = moment.strength
        self.backend.set_anchors(None, self._settings)
        return text

    @property
    def state(self) -> tuple[Settings, float, Any]:
        """What `set_moment` and `set_anchors` have set, for edits that take turns."""
        return self.settings, self._strength, self.backend.anchors

    @state.setter
    def state(self, kept: tuple[Settings, float, Any]) -> None:
        self._settings, self._strength, self.backend.anchors = kept

    @property
    def least_text_scale(self) -> float:
        """Below it an edit is mixed with the source."""
        return self.backend.descriptor.text_scale_range[0]

    def embed(self, instruction: str) -> EmbeddedInstruction:
        """The embedding of an instruction's look, without the places that it names; it is kept for next time."""
        text = self._texts.get(instruction)
        if text is None:
            while len(self._texts) >= MOST_TEXTS:
                self._texts.pop(next(iter(self._texts)))
            text = self._texts[instruction] = self.backend.embed_text(
                directions_of(self.backend.descriptor, instruction).look
            )
        return text

    def encode(self, frames: Pixels) -> Any:
        """Source latents, in the backend's own arrays; pass them to `edit` and `set_anchors` to encode only once."""
        parts = self._in_parts(frames, lambda part: self.backend.encode_frames(frames[part]))
        if len(parts) == 1:
            return parts[0]
        return self.backend.from_cache(np.concatenate([self.backend.to_cache(part) for part in parts]))

    def encode_later(self, frames: Pixels) -> Callable[[], Any]:
        """As `encode`, made beside the caller where the device works so, else when it is called."""
        if self.backend.encode_later is not None:
            return self.backend.encode_later(frames)
        return functools.partial(self.encode, frames)

    def set_anchors(self, latents: Any) -> None:
        """Let all frames edited from now on attend to these source latents."""
        self.backend.set_anchors(latents, self.settings)

    def edit(self, frames: Pixels, latents: Any | None = None, carry: Carry | None = None) -> Pixels:
        """Edit frames at the working size; `latents` are their source latents if they are known already.

        Frames in a row share one `carry`: a recurrent checkpoint needs it, and what the others are told of is steadied
        by it. Without one, frames need not belong together; for a recurrent checkpoint they do.

        Where the device's memory is too small for all at once they are edited in halves, from then on; `notes` says so.

        Raises:
            DeviceMemoryError: one frame alone is too much.
        """
        return mixed(frames, self.edit_later(frames, latents, carry)(), self._strength)

    def edit_later(self, frames: Pixels, latents: Any | None = None, carry: Carry | None = None) -> FetchFrames:
        """As `edit`, without waiting for the device where it works beside the caller, and not mixed with the source."""
        run = carry or Carry()
        return joined(
            self._in_parts(
                frames,
                lambda part: self._edit(
                    frames[part], None if latents is None else latents[part], run, steady=carry is not None
                ),
            )
        )

    def _in_parts(self, frames: Pixels, run: Callable[[slice], Any]) -> list[Any]:
        """What `run` gives for all frames, or for as many at once as memory allows."""
        parts = []
        done = 0
        while done < len(frames):
            part = slice(done, min(len(frames), done + (self._most or len(frames))))
            try:
                parts.append(run(part))
            except DeviceMemoryError as error:
                count = part.stop - part.start
                if count == 1 and not error.batch:
                    size = f"{frames.shape[2]}x{frames.shape[1]}"
                    raise DeviceMemoryError(f"{error}, and one frame of {size} needs more", error.hint) from error
                self._most = error.batch or count // 2
                self.notes.append(
                    f"{error}: editing {self._most} frames at once instead of {max(count, 2 * error.batch)}"
                )
                continue
            done = part.stop
        return parts

    def _edit(self, frames: Pixels, latents: Any | None, carry: Carry, steady: bool) -> FetchFrames:
        if latents is None:
            latents = self.encode(frames)
        # Taken over at the end only: where memory runs out the same frames are tried again.
        reached = dataclasses.replace(carry)
        if steady:
            latents = self.backend.steadied(latents, reached)
        if self.backend.edit_later is not None:
            later = self.backend.edit_later(latents, frames, self.settings, reached)
        else:
            decoded = self.backend.decode_latents(self.backend.denoise(latents, self.settings, reached), frames)
            later = lambda: decoded  # noqa: E731
        carry.edited, carry.condition = reached.edited, reached.condition
        return later


def joined(parts: Sequence[FetchFrames]) -> FetchFrames:
    """All frames of the parts, in their order."""
    if len(parts) == 1:
        return parts[0]
    return functools.cache(lambda: np.concatenate([part() for part in parts]))


class Editors:
    """Gives editors and keeps the one that was used last, with the texts it has embedded."""

    def __init__(self) -> None:
        self._key: tuple[Descriptor, RuntimeConfig] | None = None
        self._editor: Editor | None = None

    def get(self, descriptor: Descriptor, config: RuntimeConfig) -> Editor:
        """An editor for a checkpoint on a device.

        Raises:
            ModelError: the checkpoint is damaged.
            DeviceError: the device has too little memory.
        """
        key = (descriptor, config)
        if self._editor is None or self._key != key:
            self._editor = None  # two models at once may be too much for the device
            self._editor = Editor(registry.open_backend(descriptor, config))
            self._key = key
        return self._editor


MINIMUM_SIDE = 64
MOST_UPSCALING = 4.0
"""A source of fewer pixels than a quarter of the native area is enlarged by this factor of area at most."""


def working_size(width: int, height: int, native_area: int, multiple: int) -> tuple[int, int]:
    """Width and height, multiples of `multiple`, of about `native_area` pixels and the source's shape.

    `width` and `height` are those on a screen of square pixels: the network sees the picture as a person does.
    """
    area = min(native_area, MOST_UPSCALING * width * height)
    ratio = width / height
    exact = math.sqrt(area * ratio), math.sqrt(area / ratio)
    low = max(multiple, MINIMUM_SIDE)
    # A ribbon of a picture would be cut to nothing by its short side's minimum: bound the long side by the area.
    long = max(low, native_area // low // multiple * multiple)
    rounded = tuple(min(long, max(low, round(side / multiple) * multiple)) for side in exact)
    return rounded[0], rounded[1]
