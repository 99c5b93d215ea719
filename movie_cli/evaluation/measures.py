"""What pictures are compared by: error, PSNR, gradient energy, and whether a series of numbers only rises or falls.

Pictures are float tensors `(N, 3, H, W)` or `(3, H, W)`, sRGB-encoded in [0, 1]; results are one number over all of
them. Knows nothing of models, edits or files.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LUMA = (0.2126, 0.7152, 0.0722)
"""BT.709 luma weights, on sRGB-encoded values."""
ROUNDING_ERROR = (1 / 255) ** 2 / 12
"""Mean squared error of rounding to 8 bits: no picture can be told to be nearer than that, which is 58.9 dB."""


def to_float(frames: NDArray[np.uint8]) -> Tensor:
    """Frames `(N, H, W, 3)`, uint8, as pictures `(N, 3, H, W)`."""
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 255


def to_frames(pictures: Tensor) -> NDArray[np.uint8]:
    """Pictures `(N, 3, H, W)` as frames `(N, H, W, 3)`, uint8."""
    pixels = (pictures.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
    frames: NDArray[np.uint8] = np.ascontiguousarray(pixels.numpy())
    return frames


def mse(first: Tensor, second: Tensor) -> float:
    """Mean squared error over all values."""
    return float((first - second).square().mean())


def rmse(first: Tensor, second: Tensor) -> float:
    """Root of the mean squared error: a distance in [0, 1]."""
    return math.sqrt(mse(first, second))


def psnr(first: Tensor, second: Tensor) -> float:
    """Peak signal-to-noise ratio in dB, at most 58.9 (`ROUNDING_ERROR`)."""
    return -10 * math.log10(max(mse(first, second), ROUNDING_ERROR))


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
