"""Edits of light: the time of day, exposure and white balance.

Each makes one lighting of the whole picture, with the sky, the ground and the highlights treated apart. Knows
nothing of seasons or places.
"""

from __future__ import annotations

import torch
from torch import Tensor

from movie_cli.training.bank import ops
from movie_cli.training.bank.edit import Edit
from movie_cli.training.bank.scene import Scene, lifted


def night(image: Tensor) -> Tensor:
    """Dark blue moonlight; bright spots and what is lit warmly become lamps with a glow."""
    scene = Scene(image)
    moon = ops.gradient_map(
        scene.luma,
        [(0.0, (0.01, 0.015, 0.05)), (0.5, (0.09, 0.15, 0.32)), (0.85, (0.22, 0.31, 0.53)), (1.0, (0.32, 0.43, 0.66))],
    )
    keep = ops.saturate(image, 0.9) * ops.colour((0.26, 0.30, 0.46), image)
    out = ops.mix(moon, keep, 0.35)
    sky = scene.sky_of((0.01, 0.02, 0.09), (0.09, 0.14, 0.32), 0.18)
    out = ops.mix(out, sky, scene.sky)
    warm = ops.hue_weight(scene.soft, 42.0, 34.0) * ops.smoothstep(0.35, 0.62, ops.saturation(scene.soft))
    lit = 0.75 * warm * ops.smoothstep(0.38, 0.70, scene.soft_luma) * (1 - scene.skin) * (1 - scene.vegetation)
    lamp = torch.maximum(scene.highlights, lit)
    light = ops.colour((1.0, 0.80, 0.42), image) * (0.25 + 0.75 * scene.luma)
    glow = ops.blur(lamp, 7.0) * ops.colour((0.90, 0.52, 0.16), image)
    return ops.screen(ops.mix(out.clamp(0, 1), light, 0.9 * lamp), 0.75 * glow).clamp(0, 1)


def sunset(image: Tensor) -> Tensor:
    """An orange and red sky, orange light from above, a dark foreground with violet shadows."""
    scene = Scene(image)
    dark = ops.gradient_map(
        scene.luma,
        [(0.0, (0.05, 0.01, 0.09)), (0.4, (0.33, 0.11, 0.19)), (0.75, (0.88, 0.37, 0.15)), (1.0, (1.0, 0.74, 0.32))],
    )
    keep = image * ops.colour((0.90, 0.50, 0.42), image)
    out = ops.mix(dark, keep, 0.35) * (0.60 + 0.40 * ops.smoothstep(0.0, 0.7, scene.height))
    veil = (0.30 * ops.smoothstep(0.3, 1.0, scene.height) + 0.40 * ops.blur(scene.sky, 8.0)) * (1 - scene.sky)
    out = ops.screen(out.clamp(0, 1), veil * ops.colour((0.85, 0.30, 0.05), image))
    sky = scene.sky_of((0.60, 0.17, 0.36), (1.0, 0.66, 0.18), 0.8)
    return ops.mix(out, sky, scene.sky).clamp(0, 1)


def sunrise(image: Tensor) -> Tensor:
    """Soft pink, lavender and peach light with mist low in the picture."""
    scene = Scene(image)
    soft = ops.gradient_map(
        scene.luma,
        [(0.0, (0.25, 0.17, 0.32)), (0.45, (0.66, 0.49, 0.60)), (0.8, (0.98, 0.78, 0.74)), (1.0, (1.0, 0.93, 0.85))],
    )
    out = ops.mix(soft, ops.saturate(image, 0.9) * 0.75 + ops.colour((0.26, 0.14, 0.16), image), 0.35)
    sky = scene.sky_of((0.70, 0.61, 0.88), (1.0, 0.78, 0.62), 0.35)
    out = ops.mix(out, sky, 0.95 * scene.sky)
    mist = 0.35 * ops.smoothstep(0.0, 0.5, scene.height) * ops.smoothstep(1.0, 0.5, scene.height)
    return ops.mix(out, ops.colour((1.0, 0.84, 0.80), image), mist * (1 - 0.6 * scene.sky)).clamp(0, 1)


def golden_hour(image: Tensor) -> Tensor:
    """Warm golden glow: low sun, bloom around what is bright, amber shadows."""
    scene = Scene(image)
    warm = image.clamp_min(1e-4) ** ops.colour((0.72, 1.02, 1.70), image)
    warm = warm * ops.colour((1.0, 0.84, 0.55), image) + ops.colour((0.07, 0.03, 0.0), image)
    sky = scene.sky_of((1.0, 0.82, 0.50), (1.0, 0.94, 0.72), 0.4)
    out = ops.mix(warm, sky, 0.75 * scene.sky)
    glow = ops.blur(ops.smoothstep(0.5, 1.0, scene.luma), 16.0)
    veil = (0.20 * scene.height + 0.55 * glow) * ops.colour((0.85, 0.50, 0.12), image)
    return ops.screen(out.clamp(0, 1), veil).clamp(0, 1)


def brighter(image: Tensor) -> Tensor:
    """About a stop more light in the midtones; blacks, whites and fine detail keep their contrast."""
    return lifted(image, 0.95, 1.0).clamp(0, 1)


def darker(image: Tensor) -> Tensor:
    """A stop and a half less exposure, colours kept."""
    return (0.62 * image.clamp_min(1e-4) ** 1.25).clamp(0, 1)


def warmer(image: Tensor) -> Tensor:
    """White balance towards tungsten: more red, less blue, brightness kept."""
    tinted = image.clamp_min(1e-4) ** ops.colour((0.74, 0.98, 1.32), image)
    return (tinted * ops.colour((1.04, 0.98, 0.84), image)).clamp(0, 1)


def cooler(image: Tensor) -> Tensor:
    """White balance towards shade: more blue, less red, brightness kept."""
    tinted = image.clamp_min(1e-4) ** ops.colour((1.40, 1.0, 0.75), image)
    return (tinted * ops.colour((0.78, 0.97, 1.05), image)).clamp(0, 1)


EDITS: tuple[Edit, ...] = (
    Edit("night", "light", night),
    Edit("sunset", "light", sunset),
    Edit("sunrise", "light", sunrise),
    Edit("golden_hour", "light", golden_hour),
    Edit("brighter", "light", brighter),
    Edit("darker", "light", darker),
    Edit("warmer", "light", warmer),
    Edit("cooler", "light", cooler),
)
