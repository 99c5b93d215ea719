"""Edits of season, weather, light and place.

Seasons move vegetation, ground and sky each to their colours and keep persons recognisable. Weather changes air, sky
and the wetness of the ground, without drops or flakes: nothing is placed that the picture does not ask for. Light is
the time of day, exposure and white balance; places bring their air, ground colour and light to the picture's own forms.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from movie_cli.train.bank import ops
from movie_cli.train.bank.edit import Edit
from movie_cli.train.bank.scene import Scene, lifted, upright_blur


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


def fog(image: Tensor) -> Tensor:
    """Pale haze that thickens with height and on smooth surfaces, so that it reads as distance."""
    scene = Scene(image)
    far = ops.blur(0.06 + 1.0 * scene.height + 0.22 * scene.smooth + 0.6 * scene.sky, 4.0)
    clear = (-1.25 * far).exp()
    air = ops.colour((0.80, 0.82, 0.84), image)
    return ops.mix(air, ops.saturate(image, 0.55), clear).clamp(0, 1)


def rain(image: Tensor) -> Tensor:
    """Grey, dark and wet: reflections run down the ground, streaks follow the picture's own detail."""
    scene = Scene(image)
    grey = ops.saturate(image, 0.45) * ops.colour((0.60, 0.67, 0.74), image)
    sky = scene.sky_of((0.40, 0.45, 0.50), (0.60, 0.64, 0.68), 0.6)
    out = ops.mix(grey, sky, 0.9 * scene.sky)
    mirror = upright_blur(out, 24)
    out = ops.mix(out, mirror * 1.12, 0.6 * scene.ground)
    detail = scene.luma - ops.blur(scene.luma, 2.5)
    strong = detail.abs() * detail**2 / (detail**2 + 0.04**2)
    streaks = upright_blur(strong, 18, slant=-0.2, stride=1)
    fine = streaks - ops.blur(streaks, 3.0)
    veil = ops.colour((0.55, 0.60, 0.65), image)
    out = ops.mix(out, veil, 0.16)
    return (out + 3.2 * fine).clamp(0, 1)


def storm(image: Tensor) -> Tensor:
    """A dark dramatic sky, steel blue light, hard local contrast, what is bright lit as if by a flash."""
    scene = Scene(image)
    crisp = scene.luma + 0.7 * (scene.luma - scene.wide_luma)
    steel = ops.gradient_map(
        crisp,
        [(0.0, (0.01, 0.04, 0.09)), (0.5, (0.16, 0.29, 0.41)), (0.85, (0.47, 0.64, 0.78)), (1.0, (0.82, 0.94, 1.0))],
    )
    keep = image * ops.colour((0.52, 0.60, 0.68), image)
    out = ops.mix(steel, keep, 0.3)
    flash = ops.smoothstep(0.04, 0.30, scene.soft_luma - scene.wide_luma) * ops.smoothstep(0.3, 0.7, scene.soft_luma)
    out = ops.screen(out.clamp(0, 1), 0.35 * flash * (1 - scene.near_sky) * ops.colour((0.80, 0.92, 1.0), image))
    sky = scene.sky_of((0.11, 0.19, 0.28), (0.38, 0.52, 0.64), 1.4)
    out = ops.mix(out, sky, scene.sky)
    return (out * (1 - 0.22 * scene.height)).clamp(0, 1)


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


def desert(image: Tensor) -> Tensor:
    """Sand for ground and vegetation, hard bleached light, a hot hazy sky."""
    scene = Scene(image)
    sand = ops.gradient_map(
        scene.luma,
        [(0.0, (0.26, 0.16, 0.08)), (0.3, (0.69, 0.49, 0.26)), (0.6, (0.94, 0.77, 0.48)), (1.0, (1.0, 0.96, 0.80))],
    )
    dry = ops.saturate(image, 0.6) * ops.colour((0.98, 0.84, 0.64), image) + ops.colour((0.12, 0.08, 0.03), image)
    amount = (0.55 + 0.45 * (scene.vegetation + scene.ground)).clamp(0, 1) * (1 - 0.4 * scene.skin)
    out = ops.mix(dry, sand, amount)
    sky = scene.sky_of((0.50, 0.74, 0.90), (0.96, 0.90, 0.74), 0.3)
    return ops.mix(out, sky, 0.95 * scene.sky).clamp(0, 1)


def underwater(image: Tensor) -> Tensor:
    """Red absorbed, blue-green haze, light from above, caustics along the picture's own brightness."""
    scene = Scene(image)
    sunk = image * ops.colour((0.22, 0.72, 0.80), image) + ops.mix(ops.saturate(image, 0.0), image, 0.3) * ops.colour(
        (0.06, 0.10, 0.12), image
    )
    water = ops.mix(ops.colour((0.0, 0.17, 0.33), image), ops.colour((0.10, 0.62, 0.70), image), scene.height)
    out = ops.mix(sunk, water, 0.42 + 0.35 * scene.sky)
    phase = ops.blur(scene.luma, 2.5)
    web = (0.5 + 0.5 * (2 * math.pi * 2.5 * phase).cos()) ** 4
    out = out + 0.13 * web * (0.25 + 0.75 * scene.height) * (1 - 0.6 * scene.skin) * (1 - scene.near_sky) * ops.colour(
        (0.5, 1.0, 0.9), image
    )
    light = ops.smoothstep(0.35, 0.95, scene.wide_luma)
    rays = upright_blur(light * scene.height, 40, slant=-0.3)
    return (out + 0.34 * scene.height * rays * ops.colour((0.35, 1.0, 0.95), image)).clamp(0, 1)


def mars(image: Tensor) -> Tensor:
    """Rust-red ground and rock under a butterscotch sky."""
    scene = Scene(image)
    rust = ops.gradient_map(
        scene.luma,
        [(0.0, (0.17, 0.04, 0.02)), (0.35, (0.58, 0.19, 0.09)), (0.7, (0.87, 0.42, 0.22)), (1.0, (0.99, 0.74, 0.52))],
    )
    dusty = ops.saturate(image, 0.5) * ops.colour((0.95, 0.62, 0.45), image)
    out = ops.mix(dusty, rust, 0.88 - 0.25 * scene.skin)
    out = ops.mix(out, ops.colour((0.85, 0.54, 0.34), image), 0.20 * ops.smoothstep(0.2, 0.9, scene.height))
    sky = scene.sky_of((0.78, 0.58, 0.36), (0.95, 0.81, 0.56), 0.25)
    return ops.mix(out, sky, 0.95 * scene.sky).clamp(0, 1)


EDITS: tuple[Edit, ...] = (
    Edit("winter", "season", winter),
    Edit("snow", "season", snow),
    Edit("autumn", "season", autumn),
    Edit("spring", "season", spring),
    Edit("fog", "season", fog),
    Edit("rain", "season", rain),
    Edit("storm", "season", storm),
    Edit("night", "light", night),
    Edit("sunset", "light", sunset),
    Edit("sunrise", "light", sunrise),
    Edit("golden_hour", "light", golden_hour),
    Edit("brighter", "light", brighter),
    Edit("darker", "light", darker),
    Edit("warmer", "light", warmer),
    Edit("cooler", "light", cooler),
    Edit("desert", "place", desert),
    Edit("underwater", "place", underwater),
    Edit("mars", "place", mars),
)
