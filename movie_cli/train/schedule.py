"""The forward process and the three ways to predict its reverse: noise, velocity, picture. Plain functions of tensors.

Variance-preserving throughout: `x_t = alpha_t x + sigma_t eps` with `alpha_t^2 + sigma_t^2 = 1`. An Euler schedule's
`c_in (x + s eps)`, `c_in = 1 / sqrt(s^2 + 1)`, is the same with `s = sigma_t / alpha_t`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import DDIMScheduler, SchedulerMixin
from torch import Tensor

from movie_cli.train.surgery import BETAS

TIMESTEPS = 1000


@dataclass(frozen=True)
class NoiseSchedule:
    """`alpha` and `sigma` by timestep, both `(T,)` float32, timestep 0 the least noisy."""

    alpha: Tensor
    sigma: Tensor

    @classmethod
    def of(cls, scheduler: Any) -> NoiseSchedule:
        """The schedule that a diffusers scheduler was made for."""
        cumulative = scheduler.alphas_cumprod.double()
        return cls(cumulative.sqrt().float(), (1 - cumulative).sqrt().float())

    def to(self, device: torch.device) -> NoiseSchedule:
        """The same on a device."""
        return NoiseSchedule(self.alpha.to(device), self.sigma.to(device))

    def at(self, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """`alpha` and `sigma`, each `(N, 1, 1, 1)`, at timesteps `(N,)`."""
        return self.alpha[timesteps].view(-1, 1, 1, 1), self.sigma[timesteps].view(-1, 1, 1, 1)

    def noised(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """`alpha_t x + sigma_t eps`."""
        alpha, sigma = self.at(timesteps)
        return alpha * latents + sigma * noise

    def velocity_of_noise(self, prediction: Tensor, noised: Tensor, timesteps: Tensor) -> Tensor:
        """`v = alpha eps - sigma x` from a predicted noise: `(eps - sigma x_t) / alpha`."""
        alpha, sigma = self.at(timesteps)
        return (prediction - sigma * noised) / alpha

    def picture_of_velocity(self, prediction: Tensor, noised: Tensor, timesteps: Tensor) -> Tensor:
        """`x = alpha x_t - sigma v`."""
        alpha, sigma = self.at(timesteps)
        return alpha * noised - sigma * prediction

    def nearest(self, log_sigma: Tensor) -> Tensor:
        """The timestep whose `log(sigma_t / alpha_t)` is nearest to each of `log_sigma` `(N,)`."""
        table = (self.sigma / self.alpha.clamp_min(1e-6)).log()
        return (table[None] - log_sigma[:, None]).abs().argmin(dim=1)


def euler_timesteps(count: int) -> list[int]:
    """`count` timesteps of an Euler schedule, the noisiest first, ending at the last training timestep.

    Spaced as diffusers' `trailing`: it starts at the last one, which the student is run at, and leaves out 0,
    where there is nothing to learn.
    """
    return [round(TIMESTEPS - TIMESTEPS * index / count) - 1 for index in range(count)]


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
