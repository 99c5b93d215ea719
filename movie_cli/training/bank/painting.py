"""Painted edits: watercolour, oil, Van Gogh, Monet.

Promises brushwork along the picture's own structure and palettes measured on public-domain paintings. Knows nothing
of instructions or of strength.
"""

from __future__ import annotations

import torch
from torch import Tensor

from movie_cli.training.bank import ops, strokes
from movie_cli.training.bank.edit import Edit

STARRY_NIGHT = (
    (0.00, (0.05, 0.05, 0.11)), (0.12, (0.12, 0.14, 0.22)), (0.27, (0.17, 0.28, 0.45)), (0.38, (0.21, 0.38, 0.58)),
    (0.50, (0.27, 0.49, 0.66)), (0.62, (0.45, 0.64, 0.70)), (0.74, (0.75, 0.80, 0.58)), (0.88, (0.93, 0.86, 0.42)),
    (1.00, (0.98, 0.95, 0.70)),
)  # fmt: skip
"""Van Gogh, The Starry Night: mean colours of the eight brightness octiles, lights drawn to its yellow clusters."""
SUNFLOWERS = (
    (0.00, (0.08, 0.10, 0.24)),
    (0.35, (0.46, 0.34, 0.20)),
    (0.70, (0.93, 0.74, 0.20)),
    (1.00, (0.99, 0.93, 0.55)),
)
"""For warm things: the yellow clusters of The Starry Night's lights, darkened through ochre to its night blue."""
WATER_LILIES = (
    (0.00, (0.13, 0.18, 0.26)), (0.20, (0.24, 0.30, 0.40)), (0.40, (0.38, 0.44, 0.54)), (0.60, (0.60, 0.62, 0.70)),
    (0.80, (0.84, 0.79, 0.84)), (1.00, (0.98, 0.94, 0.93)),
)  # fmt: skip
"""Monet, Water Lilies: brightness octiles, spread to the full range; lights from its pink-white cluster."""
SHIPWRECK = (
    (0.00, (0.03, 0.04, 0.06)), (0.15, (0.12, 0.13, 0.12)), (0.30, (0.28, 0.31, 0.22)), (0.50, (0.52, 0.50, 0.33)),
    (0.70, (0.78, 0.69, 0.42)), (1.00, (0.99, 0.92, 0.70)),
)  # fmt: skip
"""Turner, The Shipwreck of the Minotaur: brightness octiles, spread to the full range."""


def _detail(light: Tensor, sigma: float) -> Tensor:
    """The plane's own detail, evened out over the picture: about [-1, 1], near 0 where there is none."""
    fine = light - ops.blur(light, sigma)
    spread = torch.sqrt(ops.blur(fine * fine, 3 * sigma) + 3e-4)
    return torch.tanh(0.8 * fine / spread)


def watercolour(image: Tensor) -> Tensor:
    """Transparent washes on white paper: pale flat colour, pigment gathered at the edges of the washes."""
    way = strokes.field(image)
    wash = strokes.along(strokes.patches(strokes.patches(image, 3), 2), way, (1, 2))
    own = ops.luma(image)
    wash = wash + 0.22 * (own - ops.blur(own, 3.0))
    light = ops.luma(wash)
    # Wet colour runs past the drawing; the drawing itself stays.
    tint = ops.mix(wash - light, ops.blur(wash - light, 6.0), 0.45)
    pale = light + 1.9 * tint + (ops.tone_curve(light, [(0, 0.27), (0.3, 0.58), (0.6, 0.9), (1, 1.0)]) - light)
    tone = strokes.steps(ops.luma(pale), 5.0, 0.42)
    pale = pale + 0.7 * (tone - ops.luma(pale))
    rim = ops.smoothstep(0.015, 0.12, ops.edges(tone, 0.8))
    pool = ops.blur(tone, 3.5) - tone
    density = 1 + 1.3 * rim + 3.2 * pool.clamp(-0.25, 0.3)
    density = density + 0.08 * strokes.grain(light) * ops.smoothstep(1.0, 0.8, tone)
    out = pale.clamp(0.02, 1) ** density
    line = strokes.lines(own, way, 0.8, 0.08, 0.25)
    out = out * (1 - 0.4 * line * ops.colour((0.85, 0.9, 0.8), image))
    paper = ops.smoothstep(0.5, 0.85, light)
    return ops.mix(out, ops.colour((0.99, 0.985, 0.965), image), 0.5 * paper).clamp(0, 1)


def oil(image: Tensor) -> Tensor:
    """Oil on canvas: rich patches of thick paint with raking light on them, golden lights and umber darks."""
    way = strokes.field(image)
    paint = strokes.along(strokes.patches(image, 3), way, (1, 2, 4))
    light = ops.luma(paint)
    ground = ops.gradient_map(light, SHIPWRECK)
    rich = ops.mix(ops.saturate(paint, 2.3), ground, 0.5)
    own = ops.luma(image)
    ridge = strokes.along(_detail(own, 2.0), way, (1, 2, 3))
    bristle = 1.2 * ridge + 0.06 * (strokes.contours(light, 6.0) + strokes.brushed(light, way, 2.0))
    out = rich * (1 + 0.25 * ridge) + 0.22 * strokes.relief(bristle)
    tone = ops.luma(out)
    return (out + (ops.tone_curve(tone, [(0, 0), (0.25, 0.11), (0.5, 0.42), (0.8, 0.86), (1, 1)]) - tone)).clamp(0, 1)


def van_gogh(image: Tensor) -> Tensor:
    """Van Gogh: thick strokes that swirl along the shapes, night blues and yellows, paint that stands up."""
    way = strokes.field(image, 2.5, 9.0)
    paint = strokes.along(strokes.patches(image, 2), way, (1, 2, 4))
    light = ops.luma(paint)
    swirl = strokes.along(_detail(ops.luma(image), 2.5), way, (1, 2, 4))
    fixed = strokes.brushed(ops.blur(light, 2.0), way, 6.0)
    stroke = 1.1 * swirl + 0.35 * strokes.contours(light, 6.5) + 0.06 * fixed
    level = (light + 0.35 * (0.45 - ops.blur(light, 40.0)) + 0.11 * stroke).clamp(0, 1)
    ground = ops.gradient_map(level, STARRY_NIGHT)
    own = ops.saturate(paint, 2.2) - light
    warm = ops.hue_weight(paint, 35.0, 80.0)
    ochre = ops.gradient_map(level, SUNFLOWERS)
    out = ops.mix(ground, ochre, 0.65 * warm) + 0.25 * own
    return (out + 0.16 * strokes.relief(stroke)).clamp(0, 1)


def monet(image: Tensor) -> Tensor:
    """Monet: short dabs of broken pastel colour, violet shadows, rosy lights, nothing with a hard edge."""
    way = strokes.field(image, 3.0, 9.0)
    paint = strokes.along(ops.blur(strokes.patches(image, 2), 1.2), way, (1, 2))
    light = ops.luma(paint)
    dab = strokes.along(_detail(ops.luma(image), 2.2), way, (1, 1.5))
    fixed = strokes.brushed(ops.blur(light, 2.0), way, 4.0)
    broken = 1.4 * dab + 0.35 * strokes.contours(light, 7.0) + 0.12 * fixed
    level = (0.2 + 0.85 * light + 0.085 * broken).clamp(0, 1)
    ground = ops.gradient_map(level, WATER_LILIES)
    own = ops.saturate(paint, 1.7) - light
    rose, leaf = ops.colour((0.15, -0.07, 0.06), image), ops.colour((-0.12, 0.07, 0.04), image)
    dabs = rose * ops.smoothstep(0.0, 1.0, broken) + leaf * ops.smoothstep(0.0, -1.0, broken)
    return (ground + 0.8 * own + dabs).clamp(0, 1)


EDITS: tuple[Edit, ...] = (
    Edit("watercolour", "painting", watercolour, drawn=True),
    Edit("oil", "painting", oil, drawn=True),
    Edit("van_gogh", "painting", van_gogh, drawn=True),
    Edit("monet", "painting", monet, drawn=True),
)
