"""What is measured: a checkpoint, or in its place the bank itself or the untouched source.

The bank shows what a perfect student would reach, the identity where an editor that does nothing stands; both read
canonical instructions only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from movie_cli.backends import Carry, Pixels
from movie_cli.backends.torch_backend import TorchBackend
from movie_cli.backends.torch_devices import choose_torch
from movie_cli.checkpoints.load import load_regions
from movie_cli.checkpoints.store import DEFAULT_MODEL, open_model
from movie_cli.editing.editor import Editor, working_size
from movie_cli.errors import UsageError
from movie_cli.evaluate.measures import to_float, to_frames
from movie_cli.models.region_names import REGIONS
from movie_cli.models.regions import RegionNetwork
from movie_cli.models.scene import PIXELS, scene_of
from movie_cli.recipe import Recipe
from movie_cli.train import bank
from movie_cli.train.instructions import canonical

BATCH = 4
"""Frames that are edited at once."""
EditFrames = Callable[[Pixels], Pixels]
"""Frames `(N, H, W, 3)`, uint8 RGB, sides multiples of 16, to the same shape."""


@dataclass(frozen=True)
class TextJudgement:
    """What a model makes of an instruction: whether it knows it, and the edit it takes to be nearest ("" for none)."""

    known: bool
    nearest: str


class Subject(Protocol):
    """Something that edits frames by instruction. `name` is what a report calls it, `machine` what it runs on."""

    name: str
    machine: str

    def prepare(self, recipe: Recipe, anchor: Pixels | None = None) -> EditFrames:
        """An edit to run on any number of frames, until the next `prepare`.

        With `anchor` they are frames of one clip in a row, and all attend to it.
        """
        ...

    def judge(self, instruction: str) -> TextJudgement | None:
        """What it makes of the text alone, None if it does not read free text."""
        ...

    def working_size(self, width: int, height: int) -> tuple[int, int]:
        """The size at which it edits a video that is shown at this size."""
        ...


class ModelSubject:
    """A checkpoint, run as `movie edit` runs it.

    Raises:
        ModelError: there is no such checkpoint, or it is damaged.
        DeviceError: the device or number type is not there.
    """

    def __init__(self, model: str, device: str = "auto", dtype: str = "auto") -> None:
        config = choose_torch(device, dtype)
        self.name = model
        self.machine = f"{config.device} in {config.dtype}, {torch.get_num_threads()} threads"
        self._editor = Editor(TorchBackend(open_model(model), config))

    def prepare(self, recipe: Recipe, anchor: Pixels | None = None) -> EditFrames:
        """Set the recipe and the anchor."""
        self._editor.set_recipe(recipe)
        if anchor is None:
            return self._editor.edit
        self._editor.set_anchors(self._editor.encode(anchor))
        return partial(self._editor.edit, carry=Carry())

    def judge(self, instruction: str) -> TextJudgement:
        """The text encoder's judgement."""
        text = self._editor.backend.embed_text(instruction)
        return TextJudgement(text.known, text.nearest[0] if text.nearest else "")

    def working_size(self, width: int, height: int) -> tuple[int, int]:
        """The checkpoint's own choice."""
        return self._editor.size_for(self._editor.backend.descriptor, width, height)


@cache
def _network() -> RegionNetwork | None:
    return load_regions(open_model(DEFAULT_MODEL).folder)


@torch.inference_mode()
def regions_in(pictures: Tensor) -> Tensor | None:
    """What is where in pictures `(N, 3, H, W)` in [0, 1], as the embedded model sees it: `(N, 15, H/8, W/8)`."""
    network = _network()
    height, width = pictures.shape[2:]
    if network is None:
        return None
    whole = F.pad(pictures, (0, -width % PIXELS, 0, -height % PIXELS), mode="replicate")
    return scene_of(network, whole * 2 - 1)[:, : len(REGIONS), : -(-height // 8), : -(-width // 8)]


class BankSubject:
    """The procedural bank on the regions that the embedded model sees; with `strength` 0 the source itself."""

    machine = "the bank's own functions"

    def __init__(self, name: str, strength: float | None = None) -> None:
        self.name = name
        self._strength = strength
        self._edits = {canonical(edit): edit for edit in bank.BANK}

    def prepare(self, recipe: Recipe, anchor: Pixels | None = None) -> EditFrames:
        """The target of a canonical instruction; the bank looks at each frame alone.

        Raises:
            UsageError: the instruction is not a canonical one.
        """
        del anchor
        if recipe.instruction not in self._edits:
            raise UsageError(f'the bank cannot read "{recipe.instruction}"', "only checkpoints read free text")
        edit = bank.get(self._edits[recipe.instruction])
        strength = bank.amount_of(*recipe.scales) if self._strength is None else self._strength

        def run(frames: Pixels) -> Pixels:
            if not strength:
                return frames
            pictures = to_float(frames)
            return to_frames(edit.apply(pictures, strength, regions_in(pictures)))

        return run

    def judge(self, instruction: str) -> None:
        """The bank reads no text."""

    def working_size(self, width: int, height: int) -> tuple[int, int]:
        """As the embedded model's."""
        return working_size(width, height, 512 * 384, 16)


def open_subject(name: str, device: str = "auto", dtype: str = "auto") -> Subject:
    """A subject by name: `bank`, `identity`, or a checkpoint by whatever `movie edit --model` takes.

    Raises:
        ModelError: there is no such checkpoint, or it is damaged.
        DeviceError: the device or number type is not there.
    """
    if name == "bank":
        return BankSubject(name)
    if name == "identity":
        return BankSubject(name, strength=0.0)
    return ModelSubject(name, device, dtype)


def in_batches(run: EditFrames, frames: Pixels) -> Pixels:
    """Run an edit on any number of frames without holding all of them in the network at once."""
    result: Pixels = np.concatenate([run(frames[first : first + BATCH]) for first in range(0, len(frames), BATCH)])
    return result
