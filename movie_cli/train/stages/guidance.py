"""`guidance`: three passes become one. Multimodal guidance distillation, MoViE's Algorithm 1.

`L = || M(x_t, c_I, c_T, s_I, s_T, t) - eps~ ||^2`, where `eps~` is the teacher's three-pass prediction at scales drawn
independently. The student starts as the teacher's conditional pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from diffusers import SchedulerMixin
from torch import Tensor, nn

from movie_cli.errors import UsageError
from movie_cli.train import objectives, surgery
from movie_cli.train.conditioning import conditioning_of
from movie_cli.train.objectives import TIMESTEPS, NoiseSchedule
from movie_cli.train.samples import Draws, SampleBatch
from movie_cli.train.settings import GuidanceSettings
from movie_cli.train.stages import EditorStage, Latents, Loss, joined
from movie_cli.train.start import Start, as_teacher, open_start, prediction_of, training_scheduler

STUDENT = "student"


class GuidanceStage(EditorStage):
    """A guided student beside its frozen three-pass teacher."""

    AVERAGED = (STUDENT,)
    settings: GuidanceSettings

    def __init__(self, settings: GuidanceSettings, start: Start) -> None:
        super().__init__(settings, start, conditioning_of(start.text, settings.seed))
        self.conditioning.module.requires_grad_(False)
        self.teacher = surgery.frozen(start.unet)
        self.frozen["teacher"] = self.teacher
        torch.manual_seed(settings.seed)
        self.student = surgery.with_scales(start.unet, settings.scale_embedding_dim).requires_grad_(True).train()
        self.set_up(self.student)
        self.parts[STUDENT] = self.student
        self.scheduler = training_scheduler(start.scheduler, prediction_of(start.scheduler))
        self._schedule = NoiseSchedule.of(self.scheduler)

    def losses(self, batch: SampleBatch, draws: Draws, step: int) -> Iterator[Loss]:
        """The squared distance from the guided teacher."""
        del step
        settings = self.settings
        batch, latents = self.encoded(batch, draws, self.student)
        tokens = self.conditioning.tokens(batch, draws)
        text_scale = draws.uniform(settings.text_scale_low, settings.text_scale_high)
        image_scale = draws.uniform(settings.image_scale_low, settings.image_scale_high)
        timesteps = draws.whole(TIMESTEPS)
        noise = draws.normal(*latents.edited.shape[1:])
        noised = self._schedule.to(self.device).noised(latents.edited, noise, timesteps)
        target, conditional = self.guided_teacher(noised, latents, tokens, text_scale, image_scale, timesteps)
        network_input = joined(noised, latents)
        scales = torch.stack([text_scale, image_scale], dim=1)
        prediction = self.student(network_input, timesteps, tokens, timestep_cond=scales).sample
        loss = objectives.squared_error(prediction, target)
        # Guidance is all that the student has to learn: the part of it that is left.
        plain = objectives.squared_error(conditional, target)
        metrics = {"distance": loss, "of_guidance": loss.detach() / plain.clamp_min(1e-12)}
        if settings.pixel_weight:
            shown, plain = (self.pixel_errors(one, target).mean() for one in (prediction, conditional))
            loss = loss + settings.pixel_weight * shown
            metrics["of_guidance_in_pixels"] = shown.detach() / plain.clamp_min(1e-12)
        yield Loss(loss, metrics)

    @torch.no_grad()
    def guided_teacher(
        self,
        noised: Tensor,
        latents: Latents,
        tokens: Tensor,
        text_scale: Tensor,
        image_scale: Tensor,
        timesteps: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """`eps~` for noisy latents `(N, C, h, w)`, by three passes of the teacher, and its conditional pass alone."""
        count = len(noised)
        null = self.conditioning.null(count)
        network_input = joined(noised.repeat(3, 1, 1, 1), latents.repeated(3), _seen_twice(noised))
        context = torch.cat([tokens, null, null])
        full, image, none = self.teacher(network_input, timesteps.repeat(3), context).sample.float().chunk(3)
        if self.settings.full_ratio:
            text_scale = objectives.saturated(text_scale, image_scale, self.settings.full_ratio)
        return objectives.guided(none, image, full, text_scale, image_scale), full

    def denoiser(self) -> tuple[nn.Module, SchedulerMixin, dict[str, Any]]:
        """A guided checkpoint: one pass, many steps."""
        settings = self.settings
        facts = {
            "stage": "guided",
            "steps": settings.sampling_steps,
            "text_scale_range": [settings.text_scale_low, settings.text_scale_high],
            "image_scale_range": [settings.image_scale_low, settings.image_scale_high],
            "description": "multi-step editor that takes both scales in one pass",
        }
        return self.student, self.scheduler, facts


def _seen_twice(noised: Tensor) -> Tensor:
    """1 for the passes with text and image and with the image alone, 0 for the one with neither, `(3N, 1, 1, 1)`."""
    return noised.new_tensor([1.0, 1.0, 0.0]).repeat_interleave(len(noised)).view(-1, 1, 1, 1)


def guidance_stage(settings: GuidanceSettings) -> GuidanceStage:
    """`movie train guidance`.

    Raises:
        ModelError: the starting checkpoint cannot be used.
        UsageError: a range of scales is empty.
    """
    for name in ("text_scale", "image_scale"):
        low, high = getattr(settings, f"{name}_low"), getattr(settings, f"{name}_high")
        if low >= high:
            raise UsageError(f"{name}_low is {low:g} and {name}_high {high:g}", "the first must be the smaller one")
    return GuidanceStage(settings, as_teacher(open_start(settings.start, "guidance", ("base",))))
