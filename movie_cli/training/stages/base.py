"""`base` and `mobile`: noise prediction on edit triplets with dropped conditions, run in three passes and many steps.

InstructPix2Pix (arXiv 2211.09800): `L = || eps - e(x_t, c_I, c_T, t) ||^2`, the conditions zeroed now and then so that
`e(x_t, c_I, 0)` and `e(x_t, 0, 0)` are learnt by the same network. `mobile` changes the network first.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from diffusers import AutoencoderTiny, SchedulerMixin, UNet2DConditionModel
from torch import Tensor, nn

from movie_cli.errors import ModelError, UsageError
from movie_cli.models.codec import TinyCodec
from movie_cli.models.sampling import is_recurrent
from movie_cli.training import objectives, surgery
from movie_cli.training.conditioning import conditioning_of
from movie_cli.training.draws import Draws
from movie_cli.training.low_rank import train_low_rank
from movie_cli.training.samples import SampleBatch
from movie_cli.training.schedule import TIMESTEPS, NoiseSchedule
from movie_cli.training.settings import BaseSettings, MobileSettings
from movie_cli.training.stages.stage import Loss, Stage, joined
from movie_cli.training.start import Start, open_start, predicts_noise, training_scheduler

DENOISER = "denoiser"
_SET_HERE = ("in_channels", "out_channels")


class BaseStage(Stage):
    """Trains a denoiser `e(x_t, c_I, c_T, t)` and, with the embedded text encoder, its edit codes."""

    AVERAGED = (DENOISER,)
    settings: BaseSettings

    def __init__(self, settings: BaseSettings, start: Start) -> None:
        new_codes = bool(settings.unet)
        super().__init__(settings, start, conditioning_of(start.text, settings.seed, new_codes))
        unet = start.unet
        if settings.recurrent and not is_recurrent(unet):
            channels = unet.config["out_channels"]
            unet = surgery.with_input_channels(unet, channels, at=channels)
        self.unet = unet.train()
        if settings.gradient_checkpointing:
            self.unet.enable_gradient_checkpointing()
        if settings.lora_rank:
            train_low_rank(self.unet, settings.lora_rank)
        self.parts[DENOISER] = nn.ModuleDict({"unet": self.unet, "text": self.conditioning.module})
        self.scheduler = training_scheduler(start.scheduler)
        self._schedule = NoiseSchedule.of(self.scheduler)

    def learning_rate(self, part: str, name: str, step: int) -> float:
        """Edit codes learn faster than the network: each is seen once in forty samples."""
        del part, step
        return self.settings.codes_learning_rate if name == "text.codes" else self.settings.learning_rate

    def losses(self, batch: SampleBatch, draws: Draws, step: int) -> Iterator[Loss]:
        """The squared error of the predicted noise."""
        del step
        settings = self.settings
        batch, latents = self.encoded(batch, draws, self.unet)
        no_text, no_image = objectives.dropped(
            draws.uniform(), (settings.text_dropout, settings.image_dropout, settings.both_dropout)
        )
        tokens = self.conditioning.tokens(batch, draws)
        tokens = torch.where(no_text.view(-1, 1, 1), self.conditioning.null(len(batch)), tokens)
        edited = latents.edited
        if settings.null_text == "source":
            edited = torch.where(_wide(no_text), latents.source * self.codec.scaling, edited)
        source = latents.source * ~_wide(no_image)
        noise = draws.normal(*edited.shape[1:])
        timesteps = draws.whole(TIMESTEPS)
        noised = self._schedule.to(self.device).noised(edited, noise, timesteps)
        prediction = self.unet(joined(noised, source, latents.previous), timesteps, tokens).sample
        loss = objectives.squared_error(prediction, noise)
        yield Loss(loss, {"noise": loss})

    def denoiser(self) -> tuple[nn.Module, SchedulerMixin, dict[str, Any]]:
        """A base checkpoint: three passes, many steps."""
        facts = {
            "stage": "base",
            "steps": self.settings.sampling_steps,
            "description": "multi-step editor guided from outside by three passes",
        }
        return self.unet, self.scheduler, facts


def base_stage(settings: BaseSettings) -> BaseStage:
    """`movie train base`.

    Raises:
        ModelError: the starting checkpoint cannot be used.
        UsageError: the denoiser's shape in the table `[unet]` cannot be built.
    """
    if not settings.unet:
        return BaseStage(settings, predicts_noise(open_start(settings.start, "base", ("base",))))
    start = open_start(settings.start, "base", ("base", "guided", "one-step"))
    unet = new_unet(settings.unet, start, settings.seed)
    return BaseStage(settings, start.replace(unet=unet, scheduler=training_scheduler(None)))


def mobile_stage(settings: MobileSettings) -> BaseStage:
    """`movie train mobile`: the starting network is cut, given TAESD and image channels, then trained as a base.

    Raises:
        ModelError: the starting checkpoint or the autoencoder cannot be used.
    """
    if settings.unet:
        raise UsageError("mobile changes the starting checkpoint's denoiser", "leave the table [unet] out")
    start = predicts_noise(open_start(settings.start, "mobile", ("base",), text_to_image=True))
    unet = surgery.drop_top_attention(start.unet) if settings.drop_attention else start.unet
    channels = unet.config["out_channels"]
    if unet.config["in_channels"] == channels:
        unet = surgery.with_input_channels(unet, channels, at=channels)
    if settings.autoencoder:
        start = start.replace(codec=TinyCodec(_tiny_autoencoder(settings.autoencoder, channels)))
    return BaseStage(settings, start.replace(unet=unet))


def new_unet(shape: dict[str, Any], start: Start, seed: int) -> Any:
    """A new denoiser for a checkpoint's autoencoder and text encoder, its output layer zero.

    Raises:
        UsageError: the shape is wrong; the sentence names the key.
    """
    known = inspect.signature(UNet2DConditionModel.__init__).parameters
    for key in shape:
        if key not in known or key in _SET_HERE or key == "self":
            raise UsageError(f"there is no key unet.{key}", "the keys are those of diffusers' UNet2DConditionModel")
    channels = start.descriptor.latent_channels
    torch.manual_seed(seed)
    try:
        unet = UNet2DConditionModel(in_channels=2 * channels, out_channels=channels, **shape)
    except (ValueError, TypeError, IndexError, ZeroDivisionError, AttributeError) as error:
        raise UsageError(f"no denoiser can be built from the table [unet]: {error}", "correct the table") from error
    nn.init.zeros_(unet.conv_out.weight)
    nn.init.zeros_(unet.conv_out.bias)
    return unet


def _tiny_autoencoder(name: str, channels: int) -> AutoencoderTiny:
    try:
        tiny = AutoencoderTiny.from_pretrained(name, use_safetensors=True)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"the autoencoder {name} cannot be loaded: {first_line}",
            "name TAESD in diffusers layout, madebyollin/taesd",
        ) from error
    if tiny.config["latent_channels"] != channels:
        found = tiny.config["latent_channels"]
        raise ModelError(f"the autoencoder {name} has {found} latent channels, the denoiser {channels}")
    return tiny


def _wide(flags: Tensor) -> Tensor:
    return flags.view(-1, 1, 1, 1)
