"""`adversarial`: many steps become one, both scales alive. v-prediction, then MoViE's Algorithm 2.

First the student learns the velocity that follows from its teacher's noise; a teacher that predicts the picture needs
no such conversion, as the picture is defined at the noisiest timestep too. Then it is trained against the teacher's
own samples: "real" is what the guided teacher makes in a few steps, the discriminator is the teacher's frozen encoder
with trained heads, and real and fake are noised alike before they are judged. Scores are low for real.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from diffusers import DDIMScheduler, LCMScheduler, SchedulerMixin
from torch import Tensor, nn

from movie_cli.errors import ModelError, UsageError
from movie_cli.models.sampling import is_recurrent
from movie_cli.recipe import DEFAULT_IMAGE_SCALE, DEFAULT_TEXT_SCALE
from movie_cli.train import bank, objectives, surgery
from movie_cli.train.bank.edit import Strengths, extended
from movie_cli.train.conditioning import conditioning_of
from movie_cli.train.discriminator import Heads, encoder_features, feature_widths
from movie_cli.train.objectives import TIMESTEPS, NoiseSchedule, decoded_loss, euler_timesteps, gain
from movie_cli.train.samples import Draws, SampleBatch, SampleSource, collate
from movie_cli.train.settings import AdversarialSettings
from movie_cli.train.stages import EditorStage, Latents, Loss, joined
from movie_cli.train.start import Start, as_teacher, open_start, prediction_of, training_scheduler

STUDENT, DISCRIMINATOR = "student", "discriminator"
CALIBRATION = 24
"""Samples that the teacher's strength is measured on."""


class AdversarialStage(EditorStage):
    """A one-step student, its frozen guided teacher, and the heads on the teacher's encoder."""

    AVERAGED = (STUDENT,)
    settings: AdversarialSettings

    def __init__(self, settings: AdversarialSettings, start: Start) -> None:
        super().__init__(settings, start, conditioning_of(start.text, settings.seed))
        self.conditioning.module.requires_grad_(False)
        self.prediction = prediction_of(start.scheduler)
        student = surgery.with_plain_residual(start.unet)
        if settings.student:
            _take_over(student, settings.student, self.student_prediction)
        self.student = student.requires_grad_(True).train()
        self.teacher: Any = surgery.frozen(start.unet)
        self.frozen["teacher"] = self.teacher
        self.set_up(self.student)
        torch.manual_seed(settings.seed)
        prompt_dim = self.conditioning.null(1).shape[-1]
        self.heads = Heads(feature_widths(self.teacher), settings.head_width, prompt_dim, settings.scale_heads)
        self.parts[DISCRIMINATOR] = self.heads
        self.parts[STUDENT] = self.student
        many = training_scheduler(start.scheduler, self.prediction)
        keys = (
            *("beta_start", "beta_end", "beta_schedule", "trained_betas", "num_train_timesteps"),
            "rescale_betas_zero_snr",
        )
        self._noise_levels = {key: many.config[key] for key in keys}
        self._schedule = NoiseSchedule.of(many)
        self._times = euler_timesteps(settings.train_timesteps)
        self.strengths: Strengths | None = None

    def total_steps(self) -> int:
        """The conversion's steps come before."""
        return self._conversion_steps + self.settings.steps

    def converting(self, step: int) -> bool:
        """Whether the student is still learning to predict velocities."""
        return step < self._conversion_steps

    @property
    def student_prediction(self) -> str:
        """What the student predicts, in diffusers' words: the picture, if its teacher does, or else the velocity."""
        return "sample" if self.prediction == "sample" else "v_prediction"

    @property
    def _conversion_steps(self) -> int:
        begun = self.prediction != "epsilon" or self.settings.student
        return 0 if begun else self.settings.conversion_steps

    def taught(self, step: int) -> bool:
        """Whether the teacher is asked at this step; at the others the data says all."""
        return (step - self._conversion_steps) % self.settings.teacher_every == 0

    def active(self, step: int) -> tuple[str, ...]:
        """The discriminator first where the teacher is asked; while converting, or by the data alone, the student."""
        return (STUDENT,) if self.converting(step) or not self.taught(step) else (DISCRIMINATOR, STUDENT)

    def learning_rate(self, part: str, name: str, step: int) -> float:
        """Three rates: conversion, student, discriminator."""
        del name
        if part == DISCRIMINATOR:
            return self.settings.discriminator_learning_rate
        return self.settings.conversion_learning_rate if self.converting(step) else self.settings.learning_rate

    def place(self, device: torch.device) -> None:
        """Bring all networks and the schedule to a device."""
        super().place(device)
        self._schedule = self._schedule.to(device)

    def prepare(self, data: SampleSource) -> None:
        """Find how strong the data's edits are to be: as the teacher's at the same scales (see `Strengths`)."""
        if self.settings.data_weight:
            samples = [collate([data.sample(number)]).to(self.device) for number in range(CALIBRATION)]
            samples = [sample for sample in samples if any(sample.edits)]
            full = sum(_distance(one.edited, one.source) for one in samples) / self.settings.data.strength
            known = self.start.descriptor
            self.strengths = Strengths(
                known.text_scale_range,
                known.image_scale_range,
                lambda text, image: sum(self._teacher_distance(one, text, image) for one in samples) / max(full, 1e-9),
            )

    @torch.no_grad()
    def _teacher_distance(self, batch: SampleBatch, text_scale: float, image_scale: float) -> float:
        """Of what the teacher makes, in as many steps as it is run with, from the source."""
        draws = Draws(self.settings.seed, batch.numbers, self.device)
        with torch.autocast(self.device.type, enabled=False):
            source = self.codec.encode(batch.source)
        previous = torch.zeros_like(source) if is_recurrent(self.teacher) else None
        latents = Latents(source, source * self.codec.scaling, previous, self.scene(batch))
        scales = source.new_tensor([[text_scale, image_scale]])
        tokens = self.conditioning.tokens(batch, draws)
        real = self.teacher_samples(latents, tokens, scales, draws, self.start.descriptor.steps)
        return _distance(self.codec.decode(real, batch.source).clamp(-1, 1), batch.source)

    def losses(self, batch: SampleBatch, draws: Draws, step: int) -> Iterator[Loss]:
        """The conversion's loss, or the discriminator's and then the student's."""
        batch, latents = self.encoded(batch, draws, self.student)
        tokens = self.conditioning.tokens(batch, draws)
        ranges = self.start.descriptor
        scales = torch.stack([draws.uniform(*ranges.text_scale_range), draws.uniform(*ranges.image_scale_range)], dim=1)
        if self.settings.usual_share:
            usual = scales.new_tensor([DEFAULT_TEXT_SCALE, DEFAULT_IMAGE_SCALE])
            scales = torch.where((draws.uniform() < self.settings.usual_share).view(-1, 1), usual, scales)
        if self.converting(step):
            yield self._conversion(latents, tokens, scales, draws)
            return
        if not self.taught(step):
            noise = draws.normal(*latents.edited.shape[1:])
            timesteps = torch.full((len(batch),), self._times[0], device=self.device)
            fake = self.pictures(noise, latents, tokens, scales, timesteps)
            yield Loss(*self._data_loss(self.codec.decode(fake, batch.source).float(), batch, scales))
            return
        real = self.teacher_samples(latents, tokens, scales, draws, self.settings.teacher_steps)
        noised, timesteps = self._student_input(real, draws)
        with torch.no_grad():
            fake = self.pictures(noised, latents, tokens, scales, timesteps)
        yield self._discriminator_loss(real, fake, latents, tokens, scales, draws)
        fake = self.pictures(noised, latents, tokens, scales, timesteps)
        yield self._student_loss(real, fake, latents, tokens, scales, draws, batch)

    def _conversion(self, latents: Latents, tokens: Tensor, scales: Tensor, draws: Draws) -> Loss:
        """`|| v - v_teacher ||^2` with the velocity that the teacher's noise amounts to."""
        noise, timesteps = draws.normal(*latents.edited.shape[1:]), draws.whole(TIMESTEPS)
        noised = self._schedule.noised(latents.edited, noise, timesteps)
        network_input = joined(noised, latents)
        with torch.no_grad():
            predicted = self.teacher(network_input, timesteps, tokens, timestep_cond=scales).sample.float()
            target = self._schedule.velocity_of_noise(predicted, noised, timesteps)
        velocity = self.student(network_input, timesteps, tokens, timestep_cond=scales).sample
        loss = objectives.squared_error(velocity, target)
        return Loss(loss, {"velocity": loss})

    @torch.no_grad()
    def teacher_samples(self, latents: Latents, tokens: Tensor, scales: Tensor, draws: Draws, steps: int) -> Tensor:
        """What the guided teacher makes of the sources from fresh noise in so many steps: the "real" `x0`."""
        lcm = self.settings.teacher_sampler == "lcm"
        options: dict[str, Any] = {} if lcm else {"timestep_spacing": "trailing", "set_alpha_to_one": True}
        kind: Any = LCMScheduler if lcm else DDIMScheduler
        scheduler = kind(**self._noise_levels, prediction_type=self.prediction, clip_sample=False, **options)
        scheduler.set_timesteps(steps, device=self.device)
        extra = {"generator": draws.generators} if lcm else {}
        sample = draws.normal(*latents.edited.shape[1:])
        for timestep in scheduler.timesteps:
            network_input = joined(sample, latents)
            predicted = self.teacher(network_input, timestep, tokens, timestep_cond=scales).sample.float()
            sample = scheduler.step(predicted, timestep, sample, return_dict=False, **extra)[0]
        return sample

    def _student_input(self, real: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """`x_t` at one of the Euler timesteps; at the last one noise alone, as when it is run."""
        share, count = self.settings.last_timestep_share, len(self._times)
        chosen = torch.tensor(self._times, device=real.device)
        others = 1 + draws.whole(max(1, count - 1)) if count > 1 else torch.zeros_like(draws.whole(1))
        timesteps = chosen[torch.where(draws.uniform() < share, torch.zeros_like(others), others)]
        noise = draws.normal(*real.shape[1:])
        noised = self._schedule.noised(real, noise, timesteps)
        if self.settings.pure_noise:
            noised = torch.where((timesteps == self._times[0]).view(-1, 1, 1, 1), noise, noised)
        return noised, timesteps

    def pictures(self, noised: Tensor, latents: Latents, tokens: Tensor, scales: Tensor, timesteps: Tensor) -> Tensor:
        """The student's `x0` in one step."""
        network_input = joined(noised, latents)
        prediction = self.student(network_input, timesteps, tokens, timestep_cond=scales).sample.float()
        if self.prediction == "sample":
            return prediction
        return self._schedule.picture_of_velocity(prediction, noised, timesteps)

    def _judged(self, draws: Draws, shape: torch.Size) -> tuple[Tensor, Tensor]:
        """Fresh `t'` and `eps'` for real and fake alike."""
        settings = self.settings
        log_sigma = settings.log_sigma_mean + settings.log_sigma_deviation * draws.normal()
        return self._schedule.nearest(log_sigma), draws.normal(*shape[1:])

    def _features(
        self, picture: Tensor, judged: tuple[Tensor, Tensor], latents: Latents, tokens: Tensor, scales: Tensor
    ) -> list[Tensor]:
        timesteps, noise = judged
        noised = self._schedule.noised(picture, noise, timesteps)
        return encoder_features(self.teacher, joined(noised, latents), timesteps, tokens, scales)

    def _discriminator_loss(
        self, real: Tensor, fake: Tensor, latents: Latents, tokens: Tensor, scales: Tensor, draws: Draws
    ) -> Loss:
        judged = self._judged(draws, real.shape)
        with torch.no_grad():
            of_real, of_fake = (self._features(one, judged, latents, tokens, scales) for one in (real, fake))
        of_real = [one.detach().requires_grad_() for one in of_real]
        real_scores = self.heads(of_real, judged[0], tokens, scales)
        fake_scores = self.heads(of_fake, judged[0], tokens, scales)
        hinge = objectives.discriminator_hinge(real_scores, fake_scores)
        penalty = objectives.gradient_penalty(real_scores, of_real) if self.settings.r1_weight else hinge.new_zeros(())
        metrics = {
            "hinge": hinge,
            "r1": penalty,
            "score_real": objectives.generator_term(real_scores),
            "score_fake": objectives.generator_term(fake_scores),
        }
        return Loss(hinge + self.settings.r1_weight * penalty, metrics)

    def _student_loss(
        self,
        real: Tensor,
        fake: Tensor,
        latents: Latents,
        tokens: Tensor,
        scales: Tensor,
        draws: Draws,
        batch: SampleBatch,
    ) -> Loss:
        judged = self._judged(draws, real.shape)
        scores = self.heads(self._features(fake, judged, latents, tokens, scales), judged[0], tokens, scales)
        distance, term = objectives.squared_error(fake, real), objectives.generator_term(scores)
        settings, source = self.settings, batch.source
        total = settings.mse_weight * distance + settings.generator_weight * term
        metrics = {"distance": distance, "generator": term}
        if settings.decoded_weight or settings.data_weight:
            picture = self.codec.decode(fake, source).float()
        if settings.decoded_weight:
            with torch.no_grad():
                wanted = self.codec.decode(real, source).float()
            metrics["decoded"] = decoded_loss(picture, wanted, settings.loss)
            total = total + settings.decoded_weight * metrics["decoded"]
            metrics["gain"] = gain(source, picture, wanted)
        # As often again as the teacher is not asked, so that what it counts for stays (lazily, as StyleGAN2's R1).
        total = settings.teacher_every * total
        if settings.data_weight:
            by_data, found = self._data_loss(picture, batch, scales)
            total, metrics = total + by_data, metrics | found
        return Loss(total, metrics)

    def _data_loss(self, picture: Tensor, batch: SampleBatch, scales: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Distance of decoded pictures from the bank's edits, as strong at these scales as the teacher's are."""
        settings, source = self.settings, batch.source
        if self.strengths is None:
            raise RuntimeError("the data's strengths are found by prepare()")
        drawn = [bool(edits) and bank.get("+".join(edits or ())).drawn for edits in batch.edits]
        flags = torch.tensor(drawn, device=scales.device)
        wanted = extended(source, batch.edited, settings.data.strength, self.strengths(scales), flags).clamp(-1, 1)
        loss = decoded_loss(picture, wanted, settings.loss)
        return settings.data_weight * loss, {"data": loss, "data_gain": gain(source, picture, wanted)}

    def denoiser(self) -> tuple[nn.Module, SchedulerMixin, dict[str, Any]]:
        """A one-step checkpoint."""
        scheduler = LCMScheduler(**self._noise_levels, prediction_type=self.student_prediction, clip_sample=False)
        known = self.start.descriptor
        facts = {
            "stage": "one-step",
            "steps": 1,
            "text_scale_range": list(known.text_scale_range),
            "image_scale_range": list(known.image_scale_range),
            "description": "one-step editor that takes both scales in one pass",
        }
        return self.student, scheduler, facts


def _take_over(student: Any, name: str, prediction: str) -> None:
    """Give a student the weights of the one-step checkpoint `name`.

    Raises:
        ModelError: it cannot be used, or its denoiser is of another shape or kind.
    """
    other = open_start(name, "adversarial --set student=", ("one-step",))
    known = prediction_of(other.scheduler)
    shapes, wanted = ({key: value.shape for key, value in unet.state_dict().items()} for unet in (other.unet, student))
    if known != prediction or shapes != wanted:
        difference = "its denoiser has another shape" if shapes != wanted else f"it predicts {known}, not {prediction}"
        raise ModelError(
            f"the student {other.descriptor.folder} is none of this teacher's: {difference}",
            "name the checkpoint of a run that began with the same START",
        )
    student.load_state_dict(other.unet.state_dict())


def _distance(edited: Tensor, source: Tensor) -> float:
    """Root mean squared difference of pictures."""
    return float(objectives.squared_error(edited, source).sqrt())


def adversarial_stage(settings: AdversarialSettings) -> AdversarialStage:
    """`movie train adversarial`.

    Raises:
        ModelError: the starting checkpoint cannot be used.
        UsageError: the data's edited pictures are to be learnt from, and how strong they are is not known; or steps
            without the teacher are asked for, and without data.
    """
    if settings.teacher_every > 1 and not settings.data_weight:
        raise UsageError(
            f"teacher_every is {settings.teacher_every}, and without data_weight the teacher alone says what to do",
            "set data_weight, or teacher_every = 1",
        )
    if settings.data_weight and not (settings.data.kind == "bank" and settings.data.strength):
        raise UsageError("data_weight needs edited pictures of one small strength", "set data.strength, with the bank")
    return AdversarialStage(settings, as_teacher(open_start(settings.start, "adversarial", ("guided",))))
