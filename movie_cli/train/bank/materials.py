"""Things in other colours (paint, hair, skin) or of something else: metals, marble, wood, stone, clay, ice, paper.

Colours are paints whose light and shade stay those of the thing. What a surface faces is guessed from the slope of its
brightness, as in a relief; metals mirror an imagined room by it, marble, wood and paper get veins, grain and folds
where it runs. Each is for a thing or a person before a background that stays, and is written for the whole picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from movie_cli.train.bank import film, ops, strokes
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
    """All as golden as hair can be, what is dark too, with its strands; where hair is, the place says."""
    return painted(scene.image, BLONDE, 1.4)


def pale(scene: Scene) -> Tensor:
    """All as bloodless as a vampire: cold, nearly white, lips and shadows still to be seen; the place says where."""
    return (painted(scene.image, PALE) + 0.22 * (scene.image - scene.luma)).clamp(0, 1)


COLOURS: tuple[Edit, ...] = (
    *(Edit(name, "colour", _painting(name)) for name in PAINTS),
    Edit("blonde", "colour", blonde),
    Edit("pale", "colour", pale),
)


Stops = Sequence[tuple[float, Sequence[float]]]

BRONZE: Stops = (
    (0.0, (0.05, 0.04, 0.03)), (0.3, (0.21, 0.14, 0.07)), (0.6, (0.52, 0.36, 0.17)), (0.85, (0.86, 0.68, 0.38)),
    (1.0, (1.0, 0.90, 0.66)),
)  # fmt: skip
GOLD: Stops = (
    (0.0, (0.20, 0.08, 0.0)), (0.25, (0.50, 0.26, 0.02)), (0.5, (0.86, 0.58, 0.08)), (0.75, (1.0, 0.81, 0.24)),
    (1.0, (1.0, 0.97, 0.74)),
)  # fmt: skip
SILVER: Stops = (
    (0.0, (0.12, 0.12, 0.135)), (0.3, (0.36, 0.365, 0.385)), (0.6, (0.66, 0.67, 0.69)), (0.85, (0.87, 0.88, 0.90)),
    (1.0, (1.0, 1.0, 1.0)),
)  # fmt: skip
CHROME: Stops = (
    (0.0, (0.01, 0.01, 0.015)), (0.22, (0.10, 0.11, 0.13)), (0.40, (0.36, 0.38, 0.41)), (0.56, (0.80, 0.86, 0.92)),
    (0.78, (0.54, 0.67, 0.82)), (1.0, (0.98, 1.0, 1.0)),
)  # fmt: skip
"""A mirrored room, from its dark floor over a bright horizon to a blue ceiling and its lamp."""
MARBLE: Stops = (
    (0.0, (0.34, 0.34, 0.36)), (0.4, (0.66, 0.65, 0.65)), (0.7, (0.87, 0.86, 0.84)), (1.0, (1.0, 0.99, 0.97)),
)  # fmt: skip
WOOD: Stops = (
    (0.0, (0.14, 0.06, 0.02)), (0.35, (0.40, 0.21, 0.09)), (0.65, (0.68, 0.43, 0.21)), (1.0, (0.92, 0.71, 0.45)),
)  # fmt: skip
STONE: Stops = (
    (0.0, (0.15, 0.145, 0.14)), (0.4, (0.40, 0.39, 0.365)), (0.7, (0.60, 0.585, 0.55)), (1.0, (0.82, 0.80, 0.76)),
)  # fmt: skip
CLAY: Stops = (
    (0.0, (0.26, 0.09, 0.05)), (0.4, (0.56, 0.26, 0.16)), (0.7, (0.78, 0.44, 0.30)), (1.0, (0.94, 0.68, 0.53)),
)  # fmt: skip
ICE: Stops = (
    (0.0, (0.02, 0.16, 0.30)), (0.3, (0.14, 0.42, 0.62)), (0.6, (0.46, 0.76, 0.90)), (0.85, (0.80, 0.95, 1.0)),
    (1.0, (1.0, 1.0, 1.0)),
)  # fmt: skip


def carved(luma: Tensor, low: float, high: float, gain: float) -> Tensor:
    """The tones of a thing of one colour: large ones between `low` and `high`, small ones times `gain`."""
    base = film.base_layer(luma, 10, 0.01)
    return low + (high - low) * base.clamp(0, 1) ** 0.8 + gain * (luma - base)


def facing(luma: Tensor, sigma: float, strength: float) -> tuple[Tensor, Tensor]:
    """How far a relief of brightness `(N, 1, H, W)` turns to the right and to below, each in (-1, 1), flat 0."""
    smooth = ops.blur(luma, sigma)
    dx, dy = ops.gradient(smooth)
    # By the contrast around, so that a dim scene has as round forms as a bright one.
    scale = strength / (ops.local_contrast(luma, 4 * sigma) + 0.08)
    return torch.tanh(-scale * dx), torch.tanh(-scale * dy)


def metal(scene: Scene, stops: Stops, low: float, high: float, mirror: float, gain: float = 1.5) -> Tensor:
    """Metal of a colour: its tones, and `mirror` of a room whose light falls in from the upper left."""
    right, below = facing(scene.luma, 2.0, 2.2)
    room = 0.55 * (-below) + 0.35 * (-right)
    tone = carved(scene.luma, low, high, gain) + mirror * room
    shine = ops.smoothstep(0.25, 0.62, room + 0.9 * (scene.luma - scene.wide_luma))
    return ops.gradient_map(tone + 0.35 * shine, stops)


def bronze(scene: Scene) -> Tensor:
    """A statue's bronze: dark brown, worn bright on what stands out, a breath of green patina in the hollows."""
    cast = metal(scene, BRONZE, 0.24, 0.64, 0.42, 1.8)
    hollow = ops.smoothstep(0.02, 0.10, scene.wide_luma - scene.soft_luma)
    return ops.mix(cast, ops.colour((0.26, 0.46, 0.39), cast) * (0.45 + scene.luma), 0.42 * hollow).clamp(0, 1)


def gold(scene: Scene) -> Tensor:
    """Polished gold: deep amber shadows, yellow metal, nearly white glints."""
    return metal(scene, GOLD, 0.24, 0.66, 0.55, 1.9)


def silver(scene: Scene) -> Tensor:
    """Silver: soft neutral greys, pale, with white glints."""
    return metal(scene, SILVER, 0.22, 0.74, 0.65, 2.2)


def chrome(scene: Scene) -> Tensor:
    """Chrome: a hard mirror of floor, horizon and blue ceiling, bent round the forms."""
    right, below = facing(scene.luma, 2.2, 2.8)
    base = film.base_layer(scene.luma, 10, 0.01)
    room = 0.5 + 0.30 * (base - 0.45) - 0.50 * below - 0.18 * right + 0.9 * (scene.luma - base)
    return ops.gradient_map(room, CHROME)


def marble(scene: Scene) -> Tensor:
    """White marble: smooth, light seems to come from within, thin grey veins along the forms."""
    smooth = strokes.patches(scene.luma, 1)
    tone = carved(smooth, 0.27, 0.92, 2.2)
    tone = tone + 0.12 * (ops.blur(tone, 5.0) - tone)
    right, below = facing(scene.luma, 2.0, 2.0)
    vein = ops.smoothstep(0.55, 1.0, strokes.contours(ops.blur(scene.luma, 3.0), 28.0))
    tone = tone - 0.18 * below - 0.12 * right - 0.09 * vein
    return ops.gradient_map(tone, MARBLE)


def wood(scene: Scene) -> Tensor:
    """Carved wood: brown, its grain in lines that run round the forms as year rings do."""
    smooth = strokes.patches(scene.luma, 2)
    right, below = facing(smooth, 2.0, 1.8)
    rings = strokes.contours(smooth, 5.0)
    tone = carved(smooth, 0.26, 0.78, 1.4) - 0.10 * below - 0.06 * right + 0.11 * rings
    return ops.gradient_map(tone, WOOD)


def stone(scene: Scene) -> Tensor:
    """Rough grey stone: matt and hewn, every small form weathered deep."""
    luma = scene.luma
    fine = luma - ops.blur(luma, 1.5)
    right, below = facing(luma, 1.2, 1.6)
    tone = carved(luma, 0.26, 0.68, 1.3) + 0.8 * fine - 0.16 * below - 0.10 * right
    return ops.gradient_map(tone, STONE)


def clay(scene: Scene) -> Tensor:
    """Terracotta: smooth, matt reddish clay, modelled with thumbs, no small detail."""
    smooth = strokes.patches(strokes.patches(scene.luma, 2), 3)
    right, below = facing(smooth, 2.0, 1.8)
    tone = carved(smooth, 0.28, 0.76, 1.7) - 0.20 * below - 0.10 * right
    return ops.gradient_map(tone, CLAY)


def ice(scene: Scene) -> Tensor:
    """Clear ice: glassy blue within, white along its edges, with sharp glints."""
    luma = scene.luma
    right, below = facing(luma, 1.8, 2.6)
    # Light bends most where a surface turns away: a rim of white beside deep blue.
    turned = torch.sqrt(right * right + below * below + 1e-4)
    tone = carved(luma, 0.36, 0.72, 1.2) - 0.26 * below - 0.16 * right
    rim = ops.smoothstep(0.35, 0.95, turned)
    shine = ops.smoothstep(0.04, 0.20, luma - scene.wide_luma)
    return ops.gradient_map(tone + 0.22 * rim + 0.24 * shine - 0.06, ICE)


def paper(scene: Scene) -> Tensor:
    """Folded white paper: flat bright facets, soft grey shade, thin creases."""
    smooth = strokes.patches(strokes.patches(scene.luma, 2), 3)
    right, below = facing(smooth, 1.4, 2.4)
    facet = strokes.steps(0.5 - 0.35 * below - 0.25 * right, 3.0, 0.4)
    tone = 0.80 + 0.34 * (smooth - 0.5) + 1.05 * (facet - 0.5)
    crease = strokes.lines(smooth, strokes.field(scene.image), 0.9, 0.05, 0.25)
    sheet = ops.gradient_map(tone, ((0.0, (0.22, 0.22, 0.23)), (0.6, (0.72, 0.72, 0.73)), (1.0, (0.99, 0.985, 0.965))))
    return ops.mix(sheet, ops.colour((0.45, 0.46, 0.50), sheet), 0.6 * crease)


MATERIALS: tuple[Edit, ...] = (
    Edit("bronze", "material", bronze),
    Edit("gold", "material", gold),
    Edit("silver", "material", silver),
    Edit("chrome", "material", chrome),
    Edit("marble", "material", marble),
    Edit("wood", "material", wood, drawn=True),
    Edit("stone", "material", stone),
    Edit("clay", "material", clay),
    Edit("ice", "material", ice),
    Edit("paper", "material", paper, drawn=True),
)
