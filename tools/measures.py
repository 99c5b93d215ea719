"""What pictures are compared by beside PSNR: distance, texture, direction of a change, and series that rise or fall.

Pictures are float tensors `(N, 3, H, W)` or `(3, H, W)`, sRGB-encoded in [0, 1]; results are one number over all of
them. TAESD's encoder (MIT, github.com/madebyollin/taesd) was trained on other pictures for another purpose, which makes
its latents a feature space that no network here was trained in.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from movie_cli.errors import ModelError, first_line
from movie_cli.evaluate.measures import LUMA, mse, to_float

Features = Callable[[Tensor], Tensor]
"""Pictures `(N, 3, H, W)` in [0, 1] to features `(N, C, h, w)`."""


def rmse(first: Tensor, second: Tensor) -> float:
    """Root of the mean squared error: a distance in [0, 1]."""
    return math.sqrt(mse(first, second))


@dataclass(frozen=True)
class GradientEnergy:
    """How much texture a picture has, from the forward differences of its luma along both axes.

    `absolute` is the mean of their absolute values, `squared` the mean of their squares, each summed over the axes. The
    second weighs strong edges more and fine texture less.
    """

    absolute: float
    squared: float

    def __add__(self, other: GradientEnergy) -> GradientEnergy:
        return GradientEnergy(self.absolute + other.absolute, self.squared + other.squared)

    def over(self, other: GradientEnergy) -> tuple[float, float]:
        """Both as multiples of `other`'s; infinite over a picture without any texture, 1 where neither has any."""
        return _ratio(self.absolute, other.absolute), _ratio(self.squared, other.squared)


NO_ENERGY = GradientEnergy(0.0, 0.0)


def gradient_energy(pictures: Tensor) -> GradientEnergy:
    """The gradient energy of pictures, in units of value a pixel."""
    weights = pictures.new_tensor(LUMA).view(3, 1, 1)
    luma = (pictures * weights).sum(dim=-3)
    across, down = luma.diff(dim=-1), luma.diff(dim=-2)
    return GradientEnergy(
        float(across.abs().mean() + down.abs().mean()), float(across.square().mean() + down.square().mean())
    )


def clip_energy(frames: NDArray[np.uint8]) -> GradientEnergy:
    """The frames' gradient energies `(N, H, W, 3)`, summed one by one to bound memory."""
    return sum((gradient_energy(to_float(frame[None])) for frame in frames), NO_ENERGY)


def rises(values: Sequence[float]) -> bool:
    """Whether each number is greater than the one before."""
    return all(later > earlier for earlier, later in itertools.pairwise(values))


def falls(values: Sequence[float]) -> bool:
    """Whether each number is less than the one before."""
    return all(later < earlier for earlier, later in itertools.pairwise(values))


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean; not a number for none."""
    return sum(values) / len(values) if values else math.nan


def _ratio(value: float, reference: float) -> float:
    if reference > 0:
        return value / reference
    return math.inf if value > 0 else 1.0


def pixels(pictures: Tensor) -> Tensor:
    """The pictures themselves."""
    return pictures


def taesd_features(file: Path) -> Features:
    """The latents of TAESD, from its `taesd_encoder.safetensors`.

    Raises:
        ModelError: the file cannot be read, or is not that.
    """
    encoder = AutoencoderTiny().encoder
    try:
        encoder.layers.load_state_dict(load_file(file))
    except Exception as error:  # safetensors raises its own bare Exception
        raise ModelError(
            f"{file} cannot be loaded: {first_line(error)}", "give TAESD's taesd_encoder.safetensors"
        ) from error
    encoder.requires_grad_(False).eval()

    def features(pictures: Tensor) -> Tensor:
        # Written for pictures in [0, 1]; diffusers' own encoder takes [-1, 1].
        found: Tensor = encoder(pictures * 2 - 1)
        return found

    return features


@torch.inference_mode()
def direction_cosine(source: Tensor, target: Tensor, result: Tensor, features: Features = pixels) -> float:
    """Cosine between target less source and result less source, over all features; 0 if the result is the source."""
    here = features(source)
    asked, made = (features(one) - here for one in (target, result))
    return float(F.cosine_similarity(asked.flatten(), made.flatten(), dim=0))


def structure_kept(source: Tensor, result: Tensor) -> float:
    """Cosine between the luma gradients of two pictures `(N, 3, H, W)`: 1 where every edge stayed as it was."""
    gradients = []
    for picture in (source, result):
        luma = (picture * picture.new_tensor(LUMA).view(3, 1, 1)).sum(dim=-3)
        gradients.append(torch.cat([luma.diff(dim=-1).flatten(), luma.diff(dim=-2).flatten()]))
    return float(F.cosine_similarity(gradients[0], gradients[1], dim=0))
