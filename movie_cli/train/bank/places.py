"""Looks of another place: desert, beach, jungle, under water, Mars, Moon, lava.

A place brings its ground, its plants, its air and its light to the picture's own forms; persons, animals and vehicles
stay what they are and stand in that light.
"""

from __future__ import annotations

import math

from torch import Tensor

from movie_cli.train.bank import ops
from movie_cli.train.bank.edit import Edit
from movie_cli.train.bank.scene import Scene, upright_blur

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


EDITS: tuple[Edit, ...] = (
    Edit("desert", "place", desert),
    Edit("beach", "place", beach),
    Edit("jungle", "place", jungle),
    Edit("underwater", "place", underwater),
    Edit("mars", "place", mars),
    Edit("moon", "place", moon),
    Edit("lava", "place", lava),
)
