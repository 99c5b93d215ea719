"""Edits of weather: fog, rain and storm.

They change air, sky and the wetness of the ground, without drops or flakes: nothing is placed that the picture
does not ask for. Knows nothing of seasons.
"""

from __future__ import annotations

from torch import Tensor

from movie_cli.training.bank import ops
from movie_cli.training.bank.edit import Edit
from movie_cli.training.bank.scene import Scene, upright_blur


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


EDITS: tuple[Edit, ...] = (
    Edit("fog", "season", fog),
    Edit("rain", "season", rain),
    Edit("storm", "season", storm),
)
