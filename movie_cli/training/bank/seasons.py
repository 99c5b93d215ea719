"""Edits of season: winter, fresh snow, autumn and spring.

They move vegetation, ground and sky each to the season's colours and keep persons recognisable. Knows nothing of
weather or light beyond what the season brings.
"""

from __future__ import annotations

import torch
from torch import Tensor

from movie_cli.training.bank import ops
from movie_cli.training.bank.edit import Edit
from movie_cli.training.bank.scene import Scene, lifted


def winter(image: Tensor) -> Tensor:
    """Cold pale light, frosted vegetation, snow on the ground and on what faces up, a pale sky."""
    scene = Scene(image)
    cold = ops.saturate(image, 0.40 + 0.25 * scene.skin) * ops.colour((0.82, 0.93, 1.06), image)
    cold = cold + ops.colour((0.02, 0.05, 0.10), image)
    frost = ops.gradient_map(
        scene.luma,
        [(0.0, (0.16, 0.19, 0.25)), (0.25, (0.42, 0.48, 0.57)), (0.6, (0.78, 0.84, 0.91)), (1.0, (0.93, 0.97, 1.0))],
    )
    cover = torch.maximum(0.85 * scene.vegetation, 0.75 * scene.ground * ops.smoothstep(0.08, 0.4, scene.luma))
    cover = torch.maximum(cover, 0.7 * scene.tops * ops.smoothstep(0.15, 0.5, scene.luma))
    out = ops.mix(cold, frost, cover * (1 - 0.85 * scene.skin))
    sky = scene.sky_of((0.66, 0.76, 0.88), (0.86, 0.91, 0.96), 0.45)
    return ops.mix(out, sky, 0.9 * scene.sky).clamp(0, 1)


def snow(image: Tensor) -> Tensor:
    """Deep fresh snow: all that faces up thick and white, bright soft light, a white hazy sky."""
    scene = Scene(image)
    pale = ops.saturate(image, 0.55) * 0.74 + 0.24
    white = ops.gradient_map(
        scene.luma,
        [(0.0, (0.40, 0.44, 0.51)), (0.2, (0.70, 0.74, 0.80)), (0.45, (0.93, 0.95, 0.97)), (1.0, (1.0, 1.0, 1.0))],
    )
    lit = ops.smoothstep(-0.14, 0.12, scene.soft_luma - scene.wide_luma)
    cover = torch.maximum(scene.vegetation * (0.55 + 0.45 * lit), scene.ground)
    cover = torch.maximum(cover, scene.tops * ops.smoothstep(0.08, 0.35, scene.luma))
    out = ops.mix(pale, white, cover * (1 - 0.85 * scene.skin))
    out = ops.mix(out, scene.sky_of((0.93, 0.94, 0.96), (0.98, 0.98, 0.99), 0.2), 0.95 * scene.sky)
    return ops.mix(out, ops.colour((0.96, 0.97, 0.98), image), 0.16 * scene.height).clamp(0, 1)


def autumn(image: Tensor) -> Tensor:
    """Orange, red and gold foliage, fallen leaves on the ground, a warm low light."""
    scene = Scene(image)
    gold = ops.gradient_map(
        scene.luma,
        [(0.0, (0.12, 0.05, 0.02)), (0.3, (0.66, 0.36, 0.07)), (0.6, (0.97, 0.70, 0.18)), (1.0, (1.0, 0.93, 0.62))],
    )
    red = ops.gradient_map(
        scene.luma,
        [(0.0, (0.10, 0.03, 0.02)), (0.3, (0.62, 0.17, 0.06)), (0.6, (0.93, 0.42, 0.10)), (1.0, (1.0, 0.82, 0.52))],
    )
    yellow = ops.hue_weight(scene.soft, 62.0, 50.0)
    amount = ops.smoothstep(0.15, 0.75, 0.5 * yellow + scene.wide_luma - 0.05)
    leaves = ops.mix(red, gold, amount)
    warm = image.clamp_min(1e-4) ** ops.colour((0.85, 1.10, 1.20), image) * ops.colour((0.98, 0.80, 0.64), image)
    out = ops.mix(warm, ops.mix(red, gold, 0.55), 0.30 + 0.35 * scene.ground - 0.25 * scene.skin)
    out = ops.mix(out, leaves, 0.92 * scene.vegetation * (1 - 0.5 * scene.skin))
    sky = scene.sky_of((0.60, 0.68, 0.74), (0.97, 0.86, 0.68), 0.7)
    return ops.mix(out, sky, 0.75 * scene.sky).clamp(0, 1)


def spring(image: Tensor) -> Tensor:
    """Fresh light green, pink blossom on the bright parts of vegetation, clean bright air."""
    scene = Scene(image)
    bright = lifted(image, 0.6, 0.95)
    bright = ops.saturate(bright, 1.15) * ops.colour((0.96, 1.03, 0.95), image)
    green = ops.gradient_map(
        scene.luma,
        [(0.0, (0.07, 0.17, 0.03)), (0.3, (0.38, 0.66, 0.15)), (0.6, (0.68, 0.90, 0.36)), (1.0, (0.94, 1.0, 0.78))],
    )
    pink = ops.gradient_map(
        scene.luma, [(0.0, (0.55, 0.24, 0.38)), (0.4, (0.98, 0.64, 0.78)), (1.0, (1.0, 0.93, 0.96))]
    )
    grass = torch.maximum(scene.vegetation, 0.55 * scene.ground)
    out = ops.mix(bright, green, 0.85 * grass * (1 - 0.8 * scene.skin))
    bloom = ops.smoothstep(-0.03, 0.07, scene.soft_luma - scene.wide_luma) * ops.smoothstep(0.15, 0.40, scene.soft_luma)
    place = torch.maximum(scene.vegetation, 0.35 * (1 - scene.ground) * (1 - scene.skin) * (1 - scene.near_sky))
    out = ops.mix(out, pink, bloom * place * ops.smoothstep(0.1, 0.45, scene.height))
    sky = scene.sky_of((0.38, 0.72, 1.0), (0.86, 0.95, 1.0), 0.7)
    return ops.mix(out, sky, 0.9 * scene.sky).clamp(0, 1)


EDITS: tuple[Edit, ...] = (
    Edit("winter", "season", winter),
    Edit("snow", "season", snow),
    Edit("autumn", "season", autumn),
    Edit("spring", "season", spring),
)
