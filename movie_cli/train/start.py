"""The checkpoint that a stage starts from: found, checked, loaded, refused where it cannot be used; its scheduler."""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, SchedulerMixin, UNet2DConditionModel
from torch import nn

from movie_cli.checkpoints.descriptor import Descriptor, Stage, read_descriptor
from movie_cli.checkpoints.diffusers_parts import NANO_AREA
from movie_cli.checkpoints.exported import read_json
from movie_cli.checkpoints.folder import check_folder, check_parts, weigh
from movie_cli.checkpoints.load import load_checkpoint
from movie_cli.checkpoints.store import resolve
from movie_cli.errors import ModelError, UsageError
from movie_cli.models.autoencoder import AutoencoderAdapter
from movie_cli.train.surgery import BETAS

TEXT_TO_IMAGE = "StableDiffusionPipeline"
_SET_HERE = {"self", "in_channels", "out_channels", "args", "kwargs"}
PREDICTIONS = ("epsilon", "sample")


@dataclass(frozen=True)
class Start:
    """A starting checkpoint's parts, on the CPU in float32, and what it says of itself."""

    descriptor: Descriptor
    unet: Any
    codec: AutoencoderAdapter
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
    parts = load_checkpoint(descriptor, as_diffusers=True)
    scheduler: Any = parts.scheduler
    return Start(descriptor, parts.unet, parts.autoencoder, parts.text, scheduler)


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


def check_trained(start: Start) -> None:
    """Check that a denoiser is one to go on with.

    Raises:
        ModelError: its output is zero, as the `autoencoder` stage leaves it.
    """
    if not any(bool(value.any()) for value in start.unet.conv_out.parameters()):
        raise ModelError(f"the denoiser of {start.descriptor.folder} edits nothing yet", "describe one in [unet]")


def new_unet(shape: dict[str, Any], start: Start, seed: int, *kinds: Any) -> Any:
    """A new denoiser for a checkpoint's autoencoder and text encoder, its output layer zero.

    `kinds` are its class and those whose arguments that one hands on: diffusers' UNet if none are given.

    Raises:
        UsageError: the shape is wrong; the sentence names the key.
    """
    kinds = kinds or (UNet2DConditionModel,)
    known = {key for kind in kinds for key in inspect.signature(kind.__init__).parameters}
    for key in shape:
        if key not in known - _SET_HERE:
            raise UsageError(f"there is no key unet.{key}", "the keys are those of diffusers' UNet2DConditionModel")
    channels = start.descriptor.latent_channels
    torch.manual_seed(seed)
    try:
        unet = kinds[0](in_channels=2 * channels, out_channels=channels, **shape)
    except (ValueError, TypeError, IndexError, ZeroDivisionError, AttributeError) as error:
        raise UsageError(f"no denoiser can be built from the table [unet]: {error}", "correct the table") from error
    nn.init.zeros_(unet.conv_out.weight)
    nn.init.zeros_(unet.conv_out.bias)
    return unet


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


def training_scheduler(scheduler: SchedulerMixin | None, prediction: str = "epsilon") -> DDIMScheduler:
    """A deterministic scheduler over the same noise levels, which starts at the last training timestep.

    Without one, the noise levels of Stable Diffusion 1.x. A network that predicts the picture starts from noise alone
    (zero terminal signal, arXiv 2305.08891), which one that predicts noise could not.
    """
    config: dict[str, Any] = {"beta_start": BETAS[0], "beta_end": BETAS[1], "beta_schedule": "scaled_linear"}
    if scheduler is not None:
        known: Any = scheduler.config
        keys = ("beta_start", "beta_end", "beta_schedule", "trained_betas", "num_train_timesteps")
        config = {key: known[key] for key in keys if key in known}
    return DDIMScheduler(
        **config,
        prediction_type=prediction,
        rescale_betas_zero_snr=prediction == "sample",
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
    )


def prediction_of(scheduler: SchedulerMixin) -> str:
    """What a scheduler's network predicts, in diffusers' words: epsilon, sample, v_prediction."""
    config: Any = scheduler.config
    return str(config.get("prediction_type", "epsilon"))
