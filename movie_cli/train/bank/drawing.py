"""Drawn, printed and painted edits, with lines and brushwork along the picture's own structure.

Pencil, charcoal, pop art, pixel art, ukiyo-e, watercolour; stained glass, oil, Van Gogh and Monet as the style teacher
is given them to paint over, with palettes measured on public-domain paintings.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from movie_cli.train.bank import ops, strokes
from movie_cli.train.bank.edit import Edit
from movie_cli.train.bank.scene import Scene

PRINT = (
    (0.00, (0.09, 0.15, 0.24)), (0.25, (0.18, 0.32, 0.47)), (0.50, (0.50, 0.62, 0.64)), (0.75, (0.86, 0.79, 0.62)),
    (1.00, (0.95, 0.90, 0.77)),
)  # fmt: skip
"""Woodblock tones. The ink blue is the darkest colour cluster (k-means, 8) of a redrawing of Hokusai's Under the Wave
off Kanagawa, the mid blues lie between it and the pale blue cluster of its foam; the lights are aged paper, chosen by
eye, for that redrawing is in another colouring than the print.
"""
BOKASHI = (
    (0.00, (0.86, 0.42, 0.30)), (0.35, (0.93, 0.66, 0.50)), (0.58, (0.93, 0.87, 0.73)), (0.80, (0.47, 0.62, 0.68)),
    (1.00, (0.13, 0.25, 0.44)),
)  # fmt: skip
"""A sky in Hiroshige's manner, by height."""
EARTH = (
    (0.00, (0.11, 0.11, 0.19)), (0.25, (0.42, 0.27, 0.21)), (0.50, (0.73, 0.49, 0.33)), (0.75, (0.90, 0.76, 0.57)),
    (1.00, (0.95, 0.90, 0.77)),
)  # fmt: skip
"""Woodblock tones for skin and earth: iron red and ochre between the same ink and paper."""


def pencil(scene: Scene) -> Tensor:
    """Graphite on warm white paper: fine outlines, contour strokes, and diagonal hatching in the dark."""
    image = scene.image
    light = ops.luma(image)
    way = strokes.field(image)
    tone = ops.guided(light, light, 4, 0.01)
    # Dividing by the surroundings is how a drawing keeps form and forgets the light (a colour dodge).
    form = ((light + 0.1) / (ops.blur(light, 5.0) + 0.1)).clamp(0.4, 1.0)
    outline = strokes.lines(light, way, 0.9, 0.04, 0.21)
    dark = 1 - tone
    hatch = strokes.printed(ops.smoothstep(0.35, 1.0, dark) * 0.8, 0.5 + 0.3 * strokes.screen_wave(light, 1, 1), 0.5)
    bent = (0.5 + 0.35 * strokes.contours(light, 4.0)) * ops.smoothstep(0.2, 0.7, dark)
    graphite = 1 - (1 - 0.82 * outline) * (1 - 0.16 * hatch) * (1 - 0.22 * bent) * (0.3 + 0.7 * form)
    graphite = 1 - (1 - graphite) * (1 - 0.42 * ops.smoothstep(0.4, 1.0, dark))
    return ops.mix(ops.colour((0.97, 0.96, 0.935), image), ops.colour((0.13, 0.13, 0.15), image), graphite).clamp(0, 1)


def charcoal(scene: Scene) -> Tensor:
    """Charcoal on grey laid paper: broad smudged masses, heavy black, and the paper's lines in the half tones."""
    image = scene.image
    light = ops.luma(image)
    way = strokes.field(image, 3.0, 9.0)
    eased = light.clamp_min(0.001) ** 0.75
    mass = strokes.along(strokes.patches(eased, 2), way, (1, 2, 4))
    local = mass - ops.blur(mass, 24.0)
    fine = eased - ops.blur(eased, 3.0)
    tone = ops.smoothstep(0.0, 0.85, 0.34 + 0.8 * (mass - 0.5) + 0.6 * local + 0.5 * fine)
    outline = strokes.lines(light, way, 1.7, 0.035, 0.22, reach=(1, 2, 4))
    rub = strokes.contours(mass, 6.0)
    laid = strokes.screen_wave(light, 0, 2)
    half = 4 * tone * (1 - tone)
    cover = (1 - tone + half * (0.02 * laid + 0.05 * rub)).clamp(0, 1)
    cover = 1 - (1 - cover) * (1 - 0.75 * outline)
    return ops.mix(ops.colour((0.83, 0.81, 0.77), image), ops.colour((0.035, 0.033, 0.035), image), cover).clamp(0, 1)


def pop_art(scene: Scene) -> Tensor:
    """A silk screen: navy shadows, hot pink or turquoise half tones by hue, yellow lights, a dot screen of period 8."""
    image = scene.image
    smooth = strokes.patches(image, 2)
    light = ops.luma(smooth)
    wide = ops.blur(light, 40.0)
    tone = (light + 0.45 * (0.5 - wide)).clamp(0, 1)
    warm = ops.smoothstep(-0.12, 0.12, smooth[:, :1] - smooth[:, 2:3])
    navy = ops.colour((0.10, 0.05, 0.36), image)
    pink, cyan = ops.colour((0.96, 0.08, 0.50), image), ops.colour((0.0, 0.66, 0.76), image)
    yellow, white = ops.colour((1.0, 0.86, 0.08), image), ops.colour((1.0, 0.97, 0.88), image)
    half = ops.mix(cyan, pink, warm)
    top = ops.mix(ops.mix(cyan, white, 0.6), yellow, warm)
    screen = strokes.dots(light)
    low = ops.smoothstep(0.19, 0.34, tone)
    out = ops.mix(navy.expand_as(image), half, low)
    cover = ops.smoothstep(0.35, 0.65, tone)
    out = ops.mix(out, top, strokes.printed(cover, 0.5 + 0.6 * (screen - 0.5), 0.5))
    out = ops.mix(out, white, ops.smoothstep(0.80, 0.92, tone))
    way = strokes.field(image)
    outline = strokes.lines(ops.luma(image), way, 1.2, 0.06, 0.24)
    return ops.mix(out, navy * 0.5, outline).clamp(0, 1)


def pixel_art(scene: Scene) -> Tensor:
    """Blocks of 8 by 8 pixels from the top-left, in few, strong colours."""
    image = scene.image
    height, width = image.shape[-2:]
    padded = F.pad(image, (0, -width % 8, 0, -height % 8), mode="replicate")
    small = F.avg_pool2d(padded, 8)
    # A block's mean is dull: what stands out from its neighbours is drawn stronger, as a pixel artist would.
    around = F.avg_pool2d(F.pad(small, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    small = small + 0.1 * (small - around)
    light = ops.luma(small)
    small = small + (ops.tone_curve(light, [(0, 0.04), (0.25, 0.25), (0.5, 0.55), (0.75, 0.82), (1, 0.96)]) - light)
    small = strokes.flat_colours(ops.saturate(small, 1.5), 6.0, 5.0, 0.5).clamp(0, 1)
    return small.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)[:, :, :height, :width].contiguous()


def _level_lines(plane: Tensor, count: float, half_width: float) -> Tensor:
    """Lines of even width where `plane` crosses the borders between its `count` steps; none where it is flat."""
    phase = plane * count
    away = (phase - torch.floor(phase) - 0.5).abs()
    dx, dy = ops.gradient(phase)
    slope = torch.sqrt(dx * dx + dy * dy + 1e-6)
    return ops.smoothstep(half_width + 1.0, half_width - 1.0, away / slope) * ops.smoothstep(0.02, 0.08, slope)


def stained_glass(scene: Scene) -> Tensor:
    """Leaded glass: jewel colours in flat pieces that glow, dark leads along the borders of the picture's regions."""
    image = scene.image
    smooth = ops.blur(strokes.patches(strokes.patches(image, 4), 4), 2.6)
    light = ops.luma(smooth)
    warm, green = smooth[:, :1] - smooth[:, 2:3], smooth[:, 1:2] - 0.5 * (smooth[:, :1] + smooth[:, 2:3])
    leads = [_level_lines(light, 4.0, 1.2), _level_lines(warm, 4.0, 1.2), _level_lines(green, 6.0, 1.2)]
    lead = ops.blur(1 - (1 - leads[0]) * (1 - leads[1]) * (1 - leads[2]), 0.6)
    bold = smooth - light
    size = torch.sqrt((bold * bold).sum(dim=1, keepdim=True) + 1e-5)
    bold = bold / size * (0.95 * size / (size + 0.10)) * 0.75
    tone = strokes.steps(light, 4.0, 0.42)
    glass = 0.12 + 0.78 * tone + strokes.steps(bold, 6.0, 0.42)
    glow = 1 - ops.blur(lead, 3.0)
    glass = glass * (0.55 + 0.6 * glow)
    # Real windows carry faces and folds as dark paint fired onto the glass.
    own = ops.luma(image)
    painted = strokes.lines(own, strokes.field(image), 1.1, 0.06, 0.2)
    glass = glass * (1 - 0.5 * painted) + 0.35 * (ops.blur(own, 0.9) - ops.blur(own, 4.0))
    return ops.mix(glass.clamp(0, 1), ops.colour((0.03, 0.03, 0.04), image), lead).clamp(0, 1)


def ukiyo_e(scene: Scene) -> Tensor:
    """A woodblock print: few flat colours between Prussian blue and aged paper, dark key lines, a graded sky."""
    image = scene.image
    way = strokes.field(image)
    smooth = strokes.patches(strokes.patches(image, 2), 2)
    light = ops.luma(smooth)
    flat_tone = strokes.steps((light + 0.25 * (0.5 - ops.blur(light, 40.0))).clamp(0, 1), 4.0, 0.25)
    ground = ops.gradient_map(flat_tone, PRINT)
    warm = ops.hue_weight(smooth, 25.0, 60.0)
    ground = ops.mix(ground, ops.gradient_map(flat_tone, EARTH), 0.8 * warm)
    colour = strokes.steps(ops.saturate(smooth, 1.1) - light, 7.0, 0.25)
    sheet = ground + (0.85 - 0.35 * warm) * colour
    # The printer's graded sky: wiped from Prussian blue at the top through paper to red over the horizon.
    clouds = 0.3 * (light - ops.blur(light, 16.0))
    graded = ops.gradient_map((scene.height - 0.35 * scene.horizon).clamp(0, 1), BOKASHI) + clouds
    sheet = ops.mix(sheet, graded, 0.85 * scene.sky)
    key = strokes.lines(ops.luma(image), way, 0.9, 0.05, 0.15)
    key = 1 - (1 - key) * (1 - strokes.outlines(image, way, 1.0, 0.32, 0.52))
    return ops.mix(sheet, ops.colour((0.07, 0.09, 0.17), image), 0.92 * key).clamp(0, 1)


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


def watercolour(scene: Scene) -> Tensor:
    """Transparent washes on white paper: pale flat colour, pigment gathered at the edges of the washes."""
    image = scene.image
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


def oil(scene: Scene) -> Tensor:
    """Oil on canvas: rich patches of thick paint with raking light on them, golden lights and umber darks."""
    image = scene.image
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


def van_gogh(scene: Scene) -> Tensor:
    """Van Gogh: thick strokes that swirl along the shapes, night blues and yellows, paint that stands up."""
    image = scene.image
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


def monet(scene: Scene) -> Tensor:
    """Monet: short dabs of broken pastel colour, violet shadows, rosy lights, nothing with a hard edge."""
    image = scene.image
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
    Edit("pencil", "drawing", pencil, drawn=True),
    Edit("charcoal", "drawing", charcoal, drawn=True),
    Edit("pop_art", "drawing", pop_art, drawn=True),
    Edit("pixel_art", "drawing", pixel_art, drawn=True, gridded=True),
    Edit("ukiyo_e", "drawing", ukiyo_e, drawn=True),
    Edit("watercolour", "painting", watercolour, drawn=True),
)
