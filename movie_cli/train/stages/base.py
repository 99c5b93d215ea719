"""`base` and `mobile`: noise prediction on edit triplets with dropped conditions, run in three passes and many steps.

InstructPix2Pix (arXiv 2211.09800): `L = || eps - e(x_t, c_I, c_T, t) ||^2`, the conditions zeroed now and then so that
`e(x_t, c_I, 0)` and `e(x_t, 0, 0)` are learnt by the same network. `mobile` changes the network first.

With `prediction = "sample"` the network gives the picture `x` instead. Guidance is the same: at one `x_t` either
prediction is an affine function of the other, and the guided one's coefficients add up to 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from diffusers import AutoencoderTiny, SchedulerMixin
from torch import Tensor, nn

from movie_cli.errors import ModelError, UsageError, first_line
from movie_cli.models.autoencoder import TinyAdapter
from movie_cli.models.denoiser import GuidedUNet2DConditionModel
from movie_cli.models.sampling import is_recurrent
from movie_cli.recipe import DEFAULT_IMAGE_SCALE, DEFAULT_TEXT_SCALE
from movie_cli.train import objectives, surgery
from movie_cli.train.conditioning import conditioning_of
from movie_cli.train.objectives import TIMESTEPS, NoiseSchedule, decoded_loss, gain
from movie_cli.train.samples import Draws, SampleBatch
from movie_cli.train.settings import BaseSettings, MobileSettings
from movie_cli.train.stages import EditorStage, Latents, Loss, joined
from movie_cli.train.start import (
    Start,
    as_teacher,
    check_trained,
    new_unet,
    open_start,
    prediction_of,
    training_scheduler,
)

DENOISER = "denoiser"


class BaseStage(EditorStage):
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
        self.set_up(self.unet)
        self.parts[DENOISER] = nn.ModuleDict({"unet": self.unet, "text": self.conditioning.module})
        if isinstance(self.unet, GuidedUNet2DConditionModel):
            # Held scales have nothing to learn; their layers are for the guided student to go on with.
            self.unet.time_embedding.text_scale.requires_grad_(False)
            self.unet.time_embedding.image_scale.requires_grad_(False)
        self.prediction = prediction_of(start.scheduler)
        self.scheduler = training_scheduler(start.scheduler, self.prediction)
        self._schedule = NoiseSchedule.of(self.scheduler)

    def learning_rate(self, part: str, name: str, step: int) -> float:
        """Edit codes learn faster than the network: each is seen once in so many samples as there are looks."""
        del part, step
        return self.settings.codes_learning_rate if name == "text.codes" else self.settings.learning_rate

    def losses(self, batch: SampleBatch, draws: Draws, step: int) -> Iterator[Loss]:
        """The squared error of the predicted noise, or picture."""
        del step
        settings = self.settings
        batch, latents = self.encoded(batch, draws, self.unet)
        no_text, no_image = objectives.dropped(
            draws.uniform(), (settings.text_dropout, settings.image_dropout, settings.both_dropout)
        )
        tokens = self.conditioning.tokens(batch, draws)
        tokens = torch.where(no_text.view(-1, 1, 1), self.conditioning.null(len(batch)), tokens)
        edited = under = latents.edited
        if settings.stray:
            # Where the source is seen the answer follows from it, whatever lies under the noise. What guided steps pass
            # through is edited more, and a network that has seen its own small edit alone would follow that.
            start = latents.source * self.codec.scaling
            under = start + _wide(draws.uniform(0, settings.stray)) * (edited - start)
            edited = torch.where(_wide(no_image), under, edited)
        if settings.null_text == "source":
            plain = no_text & ~no_image if settings.stray else no_text
            edited = torch.where(_wide(plain), latents.source * self.codec.scaling, edited)
        if not settings.stray:
            under = edited
        noise = draws.normal(*edited.shape[1:])
        timesteps = draws.whole(TIMESTEPS)
        noised = self._schedule.to(self.device).noised(under, noise, timesteps)
        prediction = self.unet(joined(noised, latents, (~_wide(no_image)).float()), timesteps, tokens).sample
        target = noise if self.prediction == "epsilon" else edited
        errors = objectives.squared_errors(prediction, target)
        metrics = {self.prediction: errors.mean()}
        seen = ~(no_image | no_text)
        if self.prediction == "sample":
            # Of the change that is asked for, the part that is left: 1 where nothing is edited.
            change = objectives.squared_errors(latents.source * self.codec.scaling, edited)
            metrics["of_edit"] = (errors * seen).sum() / (change * seen).sum().clamp_min(1e-12)
            metrics["blank"] = (errors * no_image).sum() / no_image.sum().clamp_min(1)
        if settings.pixel_weight:
            errors = errors + settings.pixel_weight * self.pixel_errors(prediction, target)
        weights = torch.where(no_image, 1.0, settings.image_weight)
        weights = torch.where(seen, settings.edit_weight * weights, weights)
        weights = torch.where(no_text & ~no_image, settings.plain_weight * weights, weights)
        total = (weights * errors).mean()
        if settings.decoded_weight and seen.any():
            decoded, metrics["gain"] = self._decoded_loss(batch, latents, prediction, seen)
            total = total + settings.decoded_weight * decoded
        yield Loss(total, metrics)

    def _decoded_loss(
        self, batch: SampleBatch, latents: Latents, prediction: Tensor, seen: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Distance of the picture that guidance would make from the one it is meant to make; its gain over the source.

        Both at the usual scales (see `objectives.multiplied`). The gain is in dB.
        """
        usual = DEFAULT_TEXT_SCALE, DEFAULT_IMAGE_SCALE
        source = batch.source[seen]
        start = latents.source[seen] * self.codec.scaling
        guided = objectives.multiplied(start, prediction[seen].float(), *usual)
        wanted = objectives.multiplied(source, batch.edited[seen], *usual).clamp(-1, 1)
        picture = self.codec.decode(guided, source).float()
        loss = decoded_loss(picture, wanted, self.settings.loss)
        return loss, gain(source, picture, wanted)

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
        UsageError: the denoiser's shape in the table `[unet]` cannot be built, or two denoisers are asked for.
    """
    held = any(settings.held_scales)
    if held and settings.unet:
        raise UsageError("held_scales takes a denoiser over, and [unet] describes a new one", "leave one of them out")
    if not settings.unet and not held:
        return BaseStage(settings, as_teacher(open_start(settings.start, "base", ("base",))))
    scheduler = training_scheduler(None, settings.prediction)
    if held:
        start = open_start(settings.start, "base", ("guided", "one-step"))
        check_trained(start)
        text_scale, image_scale = settings.held_scales
        unet = surgery.with_held_scales(
            start.unet,
            text_scale,
            image_scale,
            prediction_of(start.scheduler),
            settings.prediction,
            settings.held_share,
        )
    else:
        start = open_start(settings.start, "base", ("base", "guided", "one-step"))
        unet = new_unet(settings.unet, start, settings.seed)
    return BaseStage(settings, start.replace(unet=unet, scheduler=scheduler))


def mobile_stage(settings: MobileSettings) -> BaseStage:
    """`movie train mobile`: the starting network is cut, given TAESD and image channels, then trained as a base.

    Raises:
        ModelError: the starting checkpoint or the autoencoder cannot be used.
    """
    if settings.unet:
        raise UsageError("mobile changes the starting checkpoint's denoiser", "leave the table [unet] out")
    start = as_teacher(open_start(settings.start, "mobile", ("base",), text_to_image=True))
    unet = surgery.drop_top_attention(start.unet) if settings.drop_attention else start.unet
    channels = unet.config["out_channels"]
    if unet.config["in_channels"] == channels:
        unet = surgery.with_input_channels(unet, channels, at=channels)
    if settings.autoencoder:
        start = start.replace(codec=TinyAdapter(_tiny_autoencoder(settings.autoencoder, channels)))
    return BaseStage(settings, start.replace(unet=unet))


def _tiny_autoencoder(name: str, channels: int) -> AutoencoderTiny:
    try:
        tiny = AutoencoderTiny.from_pretrained(name, use_safetensors=True)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ModelError(
            f"the autoencoder {name} cannot be loaded: {first_line(error)}",
            "name TAESD in diffusers layout, madebyollin/taesd",
        ) from error
    if tiny.config["latent_channels"] != channels:
        found = tiny.config["latent_channels"]
        raise ModelError(f"the autoencoder {name} has {found} latent channels, the denoiser {channels}")
    return tiny


def _wide(flags: Tensor) -> Tensor:
    return flags.view(-1, 1, 1, 1)
