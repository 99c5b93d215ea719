"""The method as plain functions of tensors, in the paper's notation: noise and what predicts it, losses, guidance.

The forward process is variance-preserving: `x_t = alpha_t x + sigma_t eps` with `alpha_t^2 + sigma_t^2 = 1`. An Euler
schedule's `c_in (x + s eps)`, `c_in = 1 / sqrt(s^2 + 1)`, is the same with `s = sigma_t / alpha_t`. Of losses
predictions and scores come in, scalars come out. Pictures are `(N, 3, H, W)`, in [0, 1] where not said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from movie_cli.train.bank.edit import DEFAULT_STRENGTH

TIMESTEPS = 1000
Dropout = tuple[float, float, float]
SATURATION = 1.1
"""Full edits that no text scale goes beyond, where guidance saturates."""


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


def guided(none: Tensor, image: Tensor, full: Tensor, text_scale: Tensor, image_scale: Tensor) -> Tensor:
    """`e(0,0) + s_I (e(I,0) - e(0,0)) + s_T (e(I,T) - e(I,0))` with scales `(N,)` for predictions `(N, C, h, w)`."""
    s_text, s_image = (scale.view(-1, 1, 1, 1).to(none.dtype) for scale in (text_scale, image_scale))
    return none + s_image * (image - none) + s_text * (full - image)


def multiplied(source: Tensor, edited: Tensor, text_scale: Tensor | float, image_scale: Tensor | float) -> Tensor:
    """What many guided steps show of a small edit: `x = c_I + (s_T / s_I) (x_edited - c_I)` for pictures in [-1, 1].

    Where the edited picture follows from the source, the passes that see it give `c_I + d` and `c_I` at any noise. The
    unconditional pass comes to give back what is there, so a step's picture is `x' = x + s_I (c_I - x) + s_T d`, whose
    fixed point that is. Scales are numbers or `(N,)`; works on latents as well, `clamp` what is a picture.
    """
    ratio = torch.as_tensor(text_scale / image_scale, device=source.device).to(source.dtype)
    return source + ratio.view(-1, 1, 1, 1) * (edited - source)


def saturated(text_scale: Tensor, image_scale: Tensor, full_ratio: float) -> Tensor:
    """The text scale that guidance goes by where pictures saturate: with any, the edit ends at 1.1 times the full one.

    `full_ratio` is the `s_T / s_I` of the full edit. Up to 0.9 of it, the edit at the usual scales, the scale stays as
    it is; from there it comes nearer and nearer to 1.1. Scales are `(N,)`.
    """
    amount = text_scale / image_scale / full_ratio
    room = SATURATION - DEFAULT_STRENGTH
    beyond = (amount - DEFAULT_STRENGTH).clamp_min(0)
    return image_scale * full_ratio * (amount - beyond + room * (1 - (-beyond / room).exp()))


def dropped(uniform: Tensor, shares: Dropout) -> tuple[Tensor, Tensor]:
    """Which samples lose their text and which their image, bool `(N,)`, from uniform draws `(N,)` in [0, 1).

    `shares` are those of text alone, image alone, and both (InstructPix2Pix, section 3.2.1).
    """
    text, image, both = shares
    text_alone = uniform < text
    image_alone = (uniform >= text) & (uniform < text + image)
    all_of_it = (uniform >= text + image) & (uniform < text + image + both)
    return text_alone | all_of_it, image_alone | all_of_it


def squared_errors(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean over all values of each sample, `(N,)`, in float32."""
    return (prediction.float() - target.float()).square().flatten(1).mean(dim=1)


def squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean over all values, in float32."""
    return F.mse_loss(prediction.float(), target.float())


def discriminator_hinge(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """`max(0, 1 + D(real)) + max(0, 1 - D(fake))`, the mean over places, then over heads (Algorithm 2's signs)."""
    terms = [F.relu(1 + a.float()).mean() + F.relu(1 - b.float()).mean() for a, b in zip(real, fake, strict=True)]
    return torch.stack(terms).mean()


def generator_term(fake: Sequence[Tensor]) -> Tensor:
    """`D(fake)`, which the student lowers: the mean over places, then over heads."""
    return torch.stack([score.float().mean() for score in fake]).mean()


def gradient_penalty(scores: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
    """R1: the squared norm of each head's score's gradient in its own input, the mean over samples and heads.

    Taken at the heads' inputs and not at the picture, as ADD does (arXiv 2311.17042): the frozen encoder
    below is not to be smoothed, and no second derivative through it is needed.
    """
    penalties = []
    for score, features in zip(scores, inputs, strict=True):
        total = score.float().mean(dim=tuple(range(1, score.dim()))).sum()
        (gradient,) = torch.autograd.grad(total, features, create_graph=True)
        penalties.append(gradient.float().square().flatten(1).sum(dim=1).mean())
    return torch.stack(penalties).mean()


@dataclass(frozen=True)
class LossWeights:
    """The share of each term of `reconstruction_loss`."""

    absolute: float = 1.0
    squared: float = 2.0
    gradient: float = 1.0
    energy: float = 0.5


def differences(image: Tensor) -> tuple[Tensor, Tensor]:
    """Forward differences along both axes, one pixel shorter in that axis."""
    return image[..., 1:] - image[..., :-1], image[..., 1:, :] - image[..., :-1, :]


def energy_map(image: Tensor) -> Tensor:
    """Mean absolute difference between neighbours in windows of 8x8: how much texture there is, wherever it lies."""
    dx, dy = differences(image)
    return F.avg_pool2d(dx.abs(), 8, ceil_mode=True) + F.avg_pool2d(dy.abs(), 8, ceil_mode=True)


@torch.no_grad()
def gain(source: Tensor, output: Tensor, target: Tensor) -> Tensor:
    """How much nearer to the target than the source the output is, in dB; a scalar over all pictures."""
    far, near = ((one - target).square().mean().clamp_min(1e-8) for one in (source, output))
    return 10 * (far / near).log10()


def reconstruction_loss(output: Tensor, target: Tensor, weights: LossWeights) -> Tensor:
    """Distance of pixels, of gradients and of local texture energy; a scalar.

    The energy term asks for the target's amount of texture even where its exact place cannot be known: squared error
    alone would answer uncertainty with blur.
    """
    loss = weights.absolute * F.l1_loss(output, target) + weights.squared * F.mse_loss(output, target)
    pairs = zip(differences(output), differences(target), strict=True)
    loss = loss + weights.gradient * sum(F.l1_loss(a, b) for a, b in pairs)
    return loss + weights.energy * F.l1_loss(energy_map(output), energy_map(target))


def decoded_loss(output: Tensor, target: Tensor, weights: LossWeights) -> Tensor:
    """`reconstruction_loss` of pictures as decoders give them, in [-1, 1]."""
    return reconstruction_loss((output + 1) / 2, (target + 1) / 2, weights)
