"""Paint: twelve colours that anything can take, blonde hair, and a vampire's pale skin.

Each is written for the whole picture, and is right as well where only the car, the sky or someone's hair shows it.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from movie_cli.train.bank import film, ops
from movie_cli.train.bank.edit import Edit, Look
from movie_cli.train.bank.scene import Scene

RGB = tuple[float, float, float]


class Paint(NamedTuple):
    """A colour of paint: in shadow, in plain light and in a highlight, and the tones of black and of white things.

    A tone is a place between shadow (0.2), plain light (0.6) and highlight (1.0): neither a black nor a white thing is
    left without colour.
    """

    shadow: RGB
    plain: RGB
    light: RGB
    low: float = 0.22
    high: float = 0.74


PAINTS = {
    "red": Paint((0.33, 0.01, 0.03), (0.84, 0.06, 0.08), (1.0, 0.62, 0.56)),
    "orange": Paint((0.44, 0.14, 0.0), (0.98, 0.48, 0.04), (1.0, 0.84, 0.62)),
    "yellow": Paint((0.52, 0.34, 0.0), (0.97, 0.80, 0.06), (1.0, 0.97, 0.66), 0.26, 0.76),
    "green": Paint((0.02, 0.28, 0.08), (0.10, 0.60, 0.16), (0.66, 0.95, 0.62)),
    "turquoise": Paint((0.0, 0.26, 0.29), (0.06, 0.72, 0.70), (0.70, 0.98, 0.94)),
    "blue": Paint((0.02, 0.06, 0.34), (0.08, 0.27, 0.86), (0.62, 0.78, 1.0)),
    "purple": Paint((0.18, 0.02, 0.32), (0.50, 0.15, 0.74), (0.86, 0.68, 1.0)),
    "pink": Paint((0.52, 0.08, 0.30), (0.98, 0.42, 0.68), (1.0, 0.84, 0.92), 0.32, 0.76),
    "brown": Paint((0.17, 0.08, 0.03), (0.49, 0.28, 0.14), (0.92, 0.74, 0.55), 0.24, 0.80),
    "black": Paint((0.025, 0.025, 0.03), (0.17, 0.17, 0.18), (0.80, 0.80, 0.84), 0.12, 0.56),
    "white": Paint((0.42, 0.43, 0.46), (0.86, 0.86, 0.87), (1.0, 1.0, 1.0), 0.36, 0.86),
    "grey": Paint((0.17, 0.17, 0.175), (0.50, 0.50, 0.51), (0.90, 0.90, 0.91), 0.46, 0.74),
}
"""Paints by name. Shadows of warm paints lean to red, as theirs do, so that yellow in shadow is not olive."""
BLONDE = Paint((0.38, 0.26, 0.12), (0.88, 0.71, 0.43), (1.0, 0.94, 0.78), 0.42, 0.84)
PALE = Paint((0.34, 0.36, 0.42), (0.80, 0.82, 0.85), (0.97, 0.98, 1.0), 0.38, 0.86)


def painted(image: Tensor, paint: Paint, gain: float = 1.25) -> Tensor:
    """Everything in one paint; light and shade are kept, fine ones about times `gain`, large ones within its tones."""
    luma = ops.luma(image)
    base = film.base_layer(luma, 10, 0.01)
    # What is dark all over, such as hair, shows its strands in a colour that is not dark only if they are raised.
    detail = gain * (1 + 0.6 * ops.smoothstep(0.32, 0.08, base))
    tone = paint.low + (paint.high - paint.low) * base.clamp(0, 1) ** 0.8 + detail * (luma - base)
    return ops.gradient_map(
        tone,
        (
            (0.0, tuple(0.2 * value for value in paint.shadow)),
            (0.2, paint.shadow),
            (0.6, paint.plain),
            (1.0, paint.light),
        ),
    )


def unpainted(scene: Scene) -> Tensor:
    """Where a vehicle is glass or rubber, `(N, 1, H, W)`: much darker than the rest of it, or pale blue."""
    vehicle = scene.mask("vehicle")
    around = ops.blur(vehicle, 24.0) + 1e-3
    usual = ops.blur(vehicle * scene.luma, 24.0) / around
    tint = ops.saturation(scene.soft)
    dark = ops.smoothstep(0.62, 0.36, scene.soft_luma / (usual + 0.03)) * ops.smoothstep(0.60, 0.35, tint)
    pale = ops.smoothstep(0.10, 0.20, tint) * ops.smoothstep(0.55, 0.40, tint)
    glass = ops.hue_weight(scene.soft, 208.0, 34.0) * pale
    return vehicle * ops.mix(dark, dark.new_ones(()), 0.7 * glass)


def _painting(name: str) -> Look:
    paint = PAINTS[name]

    def look(scene: Scene) -> Tensor:
        return ops.mix(painted(scene.image, paint), scene.image, 0.9 * unpainted(scene))

    look.__doc__ = f"All in {name} paint, with its light and shade; tyres and car windows stay."
    return look


def blonde(scene: Scene) -> Tensor:
    """Golden hair, dark hair too, with its strands; nothing but hair changes."""
    return ops.mix(scene.image, painted(scene.image, BLONDE, 1.4), scene.hair)


def pale(scene: Scene) -> Tensor:
    """Skin as bloodless as a vampire's: cold, nearly white, lips and shadows still to be seen."""
    image = scene.image
    bloodless = painted(image, PALE) + 0.22 * (image - scene.luma)
    return ops.mix(image, bloodless.clamp(0, 1), scene.skin)


EDITS: tuple[Edit, ...] = (
    *(Edit(name, "colour", _painting(name)) for name in PAINTS),
    Edit("blonde", "colour", blonde),
    Edit("pale", "colour", pale),
)
