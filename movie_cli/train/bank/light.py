"""Looks of light: the hour of the day, lamps, exposure and white balance."""

from __future__ import annotations

import torch
from torch import Tensor

from movie_cli.train.bank import ops
from movie_cli.train.bank.edit import Edit
from movie_cli.train.bank.scene import Scene, lifted

MOON = ((0.0, (0.01, 0.015, 0.05)), (0.5, (0.09, 0.15, 0.32)), (0.85, (0.22, 0.31, 0.53)), (1.0, (0.32, 0.43, 0.66)))
SILVER = ((0.0, (0.01, 0.02, 0.06)), (0.4, (0.13, 0.18, 0.31)), (0.75, (0.42, 0.51, 0.68)), (1.0, (0.80, 0.88, 1.0)))
DUSK = ((0.0, (0.05, 0.01, 0.09)), (0.4, (0.33, 0.11, 0.19)), (0.75, (0.88, 0.37, 0.15)), (1.0, (1.0, 0.74, 0.32)))
BLUE_HOUR = (
    (0.0, (0.03, 0.03, 0.10)),
    (0.45, (0.20, 0.20, 0.40)),
    (0.8, (0.50, 0.44, 0.62)),
    (1.0, (0.80, 0.66, 0.74)),
)
MORNING = ((0.0, (0.25, 0.17, 0.32)), (0.45, (0.66, 0.49, 0.60)), (0.8, (0.98, 0.78, 0.74)), (1.0, (1.0, 0.93, 0.85)))


def windows(scene: Scene) -> Tensor:
    """Dark panes in buildings, and bright spots anywhere: what lights up at night, `(N, 1, H, W)` in [0, 1]."""
    panes = scene.building * ops.smoothstep(0.04, 0.16, ops.blur(scene.luma, 20.0) - scene.soft_luma)
    warm = ops.hue_weight(scene.soft, 42.0, 34.0) * ops.smoothstep(0.35, 0.62, ops.saturation(scene.soft))
    lit = 0.75 * warm * ops.smoothstep(0.38, 0.70, scene.soft_luma) * (1 - scene.subject) * (1 - scene.vegetation)
    return torch.maximum(torch.maximum(0.85 * panes, scene.highlights * (1 - scene.ground) * (1 - scene.subject)), lit)


def lamps_on(scene: Scene, dark: Tensor, lamp: Tensor, light: tuple[float, float, float]) -> Tensor:
    """The dark picture with lamps of a colour and their glow."""
    colour = ops.colour(light, dark)
    shine = colour * (0.55 + 0.45 * scene.luma)
    glow = ops.blur(lamp, 7.0) * colour * ops.colour((0.9, 0.65, 0.5), dark)
    return ops.screen(ops.mix(dark.clamp(0, 1), shine, 0.9 * lamp), 0.75 * glow)


def night(scene: Scene) -> Tensor:
    """Dark blue night; windows and lamps light up with a glow."""
    image = scene.image
    keep = ops.saturate(image, 0.9) * ops.colour((0.26, 0.30, 0.46), image)
    out = ops.mix(ops.gradient_map(scene.luma, MOON), keep, 0.35 + 0.25 * scene.subject)
    out = ops.mix(out, scene.sky_of((0.01, 0.02, 0.09), (0.09, 0.14, 0.32), 0.18), scene.sky)
    return lamps_on(scene, out, windows(scene), (1.0, 0.80, 0.42))


def moonlight(scene: Scene) -> Tensor:
    """Silver-blue light from above on all that is bright, deep shadows, a dark blue sky with pale clouds."""
    image = scene.image
    tone = scene.luma + 0.5 * (scene.luma - scene.wide_luma)
    out = ops.gradient_map(tone.clamp(0, 1), SILVER)
    out = ops.mix(out, ops.saturate(image, 0.5) * ops.colour((0.45, 0.52, 0.70), image), 0.25)
    out = ops.mix(out, out * 1.25 + ops.colour((0.05, 0.07, 0.10), image), scene.water)
    return ops.mix(out, scene.sky_of((0.02, 0.04, 0.14), (0.20, 0.28, 0.46), 0.9), scene.sky)


def aurora(scene: Scene) -> Tensor:
    """Night under northern lights: green curtains over the horizon, violet above, a green shine on all below."""
    image = scene.image
    dark = ops.mix(ops.gradient_map(scene.luma, MOON), image * ops.colour((0.18, 0.30, 0.34), image), 0.4)
    shine = ops.smoothstep(0.3, 0.9, scene.luma) * ops.colour((0.04, 0.28, 0.18), image)
    out = dark + shine * (0.4 + 0.6 * scene.water + 0.4 * scene.ground).clamp(0, 1)
    up = scene.height + 0.4 * (ops.blur(scene.luma, 8.0) - ops.blur(scene.luma, 24.0))
    band = ops.smoothstep(0.40, 0.62, up) * ops.smoothstep(0.98, 0.70, up)
    top = ops.smoothstep(0.70, 0.95, up)
    sky = ops.colour((0.01, 0.03, 0.10), image) + band * ops.colour((0.10, 0.85, 0.45), image)
    sky = sky + top * ops.colour((0.42, 0.12, 0.55), image) * 0.7
    return ops.mix(out, sky, scene.sky)


def sunset(scene: Scene) -> Tensor:
    """An orange and red sky, orange light from above, a dark foreground with violet shadows."""
    image = scene.image
    keep = image * ops.colour((0.90, 0.55, 0.46), image)
    out = ops.mix(ops.gradient_map(scene.luma, DUSK), keep, 0.35 + 0.30 * scene.subject)
    out = out * (0.60 + 0.40 * ops.smoothstep(0.0, 0.7, scene.height))
    veil = (0.25 * ops.smoothstep(0.3, 1.0, scene.height) + 0.40 * ops.blur(scene.sky, 8.0)) * (1 - scene.sky)
    out = ops.screen(out.clamp(0, 1), veil * ops.colour((0.85, 0.30, 0.05), image))
    out = ops.mix(out, ops.gradient_map(scene.luma, DUSK) * 1.1, 0.6 * scene.water)
    return ops.mix(out, scene.sky_of((0.60, 0.17, 0.36), (1.0, 0.66, 0.18), 0.8), scene.sky)


def sunrise(scene: Scene) -> Tensor:
    """Soft pink, lavender and peach light with mist low in the picture."""
    image = scene.image
    out = ops.gradient_map(scene.luma, MORNING)
    keep = ops.saturate(image, 0.9) * 0.75 + ops.colour((0.26, 0.14, 0.16), image)
    out = ops.mix(out, keep, 0.35 + 0.2 * scene.subject)
    out = ops.mix(out, scene.sky_of((0.70, 0.61, 0.88), (1.0, 0.78, 0.62), 0.35), 0.95 * scene.sky)
    mist = 0.35 * ops.smoothstep(0.0, 0.5, scene.height) * ops.smoothstep(1.0, 0.5, scene.height)
    return ops.mix(out, ops.colour((1.0, 0.84, 0.80), image), mist * (1 - 0.6 * scene.sky) * (1 - 0.5 * scene.subject))


def dusk(scene: Scene) -> Tensor:
    """The blue hour: violet-blue light, first lamps, a sky from deep blue to a rosy rim."""
    image = scene.image
    keep = ops.saturate(image, 0.8) * ops.colour((0.50, 0.48, 0.68), image)
    out = ops.mix(ops.gradient_map(scene.luma, BLUE_HOUR), keep, 0.45)
    out = ops.mix(out, scene.sky_of((0.13, 0.16, 0.44), (0.93, 0.60, 0.55), 0.5), scene.sky)
    return lamps_on(scene, out, 0.8 * windows(scene), (1.0, 0.78, 0.45))


def golden_hour(scene: Scene) -> Tensor:
    """Warm golden glow: low sun, bloom around what is bright, amber shadows."""
    image = scene.image
    warm = image.clamp_min(1e-4) ** ops.colour((0.72, 1.02, 1.70), image)
    warm = warm * ops.colour((1.0, 0.84, 0.55), image) + ops.colour((0.07, 0.03, 0.0), image)
    out = ops.mix(warm, scene.sky_of((1.0, 0.82, 0.50), (1.0, 0.94, 0.72), 0.4), 0.75 * scene.sky)
    glow = ops.blur(ops.smoothstep(0.5, 1.0, scene.luma), 16.0)
    veil = (0.20 * scene.height + 0.55 * glow) * ops.colour((0.85, 0.50, 0.12), image)
    return ops.screen(out.clamp(0, 1), veil)


def candle_light(scene: Scene) -> Tensor:
    """A room by candles: amber light on what is near and bright, brown darkness around."""
    image = scene.image
    near = ops.smoothstep(0.15, 0.75, scene.luma + 0.25 * scene.subject + 0.3 * (scene.luma - scene.wide_luma))
    tones = ((0.0, (0.03, 0.01, 0.0)), (0.35, (0.30, 0.12, 0.03)), (0.7, (0.88, 0.50, 0.16)), (1.0, (1.0, 0.86, 0.52)))
    out = ops.mix(ops.gradient_map(scene.luma * (0.45 + 0.6 * near), tones), image * near * 0.8, 0.2)
    out = ops.mix(out, scene.sky_of((0.02, 0.01, 0.03), (0.16, 0.08, 0.05), 0.2), scene.sky)
    glow = ops.blur(scene.luma * ops.smoothstep(0.6, 0.95, scene.luma), 8.0)
    return ops.screen(out.clamp(0, 1), 0.5 * glow * ops.colour((1.0, 0.62, 0.2), image))


def neon(scene: Scene) -> Tensor:
    """A dark scene whose outlines glow like tubes, pink on warm things and cyan on cold ones."""
    image = scene.image
    dark = image * ops.colour((0.16, 0.12, 0.26), image)
    warm = ops.smoothstep(-0.08, 0.10, scene.soft[:, :1] - scene.soft[:, 2:3])
    tube = ops.mix(ops.colour((0.05, 0.85, 1.0), image), ops.colour((1.0, 0.10, 0.70), image), warm)
    line = ops.smoothstep(0.03, 0.14, ops.edges(scene.luma, 1.1))
    glow = ops.blur(line, 4.0)
    return ops.screen(ops.screen(dark, 0.85 * line * tube), 0.8 * glow * tube)


def brighter(scene: Scene) -> Tensor:
    """About a stop more light in the midtones; blacks, whites and fine detail keep their contrast."""
    image = scene.image
    return lifted(image, 0.95, 1.0).clamp(0, 1)


def darker(scene: Scene) -> Tensor:
    """A stop and a half less exposure, colours kept."""
    image = scene.image
    return (0.62 * image.clamp_min(1e-4) ** 1.25).clamp(0, 1)


def warmer(scene: Scene) -> Tensor:
    """White balance towards tungsten: more red, less blue, brightness kept."""
    image = scene.image
    tinted = image.clamp_min(1e-4) ** ops.colour((0.74, 0.98, 1.32), image)
    return (tinted * ops.colour((1.04, 0.98, 0.84), image)).clamp(0, 1)


def cooler(scene: Scene) -> Tensor:
    """White balance towards shade: more blue, less red, brightness kept."""
    image = scene.image
    tinted = image.clamp_min(1e-4) ** ops.colour((1.40, 1.0, 0.75), image)
    return (tinted * ops.colour((0.78, 0.97, 1.05), image)).clamp(0, 1)


EDITS: tuple[Edit, ...] = (
    Edit("night", "light", night),
    Edit("moonlight", "light", moonlight),
    Edit("aurora", "light", aurora),
    Edit("sunset", "light", sunset),
    Edit("sunrise", "light", sunrise),
    Edit("dusk", "light", dusk),
    Edit("golden_hour", "light", golden_hour),
    Edit("candle_light", "light", candle_light),
    Edit("neon", "light", neon),
    Edit("brighter", "light", brighter),
    Edit("darker", "light", darker),
    Edit("warmer", "light", warmer),
    Edit("cooler", "light", cooler),
)
