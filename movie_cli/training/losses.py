"""What a reconstructed picture is judged by while training. Pictures are `(N, 3, H, W)`, in [0, 1] where not said."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


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


def energy_map(image: Tensor, window: int = 8) -> Tensor:
    """Mean absolute difference between neighbours in each window: how much texture there is, wherever it lies."""
    dx, dy = differences(image)
    return F.avg_pool2d(dx.abs(), window, ceil_mode=True) + F.avg_pool2d(dy.abs(), window, ceil_mode=True)


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
