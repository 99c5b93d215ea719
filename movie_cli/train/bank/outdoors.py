"""Looks of season and weather, and of another place: desert, beach, jungle, under water, Mars, Moon, lava.

Seasons move plants, ground and sky each to their colours; weather changes air, sky and the wetness of the ground,
without drops or flakes: nothing is placed that the picture does not ask for. A place brings its ground, its plants, its
air and its light to the picture's own forms. Persons, animals and vehicles stay what they are, and stand in that light.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from movie_cli.train.bank import ops
from movie_cli.train.bank.edit import Edit
from movie_cli.train.bank.scene import Scene, lifted, upright_blur

SNOW = ((0.0, (0.46, 0.51, 0.60)), (0.2, (0.70, 0.75, 0.82)), (0.45, (0.90, 0.93, 0.97)), (1.0, (1.0, 1.0, 1.0)))
GOLD = ((0.0, (0.12, 0.05, 0.02)), (0.3, (0.66, 0.36, 0.07)), (0.6, (0.97, 0.70, 0.18)), (1.0, (1.0, 0.93, 0.62)))
RED = ((0.0, (0.10, 0.03, 0.02)), (0.3, (0.62, 0.17, 0.06)), (0.6, (0.93, 0.42, 0.10)), (1.0, (1.0, 0.82, 0.52)))
FRESH = ((0.0, (0.07, 0.17, 0.03)), (0.3, (0.38, 0.66, 0.15)), (0.6, (0.68, 0.90, 0.36)), (1.0, (0.94, 1.0, 0.78)))
LUSH = ((0.0, (0.03, 0.09, 0.02)), (0.3, (0.14, 0.40, 0.06)), (0.6, (0.42, 0.70, 0.14)), (1.0, (0.88, 0.96, 0.60)))
BLOSSOM = ((0.0, (0.55, 0.24, 0.38)), (0.4, (0.98, 0.64, 0.78)), (1.0, (1.0, 0.93, 0.96)))


def winter(scene: Scene) -> Tensor:
    """Cold pale light, snow on ground, grass and roofs, frost on trees, a pale sky; who is there only stands in it."""
    image = scene.image
    cold = ops.saturate(image, 0.45 + 0.35 * scene.subject) * ops.colour((0.84, 0.94, 1.05), image)
    cold = cold + ops.colour((0.02, 0.05, 0.10), image) * (1 - 0.7 * scene.subject)
    relief = scene.luma.clamp_min(1e-3) ** 0.6 + 0.5 * (scene.luma - scene.wide_luma)
    lit = ops.smoothstep(-0.12, 0.10, scene.soft_luma - scene.wide_luma)
    trees = scene.mask("tree") * (0.35 + 0.55 * lit)
    cover = torch.maximum(torch.maximum(0.92 * scene.ground * scene.outdoors, 0.92 * scene.mask("grass")), trees)
    cover = torch.maximum(cover, 0.75 * scene.building * scene.tops)
    out = ops.mix(cold, ops.gradient_map(relief.clamp(0, 1), SNOW), cover * (1 - scene.subject))
    sky = scene.sky_of((0.66, 0.76, 0.88), (0.88, 0.92, 0.97), 0.45)
    return ops.mix(out, sky, 0.92 * scene.sky)


def snow(scene: Scene) -> Tensor:
    """Deep fresh snow: ground, trees and roofs thick and white, soft grey light, a white hazy sky."""
    image = scene.image
    pale = ops.saturate(image, 0.55 + 0.3 * scene.subject)
    pale = ops.mix(pale * 0.80 + 0.17, pale * 0.95 + 0.04, scene.subject)
    relief = scene.luma.clamp_min(1e-3) ** 0.45 + 0.35 * (scene.luma - scene.wide_luma)
    lit = ops.smoothstep(-0.14, 0.08, scene.soft_luma - scene.wide_luma)
    cover = torch.maximum(scene.mask("tree") * (0.55 + 0.45 * lit), scene.ground * (0.25 + 0.75 * scene.outdoors))
    cover = torch.maximum(cover, scene.building * scene.tops)
    cover = torch.maximum(cover, 0.5 * scene.mask("wall_and_furniture") * scene.tops * scene.outdoors)
    out = ops.mix(pale, ops.gradient_map(relief.clamp(0, 1), SNOW), cover * (1 - scene.subject))
    out = ops.mix(out, scene.sky_of((0.90, 0.92, 0.94), (0.97, 0.98, 0.99), 0.2), 0.95 * scene.sky)
    far = 0.20 * ops.smoothstep(0.3, 0.9, scene.height) * scene.outdoors * (1 - 0.6 * scene.subject)
    return ops.mix(out, ops.colour((0.95, 0.96, 0.98), image), far)


def autumn(scene: Scene) -> Tensor:
    """Orange, red and gold leaves on trees, fallen ones on the grass, a warm low light."""
    image = scene.image
    yellow = ops.hue_weight(scene.soft, 62.0, 50.0)
    amount = ops.smoothstep(0.15, 0.75, 0.5 * yellow + scene.wide_luma - 0.05)
    gold, red = ops.gradient_map(scene.luma, GOLD), ops.gradient_map(scene.luma, RED)
    warm = image.clamp_min(1e-4) ** ops.colour((0.90, 1.05, 1.15), image) * ops.colour((1.0, 0.88, 0.72), image)
    leaves = ops.mix(red, gold, amount)
    out = ops.mix(warm, ops.mix(red, gold, 0.65), 0.30 * scene.ground * scene.outdoors)
    out = ops.mix(out, leaves, 0.92 * scene.mask("tree"))
    out = ops.mix(out, ops.mix(leaves, gold, 0.5), 0.75 * scene.mask("grass"))
    sky = scene.sky_of((0.60, 0.68, 0.74), (0.97, 0.86, 0.68), 0.7)
    return ops.mix(out, sky, 0.75 * scene.sky)


def spring(scene: Scene) -> Tensor:
    """Fresh light green grass, trees in pink blossom, clean bright air."""
    image = scene.image
    bright = ops.saturate(lifted(image, 0.6, 0.95), 1.12) * ops.colour((0.98, 1.02, 0.97), image)
    out = ops.mix(bright, ops.gradient_map(scene.luma, FRESH), 0.85 * scene.vegetation)
    bloom = ops.smoothstep(-0.06, 0.05, scene.soft_luma - scene.wide_luma)
    out = ops.mix(out, ops.gradient_map(scene.luma, BLOSSOM), 0.9 * bloom * scene.mask("tree"))
    sky = scene.sky_of((0.38, 0.72, 1.0), (0.86, 0.95, 1.0), 0.7)
    return ops.mix(out, sky, 0.9 * scene.sky)


def summer(scene: Scene) -> Tensor:
    """Deep green, strong warm sun, a deep blue sky."""
    image = scene.image
    warm = ops.saturate(lifted(image, 0.35, 1.0), 1.3) * ops.colour((1.05, 1.0, 0.88), image)
    crisp = warm + 0.25 * (scene.luma - scene.wide_luma)
    out = ops.mix(crisp, ops.gradient_map(scene.luma, LUSH), 0.85 * scene.vegetation)
    out = ops.mix(out, out * ops.colour((0.85, 0.98, 1.08), image), 0.8 * scene.water)
    sky = scene.sky_of((0.10, 0.42, 0.86), (0.62, 0.83, 0.98), 0.9)
    return ops.mix(out, sky, 0.92 * scene.sky)


def sunny(scene: Scene) -> Tensor:
    """Bright sun: what is light glows warm, shadows are crisp, a clear light blue sky."""
    image = scene.image
    lit = ops.smoothstep(-0.10, 0.14, scene.soft_luma - scene.wide_luma)
    tone = lifted(image, 0.5, 1.0)
    sun = tone * ops.colour((1.16, 1.08, 0.86), image) + ops.colour((0.05, 0.03, 0.0), image)
    shade = tone * ops.colour((0.70, 0.76, 0.86), image)
    out = ops.saturate(ops.mix(shade, sun, lit), 1.15)
    sky = scene.sky_of((0.22, 0.56, 0.95), (0.80, 0.92, 1.0), 0.6)
    return ops.mix(out, sky, 0.92 * scene.sky)


def clear_sky(scene: Scene) -> Tensor:
    """A clear blue sky without a cloud; the rest only a little brighter."""
    image = scene.image
    out = lifted(image, 0.15, 1.0) * ops.colour((1.0, 1.0, 1.02), image)
    return ops.mix(out, scene.sky_of((0.12, 0.43, 0.88), (0.62, 0.83, 0.98), 0.0), 0.97 * scene.sky)


def overcast(scene: Scene) -> Tensor:
    """Flat grey light without shadows under a plain white-grey sky."""
    image = scene.image
    base = ops.mix(image, image - 0.55 * (scene.wide_luma - 0.45), 0.8)
    dull = ops.saturate(base, 0.62) * ops.colour((0.84, 0.87, 0.90), image) + 0.03
    return ops.mix(dull, scene.sky_of((0.70, 0.73, 0.76), (0.84, 0.86, 0.88), 0.25), 0.95 * scene.sky)


def cloudy(scene: Scene) -> Tensor:
    """Heaped white and grey clouds where the sky has any structure, soft cool light."""
    image = scene.image
    dull = ops.saturate(image, 0.8) * ops.colour((0.88, 0.92, 0.97), image)
    heap = ops.smoothstep(-0.03, 0.05, scene.soft_luma - ops.blur(scene.luma, 16.0))
    clouds = ops.mix(ops.colour((0.46, 0.52, 0.60), image), ops.colour((0.95, 0.96, 0.98), image), heap)
    clouds = clouds + 0.8 * (scene.luma - scene.wide_luma) - 0.10 * ops.smoothstep(0.5, 1.0, scene.height)
    return ops.mix(dull, clouds, 0.92 * scene.sky)


def fog(scene: Scene) -> Tensor:
    """Pale haze that thickens with distance: little on what is near and low, thick on the sky and before it."""
    image = scene.image
    near = ops.blur(0.10 + 1.0 * scene.height + 0.8 * scene.sky, 6.0)
    far = near * (1 - 0.45 * scene.subject) + 0.25 * scene.building + 0.2 * scene.mask("mountain_and_earth")
    air = ops.colour((0.80, 0.82, 0.84), image)
    return ops.mix(air, ops.saturate(image, 0.55), (-1.3 * far).exp())


def rain(scene: Scene) -> Tensor:
    """Grey, dark and wet: roads shine and mirror what stands on them, streaks follow the picture's own detail."""
    image = scene.image
    grey = ops.saturate(image, 0.45) * ops.colour((0.60, 0.67, 0.74), image)
    out = ops.mix(grey, scene.sky_of((0.40, 0.45, 0.50), (0.60, 0.64, 0.68), 0.6), 0.9 * scene.sky)
    mirror = upright_blur(out, 24)
    wet = scene.mask("road_and_floor") + 0.35 * scene.mask("mountain_and_earth") + 0.5 * scene.water
    out = ops.mix(out, mirror * 1.2, 0.75 * wet)
    detail = scene.luma - ops.blur(scene.luma, 2.5)
    strong = detail.abs() * detail**2 / (detail**2 + 0.04**2)
    streaks = upright_blur(strong, 18, slant=-0.2, stride=1)
    out = ops.mix(out, ops.colour((0.55, 0.60, 0.65), image), 0.16)
    return out + 3.2 * (streaks - ops.blur(streaks, 3.0))


def storm(scene: Scene) -> Tensor:
    """A dark dramatic sky, steel blue light, hard local contrast, what is bright lit as if by a flash."""
    image = scene.image
    crisp = scene.luma + 0.7 * (scene.luma - scene.wide_luma)
    steel = ops.gradient_map(
        crisp,
        [(0.0, (0.01, 0.04, 0.09)), (0.5, (0.16, 0.29, 0.41)), (0.85, (0.47, 0.64, 0.78)), (1.0, (0.82, 0.94, 1.0))],
    )
    keep = image * ops.colour((0.52, 0.60, 0.68), image)
    out = ops.mix(steel, keep, 0.3)
    flash = ops.smoothstep(0.04, 0.30, scene.soft_luma - scene.wide_luma) * ops.smoothstep(0.3, 0.7, scene.soft_luma)
    out = ops.screen(out.clamp(0, 1), 0.35 * flash * (1 - scene.sky) * ops.colour((0.80, 0.92, 1.0), image))
    sky = scene.sky_of((0.11, 0.19, 0.28), (0.38, 0.52, 0.64), 1.4)
    out = ops.mix(out, sky, scene.sky)
    return out * (1 - 0.22 * scene.height)


SEASONS: tuple[Edit, ...] = (
    Edit("winter", "season", winter),
    Edit("snow", "season", snow),
    Edit("autumn", "season", autumn),
    Edit("spring", "season", spring),
    Edit("summer", "season", summer),
    Edit("sunny", "season", sunny),
    Edit("clear_sky", "season", clear_sky),
    Edit("overcast", "season", overcast),
    Edit("cloudy", "season", cloudy),
    Edit("fog", "season", fog),
    Edit("rain", "season", rain),
    Edit("storm", "season", storm),
)


SAND = ((0.0, (0.26, 0.16, 0.08)), (0.3, (0.69, 0.49, 0.26)), (0.6, (0.94, 0.77, 0.48)), (1.0, (1.0, 0.96, 0.80)))
SHORE = ((0.0, (0.38, 0.30, 0.20)), (0.3, (0.80, 0.69, 0.50)), (0.6, (0.97, 0.89, 0.71)), (1.0, (1.0, 0.98, 0.90)))
LEAVES = ((0.0, (0.01, 0.05, 0.02)), (0.3, (0.07, 0.27, 0.07)), (0.6, (0.26, 0.55, 0.14)), (1.0, (0.74, 0.92, 0.45)))
RUST = ((0.0, (0.17, 0.04, 0.02)), (0.35, (0.58, 0.19, 0.09)), (0.7, (0.87, 0.42, 0.22)), (1.0, (0.99, 0.74, 0.52)))
DUST = ((0.0, (0.01, 0.01, 0.015)), (0.3, (0.20, 0.20, 0.21)), (0.65, (0.58, 0.58, 0.58)), (1.0, (0.97, 0.97, 0.96)))
LAVA = (
    (0.0, (1.0, 0.86, 0.30)), (0.18, (1.0, 0.50, 0.06)), (0.34, (0.78, 0.14, 0.02)), (0.5, (0.24, 0.04, 0.02)),
    (0.75, (0.12, 0.08, 0.08)), (1.0, (0.36, 0.28, 0.26)),
)  # fmt: skip


def _land(scene: Scene) -> Tensor:
    """What becomes another ground: ground, plants, half of the buildings, walls outdoors; not who stands on it."""
    built = 0.6 * scene.building + 0.6 * scene.mask("wall_and_furniture") + 0.5 * scene.mask("other")
    return (scene.ground + scene.vegetation + built).clamp(0, 1) * (1 - scene.subject)


def desert(scene: Scene) -> Tensor:
    """Sand for ground and plants, hard bleached light, a hot hazy sky."""
    image = scene.image
    dry = ops.saturate(image, 0.75) * ops.colour((1.02, 0.90, 0.72), image) + ops.colour((0.06, 0.04, 0.01), image)
    light = scene.luma.clamp_min(1e-3) ** 0.8
    out = ops.mix(dry, ops.gradient_map(light, SAND), 0.95 * _land(scene) + 0.8 * scene.water)
    return ops.mix(out, scene.sky_of((0.50, 0.74, 0.90), (0.96, 0.90, 0.74), 0.3), 0.95 * scene.sky)


def beach(scene: Scene) -> Tensor:
    """White sand under foot, turquoise water, palms' green, a bright summer sky."""
    image = scene.image
    bright = ops.saturate(image.clamp_min(1e-4) ** 0.85, 1.1) * ops.colour((1.05, 1.0, 0.92), image)
    sand = ops.gradient_map(scene.luma.clamp_min(1e-3) ** 0.7, SHORE)
    soil = (scene.ground + 0.7 * scene.mask("grass")).clamp(0, 1) * (1 - scene.subject)
    out = ops.mix(bright, sand, 0.92 * soil)
    out = ops.mix(out, ops.gradient_map(scene.luma, LEAVES) * 1.15, 0.7 * scene.mask("tree"))
    sea = ((0.0, (0.0, 0.22, 0.34)), (0.4, (0.05, 0.62, 0.70)), (0.75, (0.45, 0.90, 0.88)), (1.0, (0.96, 1.0, 1.0)))
    out = ops.mix(out, ops.gradient_map(scene.luma, sea), 0.9 * scene.water)
    return ops.mix(out, scene.sky_of((0.22, 0.58, 0.95), (0.82, 0.94, 1.0), 0.7), 0.95 * scene.sky)


def jungle(scene: Scene) -> Tensor:
    """Deep wet green over everything that stands or lies, green shade, light through leaves."""
    image = scene.image
    shade = ops.saturate(image, 0.85) * ops.colour((0.62, 0.88, 0.55), image)
    relief = scene.luma + 0.5 * (scene.luma - scene.wide_luma)
    out = ops.mix(shade, ops.gradient_map(relief.clamp(0, 1), LEAVES), 0.95 * _land(scene))
    rays = upright_blur(ops.smoothstep(0.5, 0.95, scene.wide_luma) * scene.height, 30, slant=-0.3)
    out = ops.screen(out.clamp(0, 1), 0.35 * rays * ops.colour((0.65, 0.95, 0.35), image))
    sky = scene.sky_of((0.42, 0.66, 0.38), (0.80, 0.92, 0.62), 0.9)
    return ops.mix(out, sky, 0.9 * scene.sky)


def underwater(scene: Scene) -> Tensor:
    """Red absorbed, blue-green haze that thickens with distance, light and caustics from above."""
    image = scene.image
    sunk = image * ops.colour((0.22, 0.72, 0.80), image) + ops.mix(ops.saturate(image, 0.0), image, 0.3) * ops.colour(
        (0.06, 0.10, 0.12), image
    )
    water = ops.mix(ops.colour((0.0, 0.17, 0.33), image), ops.colour((0.10, 0.62, 0.70), image), scene.height)
    far = 0.20 + 0.35 * ops.smoothstep(0.1, 0.8, scene.height) * (1 - 0.7 * scene.subject) + 0.40 * scene.sky
    out = ops.mix(sunk, water, far.clamp(0, 0.9))
    phase = ops.blur(scene.luma, 2.5)
    web = (0.5 + 0.5 * (2 * math.pi * 2.5 * phase).cos()) ** 4
    shine = (0.5 * (scene.ground + scene.vegetation + scene.building).clamp(0, 1) + 0.3) * (1 - scene.skin)
    out = out + 0.15 * web * shine * (1 - scene.sky) * ops.colour((0.5, 1.0, 0.9), image)
    rays = upright_blur(ops.smoothstep(0.35, 0.95, scene.wide_luma) * scene.height, 40, slant=-0.3)
    return out + 0.34 * scene.height * rays * ops.colour((0.35, 1.0, 0.95), image)


def mars(scene: Scene) -> Tensor:
    """Rust-red ground and rock under a butterscotch sky."""
    image = scene.image
    dusty = ops.saturate(image, 0.7) * ops.colour((0.98, 0.74, 0.60), image)
    out = ops.mix(dusty, ops.gradient_map(scene.luma, RUST), 0.95 * (_land(scene) + scene.water).clamp(0, 1))
    haze = 0.20 * ops.smoothstep(0.2, 0.9, scene.height) * (1 - 0.6 * scene.subject)
    out = ops.mix(out, ops.colour((0.85, 0.54, 0.34), image), haze)
    return ops.mix(out, scene.sky_of((0.78, 0.58, 0.36), (0.95, 0.81, 0.56), 0.25), 0.95 * scene.sky)


def moon(scene: Scene) -> Tensor:
    """Grey dust and hard white light under a black sky."""
    image = scene.image
    hard = ops.smoothstep(0.0, 1.0, scene.luma + 0.5 * (scene.luma - scene.wide_luma))
    dust = ops.gradient_map(hard, DUST)
    keep = ops.saturate(image, 0.35) * 0.95
    out = ops.mix(keep, dust, 0.95 * (_land(scene) + scene.water).clamp(0, 1))
    return ops.mix(out, ops.colour((0.005, 0.005, 0.01), image).expand_as(image), scene.sky)


def lava(scene: Scene) -> Tensor:
    """Glowing cracks in black rock where ground and water are, red light on the rest, a dark smoky sky."""
    image = scene.image
    rock = scene.luma + 0.9 * (scene.luma - scene.wide_luma) + 0.08
    out = image * ops.colour((0.75, 0.36, 0.28), image)
    melt = 0.95 * (_land(scene) + scene.water).clamp(0, 1)
    out = ops.mix(out, ops.gradient_map(rock.clamp(0, 1), LAVA), melt)
    glow = ops.blur(melt * ops.smoothstep(0.34, 0.1, rock), 6.0)
    out = ops.screen(out.clamp(0, 1), 0.6 * glow * ops.colour((1.0, 0.35, 0.05), image))
    return ops.mix(out, scene.sky_of((0.10, 0.04, 0.04), (0.55, 0.16, 0.06), 0.8), scene.sky)


PLACES: tuple[Edit, ...] = (
    Edit("desert", "place", desert),
    Edit("beach", "place", beach),
    Edit("jungle", "place", jungle),
    Edit("underwater", "place", underwater),
    Edit("mars", "place", mars),
    Edit("moon", "place", moon),
    Edit("lava", "place", lava),
)
