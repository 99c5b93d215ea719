"""What the drawn edits share: where strokes run, smoothing along them, lines, patches, soft steps and screens.

All take and return float tensors `(N, C, H, W)`, are deterministic and continuous in their input. Fixed screens have
a period of 8 pixels or a divisor of it, aligned with the top-left pixel; every other texture comes from the picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from movie_cli.train.bank import ops

SCREEN_WAVES = ((2, 0), (2, 1), (1, 1), (1, 2), (0, 2), (-1, 2), (-1, 1), (-2, 1))
"""Wave vectors in cycles per 8 pixels, about evenly spread in angle, 3.6 to 5.7 pixels from crest to crest."""


class Field(NamedTuple):
    """Stroke directions, all `(N, 1, H, W)`.

    `tx`, `ty` are unit tangents whose sign has no meaning; `cosine`, `sine` are of their doubled angle, smooth over
    the picture, and shorter than 1 where no direction is sure.
    """

    tx: Tensor
    ty: Tensor
    cosine: Tensor
    sine: Tensor


def field(image: Tensor, fine: float = 2.0, coarse: float = 7.0) -> Field:
    """Directions along the edges of `image` `(N, C, H, W)`, from its structure tensor (Bigun, Granlund 1987).

    `fine` and `coarse` are the two window widths in pixels: the fine one rules near edges, the coarse one carries
    the direction of the next outlines into smooth regions. A weak horizontal prior decides where there is nothing.
    """
    dx, dy = ops.gradient(ops.blur(image, 1.2))
    tensor = torch.cat([(p * q).sum(dim=1, keepdim=True) for p, q in ((dx, dx), (dy, dy), (dx, dy))], dim=1)
    cosine = torch.full_like(tensor[:, :1], 0.02)
    sine = torch.zeros_like(cosine)
    for sigma, weight, floor in ((fine, 1.0, 4e-4), (coarse, 0.6, 2e-5)):
        window = ops.blur(tensor, sigma)
        xx, yy, xy = window[:, :1], window[:, 1:2], window[:, 2:]
        total = xx + yy + floor
        cosine = cosine + weight * (yy - xx) / total
        sine = sine - weight * 2 * xy / total
    length = torch.sqrt(cosine * cosine + sine * sine + 1e-6)
    unit_c, unit_s = cosine / length, sine / length
    tx = torch.sqrt(((1 + unit_c) / 2).clamp_min(0))
    ty = torch.sqrt(((1 - unit_c) / 2).clamp_min(0)) * torch.where(unit_s < 0, -1.0, 1.0)
    sure = length / (length + 0.1)
    return Field(tx, ty, unit_c * sure, unit_s * sure)


def sample(plane: Tensor, dx: Tensor, dy: Tensor) -> Tensor:
    """`plane` read at each pixel plus an offset `(N, 1, H, W)` in pixels, bilinear, borders reflected."""
    height, width = plane.shape[-2:]
    xs = torch.arange(width, dtype=plane.dtype, device=plane.device).view(1, 1, -1)
    ys = torch.arange(height, dtype=plane.dtype, device=plane.device).view(1, -1, 1)
    grid = torch.stack([(xs + dx[:, 0]) * (2 / (width - 1)) - 1, (ys + dy[:, 0]) * (2 / (height - 1)) - 1], dim=-1)
    return F.grid_sample(plane, grid, mode="bilinear", padding_mode="reflection", align_corners=True)


def along(plane: Tensor, way: Field, steps: Sequence[float] = (1, 2, 4)) -> Tensor:
    """Line-integral convolution: smooth `plane` along the strokes (after Cabral, Leedom 1993).

    Each step takes a quarter from either side at that distance; doubling steps add up to a smooth window that
    follows curves, with a standard deviation of `sqrt(sum(step^2) / 2)` pixels.
    """
    for step in steps:
        dx, dy = way.tx * step, way.ty * step
        plane = 0.5 * plane + 0.25 * (sample(plane, dx, dy) + sample(plane, -dx, -dy))
    return plane


def patches(image: Tensor, radius: int = 3, sharpness: float = 3.0) -> Tensor:
    """Smooth inside regions and keep their borders: a Kuwahara filter with soft weights (Papari et al. 2007).

    Each pixel takes the mean of the eight discs around it and its own, weighted by their evenness. `radius` is the
    disc's, in pixels; a higher `sharpness` makes crisper patches.
    """
    mean = ops.box(image, radius)
    variance = (ops.box(image * image, radius) - mean * mean).clamp_min(0).sum(dim=1, keepdim=True)
    even = (variance + 1e-3) ** -sharpness * 1e-9
    stack = torch.cat([mean * even, even], dim=1)
    height, width = image.shape[-2:]
    padded = F.pad(stack, (radius, radius, radius, radius), mode="replicate")
    total = torch.zeros_like(stack)
    diagonal = round(radius * 0.72)
    for oy in (-1, 0, 1):
        for ox in (-1, 0, 1):
            reach = diagonal if ox and oy else radius
            top, left = radius + oy * reach, radius + ox * reach
            total = total + padded[:, :, top : top + height, left : left + width]
    return total[:, :-1] / total[:, -1:]


def steps(plane: Tensor, count: float, softness: float = 0.3) -> Tensor:
    """A smooth staircase: values near multiples of `1 / count` are drawn to them; `softness` 0.5 is the widest rise."""
    scaled = plane * count
    whole = torch.floor(scaled)
    return (whole + ops.smoothstep(0.5 - softness, 0.5 + softness, scaled - whole)) / count


def flat_colours(image: Tensor, tones: float, tints: float, softness: float = 0.3) -> Tensor:
    """Soft posterization: luma to `tones` steps and the distance from grey to steps of `1 / tints`."""
    light = ops.luma(image)
    return steps(light, tones, softness) + steps(image - light, tints, softness)


def lines(
    plane: Tensor, way: Field, sigma: float, low: float, high: float, *, reach: Sequence[float] = (1, 2)
) -> Tensor:
    """Drawn lines in [0, 1]: the dark side of edges, joined along the strokes.

    A flow-based difference of Gaussians (Kang, Lee, Chui 2007). `sigma` is about half a line's width; `low` and
    `high` are the differences of brightness, relative to the local contrast, at which a line begins and is full: a
    lone strong step reaches 0.15.
    """
    inner = ops.blur(plane, sigma)
    outer = ops.blur(plane, 1.6 * sigma)
    contrast = ops.local_contrast(plane, 6.0)
    return ops.smoothstep(low, high, along((outer - inner) / (contrast + 0.1), way, reach))


def outlines(image: Tensor, way: Field, sigma: float, low: float, high: float) -> Tensor:
    """Outlines in [0, 1] on the borders themselves, so that they show beside dark shapes too; about `3 * sigma` wide.

    `low` and `high` are slopes relative to the local contrast: a lone strong step reaches about `0.5 / sigma`.
    """
    dx, dy = ops.gradient(ops.blur(image, sigma))
    slope = torch.sqrt((dx * dx + dy * dy).sum(dim=1, keepdim=True) / image.shape[1] + 1e-8)
    contrast = ops.local_contrast(ops.luma(image) if image.shape[1] == 3 else image, 6.0)
    return ops.smoothstep(low, high, along(slope / (contrast + 0.08), way, (1, 2)))


def screen_wave(plane: Tensor, across: int, down: int) -> Tensor:
    """A cosine in [-1, 1] with whole `across` and `down` cycles per 8 pixels, `(1, 1, H, W)`."""
    height, width = plane.shape[-2:]
    xs = torch.arange(width, dtype=plane.dtype, device=plane.device).view(1, 1, 1, -1) + 0.5
    ys = torch.arange(height, dtype=plane.dtype, device=plane.device).view(1, 1, -1, 1) + 0.5
    return torch.cos((across * xs + down * ys) * (2 * math.pi / 8))


def grain(plane: Tensor) -> Tensor:
    """The tooth of rough paper, `(1, 1, H, W)` in [-1, 1]: a fixed relief with period 8."""
    waves = ((1, 2), (2, -1), (3, 1), (-1, 3))
    return torch.stack([screen_wave(plane, across, down) for across, down in waves]).mean(dim=0)


def dots(plane: Tensor) -> Tensor:
    """A halftone screen with period 8 at 45 degrees, `(1, 1, H, W)` in [0, 1]: 0 at the middle of each dot."""
    return 0.5 + 0.25 * (screen_wave(plane, 1, 1) + screen_wave(plane, 1, -1))


def printed(cover: Tensor, threshold: Tensor, softness: float = 0.12) -> Tensor:
    """Ink in [0, 1] where the `threshold` screen is below the wanted `cover`; no ink at 0, all at 1."""
    reach = cover * (1 + 2 * softness) - softness
    return ops.smoothstep(-softness, softness, reach - threshold)


def brushed(plane: Tensor, way: Field, twist: float = 0.0) -> Tensor:
    """Strokes of about 4 pixels' width along the field, `(N, 1, H, W)` in about [-1, 1].

    A sum of screens, each weighted by how well it fits the local direction. `twist` shifts the strokes' phase by
    that many cycles between black and white of the one-channel `plane`, so that they bend with the shapes.
    """
    total = torch.zeros_like(plane)
    weights = torch.zeros_like(plane)
    height, width = plane.shape[-2:]
    xs = torch.arange(width, dtype=plane.dtype, device=plane.device).view(1, 1, 1, -1) + 0.5
    ys = torch.arange(height, dtype=plane.dtype, device=plane.device).view(1, 1, -1, 1) + 0.5
    for across, down in SCREEN_WAVES:
        # The stroke's direction is across the wave: its doubled angle is the wave's, turned by half a turn.
        angle = 2 * math.atan2(down, across)
        weight = torch.exp(-4 * (1 + way.cosine * math.cos(angle) + way.sine * math.sin(angle)))
        phase = (across * xs + down * ys) / 8 + twist * plane
        total = total + weight * torch.cos(2 * math.pi * phase)
        weights = weights + weight
    return total / weights


def contours(plane: Tensor, spacing: float = 5.0) -> Tensor:
    """Strokes along the lines of equal brightness of the one-channel `plane`, in about [-1, 1], 0 where it is flat.

    A cosine of the blurred brightness itself, at the multiples of it whose crests are about `spacing` pixels apart:
    the strokes bend with the shapes, and move with them in a video, which a fixed screen does not.
    """
    smooth = ops.blur(plane, 2.4)
    dx, dy = ops.gradient(ops.blur(smooth, 2.0))
    slope = torch.sqrt(dx * dx + dy * dy + 1e-7)
    total = torch.zeros_like(plane)
    weights = torch.full_like(plane, 0.12)
    for cycles in (3.0, 6.0, 12.0, 24.0):
        octaves = torch.log2(cycles * slope * spacing)
        weight = torch.exp(-2 * octaves * octaves)
        total = total + weight * torch.cos(2 * math.pi * cycles * smooth)
        weights = weights + weight
    return total / weights


def relief(height_map: Tensor, way_x: float = -0.7, way_y: float = -0.7) -> Tensor:
    """Raking light on a one-channel height map: the slope towards the light, about 0 on flat paint."""
    dx, dy = ops.gradient(height_map)
    return -(dx * way_x + dy * way_y)
