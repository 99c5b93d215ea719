"""Edits that imitate a film stock or a grade: black and white, sepia, vintage, noir, cyberpunk, teal and orange.

Promises deterministic, continuous functions whose result depends on about 60 pixels around a place and on the height
in the picture. Knows nothing of how these pictures are learnt or named in words.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from movie_cli.training.bank import ops
from movie_cli.training.bank.edit import Edit


def panchromatic(image: Tensor, weights: tuple[float, float, float]) -> Tensor:
    """Grey `(N, 1, H, W)` of a film with the given sensitivity to red, green and blue; the weights sum to 1."""
    return (image * ops.colour(weights, image)).sum(dim=1, keepdim=True)


def base_layer(plane: Tensor, radius: int, eps: float) -> Tensor:
    """The edge-keeping smooth part of `(N, 1, H, W)`, by a fast guided filter on a quarter-size picture.

    `radius` is in pixels of the picture, `eps` a variance as in `ops.guided`. Subsampling the coefficients and not
    the picture is from "Fast Guided Filter" (He, Sun 2015).
    """
    step = 4 if min(plane.shape[-2:]) >= 32 else 1
    small = F.avg_pool2d(plane, step, ceil_mode=True) if step > 1 else plane
    square = F.avg_pool2d(plane * plane, step, ceil_mode=True) if step > 1 else plane * plane
    reach = max(1, radius // step)
    mean = ops.box(small, reach)
    variance = (ops.box(square, reach) - mean * mean).clamp_min(0)
    slope = variance / (variance + eps)
    coefficients = ops.box(torch.cat((slope, (1 - slope) * mean), dim=1), reach)
    if step > 1:
        # Cropped and not resized to the picture, so that a size that is no multiple of the step shifts nothing.
        whole = (small.shape[-2] * step, small.shape[-1] * step)
        coefficients = F.interpolate(coefficients, size=whole, mode="bilinear", align_corners=False)
        coefficients = coefficients[..., : plane.shape[-2], : plane.shape[-1]]
    return coefficients[:, 0:1] * plane + coefficients[:, 1:2]


def clarity(plane: Tensor, amount: float, radius: int = 10, eps: float = 0.01) -> Tensor:
    """Local contrast of `(N, 1, H, W)` raised by `amount` around an edge-keeping base, so that no halo appears."""
    return (plane + amount * (plane - base_layer(plane, radius, eps))).clamp(0, 1)


def sigmoid_contrast(plane: Tensor, slope: float, pivot: float = 0.5) -> Tensor:
    """An S-shaped curve through (0, 0) and (1, 1) that is steepest, about `slope / 4` and more, at `pivot`."""
    low = torch.sigmoid(plane.new_tensor(-slope * pivot))
    high = torch.sigmoid(plane.new_tensor(slope * (1 - pivot)))
    return (torch.sigmoid(slope * (plane - pivot)) - low) / (high - low)


def bloom(plane: Tensor, low: float, high: float, sigma: float) -> Tensor:
    """Light that spreads from what is brighter than `low` (fully from `high`): `plane` masked, then blurred."""
    return ops.blur(plane * ops.smoothstep(low, high, plane), sigma)


def _black_and_white(image: Tensor) -> Tensor:
    grey = panchromatic(image, (0.34, 0.50, 0.16))
    grey = clarity(grey, 0.15)
    return ops.mix(grey, sigmoid_contrast(grey, 4.5, 0.47), 0.45).expand_as(image).clamp(0, 1)


def _noir(image: Tensor) -> Tensor:
    # An orange filter, as on the sets: skin and lamps bright, sky and cloth dark.
    grey = panchromatic(image, (0.62, 0.33, 0.05))
    grey = clarity(grey, 0.15, radius=12, eps=0.02)
    # The pivot follows the surroundings, so that a bright room turns low-key too and a dark one keeps its figure.
    around = ops.blur(grey, 24.0)
    hard = torch.sigmoid(5.6 * (grey - 0.30 - 0.52 * around))
    tone = hard * (0.25 + 0.75 * grey)
    up = ops.height(image)
    falloff = 1 - 0.75 * ops.smoothstep(0.55, 1.0, up) - 0.35 * ops.smoothstep(0.25, 0.0, up)
    tone = tone * falloff
    return ops.screen(tone, 0.35 * bloom(tone, 0.6, 0.95, 5.0)).expand_as(image).clamp(0, 1)


def _sepia(image: Tensor) -> Tensor:
    # Early plates saw blue best and red hardly: skies pale, lips and brick dark.
    grey = panchromatic(image, (0.22, 0.46, 0.32))
    grey = clarity(grey, 0.25)
    grey = ops.mix(grey, sigmoid_contrast(grey, 4.5), 0.6)
    grey = ops.screen(grey, 0.18 * bloom(grey, 0.6, 1.0, 3.0))
    stops = (
        (0.0, (0.16, 0.085, 0.035)),
        (0.35, (0.46, 0.29, 0.15)),
        (0.7, (0.80, 0.63, 0.41)),
        (1.0, (0.98, 0.90, 0.72)),
    )
    toned = ops.gradient_map(grey, stops)
    up = ops.height(image)
    fade = 0.10 * ops.smoothstep(0.75, 1.0, up) + 0.10 * ops.smoothstep(0.25, 0.0, up)
    return ops.mix(toned, ops.colour((0.72, 0.54, 0.33), image), fade).clamp(0, 1)


def _vintage(image: Tensor) -> Tensor:
    grey = ops.luma(image)
    faded = ops.saturate(image, 0.72)
    # Each dye layer fades in its own way: red lifts in the shadows, blue loses its highlights.
    red = ops.tone_curve(faded[:, 0:1], ((0.0, 0.27), (0.5, 0.63), (1.0, 0.97)))
    green = ops.tone_curve(faded[:, 1:2], ((0.0, 0.17), (0.5, 0.57), (1.0, 0.90)))
    blue = ops.tone_curve(faded[:, 2:3], ((0.0, 0.25), (0.5, 0.42), (1.0, 0.62)))
    print_ = torch.cat((red, green, blue), dim=1)
    # Halation: light that passed the film and came back from its base, red first.
    glow = bloom(grey, 0.62, 0.95, 7.0)
    return ops.screen(print_, glow * ops.colour((0.42, 0.16, 0.03), image)).clamp(0, 1)


def _cyberpunk(image: Tensor) -> Tensor:
    grey = ops.luma(image)
    # The pivot follows the surroundings: a bright day falls into night as well, and keeps its local contrast.
    around = ops.blur(grey, 24.0)
    base = torch.sigmoid(7.5 * (clarity(grey, 0.6) - 0.36 - 0.45 * around)) * (0.35 + 0.65 * grey)
    # Which lamp lights a place: its own hue, the side that its surface turns to, and the street's glow below.
    warm = torch.tanh(5.0 * (image[:, 0:1] - image[:, 2:3] - 0.06))
    dx, _ = ops.gradient(ops.blur(grey, 4.0))
    side = torch.tanh(90.0 * dx)
    magenta = torch.sigmoid(2.6 * warm + 2.2 * side + 1.6 * (0.5 - ops.height(image)))
    lamp = ops.mix(ops.colour((0.0, 0.86, 0.98), image), ops.colour((1.0, 0.06, 0.62), image), magenta)
    night = ops.gradient_map(
        base,
        ((0.0, (0.025, 0.015, 0.08)), (0.4, (0.12, 0.07, 0.30)), (0.8, (0.50, 0.44, 0.74)), (1.0, (0.98, 0.95, 1.0))),
    )
    lit = ops.mix(night, lamp * (0.12 + 1.15 * base), 0.78 * ops.smoothstep(0.02, 0.4, base) * (1 - 0.8 * base**3))
    tubes = ops.smoothstep(0.025, 0.15, ops.edges(grey, 1.0)) * lamp
    glow = 0.50 * ops.blur(tubes, 0.8) + ops.blur(0.65 * tubes + 0.85 * lamp * base**2, 7.0)
    return ops.screen(lit, glow.clamp(0, 1)).clamp(0, 1)


def _teal_and_orange(image: Tensor) -> Tensor:
    grey = ops.luma(image)
    tone = sigmoid_contrast(clarity(grey, 0.15), 4.5, 0.52)
    # Positive on skin, wood, lamps and sand; negative on sky, leaves and in neutral shadow.
    red, green, blue = image.chunk(3, dim=1)
    warmth = red - 0.35 * green - 0.65 * blue - 2.0 * F.softplus(30.0 * (green - red)) / 30.0
    orange = torch.sigmoid(14.0 * (warmth + 0.01 - 0.08 * (0.5 - grey)))
    teal = ops.gradient_map(
        tone,
        ((0.0, (0.0, 0.035, 0.06)), (0.3, (0.02, 0.25, 0.31)), (0.7, (0.20, 0.62, 0.68)), (1.0, (0.86, 1.0, 0.97))),
    )
    warm = ops.gradient_map(
        tone, ((0.0, (0.08, 0.03, 0.02)), (0.3, (0.54, 0.23, 0.06)), (0.7, (1.0, 0.60, 0.26)), (1.0, (1.0, 0.95, 0.84)))
    )
    return ops.mix(teal, warm, orange).clamp(0, 1)


EDITS: tuple[Edit, ...] = (
    Edit("black_and_white", "film", _black_and_white),
    Edit("sepia", "film", _sepia),
    Edit("vintage", "film", _vintage),
    Edit("noir", "film", _noir),
    Edit("cyberpunk", "film", _cyberpunk),
    Edit("teal_and_orange", "film", _teal_and_orange),
)
