"""The checkpoint that a stage starts from: found, checked, loaded, and refused where the stage cannot use it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusers import SchedulerMixin

from movie_cli.checkpoints.descriptor import Descriptor, Stage, read_descriptor, read_json
from movie_cli.checkpoints.folder import check_folder, check_parts, weigh
from movie_cli.checkpoints.load import load_checkpoint
from movie_cli.checkpoints.registry import resolve
from movie_cli.checkpoints.save import NANO_AREA
from movie_cli.errors import ModelError
from movie_cli.models.codec import Codec
from movie_cli.training.schedule import prediction_of

TEXT_TO_IMAGE = "StableDiffusionPipeline"
PREDICTIONS = ("epsilon", "sample")


@dataclass(frozen=True)
class Start:
    """A starting checkpoint's parts, on the CPU in float32, and what it says of itself."""

    descriptor: Descriptor
    unet: Any
    codec: Codec
    text: Any
    scheduler: SchedulerMixin

    def replace(self, **changes: Any) -> Start:
        """The same with other parts."""
        return dataclasses.replace(self, **changes)


def open_start(name: str, command: str, stages: tuple[Stage, ...], text_to_image: bool = False) -> Start:
    """Open the checkpoint `name` (a name, a folder or `owner/name`) for `movie train COMMAND`.

    `stages` are those that the command can start from; with `text_to_image` a Stable Diffusion pipeline will do, too.

    Raises:
        ModelError: there is none, it is damaged, or of another stage.
    """
    if not name:
        raise ModelError("no checkpoint to start from", f"movie train {command} START ..., or start = in the file")
    folder = resolve(name)
    if text_to_image and _kind(folder) == TEXT_TO_IMAGE:
        check_parts(folder)
        weigh(folder)
        descriptor = _text_to_image(folder)
    else:
        check_folder(folder)
        descriptor = read_descriptor(folder)
    if descriptor.stage not in stages:
        raise ModelError(
            f"{folder} is a {descriptor.stage} checkpoint; movie train {command} starts from {' or '.join(stages)}",
            "the stages follow each other: base, mobile (base), guidance (guided), adversarial (one-step)",
        )
    parts = load_checkpoint(descriptor)
    return Start(descriptor, parts.unet, parts.codec, parts.text, parts.scheduler)


def as_teacher(start: Start) -> Start:
    """The start itself.

    Raises:
        ModelError: its network predicts neither noise nor the picture.
    """
    prediction = prediction_of(start.scheduler)
    if prediction not in PREDICTIONS:
        raise ModelError(
            f"{start.descriptor.folder / 'scheduler'} says {prediction}; {' or '.join(PREDICTIONS)} is needed",
            "start from a checkpoint of the chain, or from InstructPix2Pix",
        )
    return start


def _kind(folder: Path) -> str:
    if (folder / "movie.json").exists() or not (folder / "model_index.json").exists():
        return ""
    return str(read_json(folder / "model_index.json").get("_class_name"))


def _text_to_image(folder: Path) -> Descriptor:
    return Descriptor(
        name=folder.name,
        folder=folder,
        stage="base",
        steps=10,
        passes=3,
        text_scale_range=(2, 14),
        image_scale_range=(1, 3),
        native_area=NANO_AREA,
        size_multiple=64,
        source_skip=False,
        latent_channels=4,
        latent_scaling=1.0,
        licence="not stated in the checkpoint",
        description="a text-to-image pipeline",
        edits=(),
    )
