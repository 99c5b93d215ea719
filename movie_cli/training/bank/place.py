"""Edits of place: the desert, under water, Mars.

They bring the place's air, ground colour and light to the picture's own forms. Knows nothing of seasons or the
time of day.
"""

from __future__ import annotations

import math

from torch import Tensor

from movie_cli.training.bank import ops
from movie_cli.training.bank.edit import Edit
from movie_cli.training.bank.scene import Scene, upright_blur


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
    Edit("desert", "place", desert),
    Edit("underwater", "place", underwater),
    Edit("mars", "place", mars),
)
