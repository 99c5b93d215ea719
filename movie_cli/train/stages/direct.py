"""`direct`: a one-step student of the procedural bank itself, which the embedded model's chain starts from.

Noise, source, text and scales in, edited picture out, judged where it is decoded; denoiser, edit codes and decoder are
trained together, the encoder stays as it was fitted. The method has no such stage: its one-step student has a teacher.
Now and then self-attention also sees an anchor, a neighbour of the frame, as it does when a video is edited.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import torch
from diffusers import LCMScheduler, SchedulerMixin, UNet2DConditionModel
from torch import Tensor, nn

from movie_cli.checkpoints.load import load_regions
from movie_cli.errors import ModelError, UsageError
from movie_cli.models.attention import attach
from movie_cli.models.autoencoder import PatchAdapter
from movie_cli.models.denoiser import GuidedUNet2DConditionModel
from movie_cli.models.sampling import SIGNS
from movie_cli.models.scene import SCENE_CHANNELS, sees_scene
from movie_cli.train import objectives, surgery
from movie_cli.train.augmentation import grainy, neighbours
from movie_cli.train.conditioning import conditioning_of
from movie_cli.train.objectives import TIMESTEPS
from movie_cli.train.samples import Draws, SampleBatch
from movie_cli.train.settings import DirectSettings
from movie_cli.train.stages import EditorStage, Latents, Loss, joined
from movie_cli.train.start import Start, check_trained, new_unet, open_start, prediction_of
from movie_cli.train.surgery import BETAS

STUDENT = "student"


class DirectStage(EditorStage):
    """Trains a one-step denoiser, its edit codes and the decoder on edited pictures at known scales."""

    AVERAGED = (STUDENT,)
    settings: DirectSettings

    def __init__(self, settings: DirectSettings, start: Start) -> None:
        super().__init__(settings, start, conditioning_of(start.text, settings.seed, bool(settings.unet)))
        self.unet = start.unet.requires_grad_(True).train()
        if settings.gradient_checkpointing:
            self.unet.enable_gradient_checkpointing()
        vae = self.codec.module.requires_grad_(True).train()
        vae.encoder.requires_grad_(False)
        student = nn.ModuleDict({"unet": self.unet, "text": self.conditioning.module, "vae": vae})
        self.parts[STUDENT] = student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._anchors = attach(self.unet)
        self._sign = SIGNS[prediction_of(start.scheduler)]

    def learning_rate(self, part: str, name: str, step: int) -> float:
        """Edit codes may learn faster than the network."""
        del part, step
        codes = self.settings.codes_learning_rate if name == "text.codes" else 0.0
        return codes or self.settings.learning_rate

    def losses(self, batch: SampleBatch, draws: Draws, step: int) -> Iterator[Loss]:
        """Distance of the decoded picture from the edited one, and a little of that of their latents."""
        del step
        settings, scales = self.settings, batch.scales
        if scales is None:
            raise RuntimeError("direct_stage() refuses data without scales")
        if settings.grain:
            batch = dataclasses.replace(batch, source=grainy(batch.source, settings.grain, draws))
        batch, latents = self.encoded(batch, draws, self.unet)
        tokens = self.conditioning.tokens(batch, draws)
        noise = draws.normal(*latents.edited.shape[1:])
        self._anchors.clear()
        if draws.uniform()[0] < settings.anchor_share:
            self._anchors.groups, self._anchors.mode = len(batch), "write"
            with torch.no_grad():
                anchor = self.codec.encode(neighbours(batch.source, draws))
                self.latents(noise, dataclasses.replace(latents, source=anchor), tokens, scales)
            self._anchors.mode = "read"
        edited = self.latents(noise, latents, tokens, scales)
        picture = self.codec.decode(edited, batch.source).float()
        loss = objectives.decoded_loss(picture, batch.edited, settings.loss)
        apart = objectives.squared_error(edited, latents.edited)
        metrics = {
            "reconstruction": loss,
            "latents": apart,
            "gain": objectives.gain(batch.source, picture, batch.edited),
        }
        yield Loss(loss + settings.latent_weight * apart, metrics)

    def latents(self, noise: Tensor, latents: Latents, tokens: Tensor, scales: Tensor) -> Tensor:
        """Edited latents `(N, C, h, w)` in one step from noise alone."""
        timesteps = torch.full((len(noise),), TIMESTEPS - 1, device=noise.device)
        network_input = joined(noise, latents)
        prediction: Tensor = self.unet(network_input, timesteps, tokens, timestep_cond=scales).sample
        return self._sign * prediction.float()

    def denoiser(self) -> tuple[nn.Module, SchedulerMixin, dict[str, Any]]:
        """A one-step checkpoint."""
        self._anchors.clear()
        return self.unet, self.start.scheduler, {"stage": "one-step", "steps": 1, "description": "one-step editor"}


def _told(start: Start, settings: DirectSettings) -> Start:
    """The start, with inputs for the scene if they are asked for."""
    channels = start.unet.config["in_channels"], start.unet.config["out_channels"]
    if not settings.scene or sees_scene(*channels) or not isinstance(start.codec, PatchAdapter):
        return start
    regions = load_regions(start.descriptor.folder)
    if regions is None:
        raise ModelError(f"{start.descriptor.folder} has no regions to be told of", "movie train regions makes them")
    unet = surgery.with_input_channels(start.unet, SCENE_CHANNELS, at=channels[1])
    return start.replace(unet=unet, codec=PatchAdapter(start.codec.module, regions))


def direct_stage(settings: DirectSettings) -> DirectStage:
    """`movie train direct`.

    Raises:
        ModelError: the starting checkpoint cannot be used.
        UsageError: the denoiser's shape in the table `[unet]` cannot be built, or the data's scales are not known.
    """
    if settings.data.kind != "bank" or settings.data.strength:
        raise UsageError("direct learns from edits at drawn scales", 'set data.kind = "bank" and data.strength = 0')
    if settings.unet:
        start = open_start(settings.start, "direct", ("base", "guided", "one-step"))
        unet = new_unet(settings.unet, start, settings.seed, GuidedUNet2DConditionModel, UNet2DConditionModel)
        first, last = BETAS
        scheduler = LCMScheduler(
            beta_start=first,
            beta_end=last,
            beta_schedule="scaled_linear",
            prediction_type="v_prediction",
            rescale_betas_zero_snr=True,
            clip_sample=False,
        )
        start = start.replace(unet=unet, scheduler=scheduler)
    else:
        start = open_start(settings.start, "direct", ("one-step",))
        check_trained(start)
    start = _told(start, settings)
    where = start.descriptor.folder
    if not isinstance(start.codec, PatchAdapter):
        raise ModelError(f"{where / 'vae'} is not a PatchAutoencoder", "begin with movie train autoencoder")
    if prediction_of(start.scheduler) not in SIGNS:
        raise ModelError(f"the denoiser of {where} predicts {prediction_of(start.scheduler)}", "describe one in [unet]")
    return DirectStage(settings, start)
