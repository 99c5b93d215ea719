"""Looks painted by the style teacher with the strokes of real paintings, over palettes and forms drawn here.

The teacher knows strokes; what makes a painter known at a glance besides them, a palette, a sky, how forms are
simplified, is given to it as the picture that it paints, or laid over what it painted.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from movie_cli.train.bank import drawing, ops, strokes
from movie_cli.train.bank.edit import Edit
from movie_cli.train.bank.paint import painted
from movie_cli.train.bank.scene import Scene

SANGUINE = ((0.0, (0.36, 0.10, 0.05)), (0.35, (0.68, 0.26, 0.14)), (0.7, (0.93, 0.66, 0.48)), (1.0, (0.98, 0.93, 0.83)))
"""Red chalk on cream paper."""
WAVE = (
    (0.0, (0.06, 0.13, 0.30)), (0.22, (0.11, 0.25, 0.47)), (0.42, (0.30, 0.50, 0.67)), (0.58, (0.70, 0.80, 0.82)),
    (0.74, (0.95, 0.92, 0.81)), (1.0, (0.99, 0.97, 0.90)),
)  # fmt: skip
"""Hokusai, the Great Wave: Prussian blues, foam and cream paper."""
SCREAM_SKY = (
    (0.0, (0.62, 0.14, 0.05)),
    (0.4, (0.87, 0.30, 0.09)),
    (0.7, (0.95, 0.56, 0.17)),
    (1.0, (0.97, 0.82, 0.42)),
)
SCREAM_LAND = (
    (0.0, (0.06, 0.09, 0.14)), (0.35, (0.22, 0.27, 0.28)), (0.6, (0.52, 0.50, 0.36)), (1.0, (0.93, 0.86, 0.66)),
)  # fmt: skip
UMBER = (
    (0.0, (0.04, 0.03, 0.02)), (0.3, (0.28, 0.17, 0.08)), (0.6, (0.72, 0.50, 0.26)), (1.0, (1.0, 0.90, 0.66)),
)  # fmt: skip
GOLD = (
    (0.0, (0.13, 0.09, 0.03)), (0.25, (0.42, 0.28, 0.06)), (0.55, (0.80, 0.59, 0.14)), (0.8, (0.95, 0.79, 0.32)),
    (1.0, (1.0, 0.95, 0.68)),
)  # fmt: skip


def toned(image: Tensor, points: list[tuple[float, float]]) -> Tensor:
    """The picture with its brightness through a curve, its distance from grey kept."""
    light = ops.luma(image)
    return image + (ops.tone_curve(light, points) - light)


def swept(image: Tensor, scene: Scene, reach: tuple[float, ...] = (1, 2)) -> Tensor:
    """Strokes drawn out along the picture's forms, which also calms the teacher's texture where nothing is."""
    return strokes.along(image, strokes.field(scene.image, 2.5, 9.0), reach)


def kept_light(image: Tensor, light: Tensor, amount: float = 0.8, sigma: float = 10.0) -> Tensor:
    """The picture with `amount` of the wide lights and darks of `light`: the teacher makes plain dark things pale."""
    return image + amount * (ops.blur(light, sigma) - ops.blur(ops.luma(image), sigma))


def calmed(image: Tensor, scene: Scene, amount: float = 0.6, sigma: float = 2.5) -> Tensor:
    """Less of the texture that the teacher fills plain surfaces with."""
    plain = ops.blur(ops.smoothstep(0.05, 0.012, ops.local_contrast(scene.luma, 3.0)), 2.0)
    return ops.mix(image, ops.blur(image, sigma), amount * plain)


def van_gogh(scene: Scene) -> Tensor:
    """Van Gogh, The Starry Night: thick strokes that swirl along the forms, night blues and yellow lights."""
    content = drawing.van_gogh(scene)
    out = painted(scene, "vangogh_starry_night.jpg", 0.8, 0.55, content)
    out = kept_light(swept(out, scene, (1, 2)), ops.luma(content), 0.6)
    return ops.saturate(out, 1.15)


def munch(scene: Scene) -> Tensor:
    """Munch, The Scream: long wavy strokes, an orange and red sky in bands, dark blue-greens below."""
    light = scene.luma
    bands = torch.cos(math.pi * (9 * scene.height + 4 * ops.blur(light, 12.0)))
    sky = ops.gradient_map((0.45 + 0.3 * (scene.soft_luma - 0.5) + 0.3 * bands).clamp(0, 1), SCREAM_SKY)
    land = ops.mix(scene.image, ops.gradient_map(light, SCREAM_LAND), 0.5 * (1 - scene.skin))
    waves = strokes.contours(ops.blur(light, 3.0), 9.0)
    content = ops.mix(land, sky, scene.sky) + 0.13 * waves * ops.colour((1.0, 0.55, 0.1), land) * (1 - 0.6 * scene.skin)
    out = painted(scene, "munch_the_scream.jpg", 1.0, 0.65, content)
    out = kept_light(swept(out, scene, (1, 2, 4)), ops.luma(content), 0.5)
    return ops.saturate(ops.mix(out, content, 0.25 + 0.3 * scene.sky), 1.5)


def hokusai(scene: Scene) -> Tensor:
    """Hokusai, the Great Wave: Prussian blue shapes with fine dark lines on cream paper, white foam."""
    smooth = strokes.patches(strokes.patches(scene.image, 2), 2)
    light = ops.luma(smooth)
    flat = strokes.steps((light + 0.3 * (0.55 - ops.blur(light, 40.0))).clamp(0, 1), 4.0, 0.25)
    content = ops.gradient_map(flat, WAVE)
    out = painted(scene, "hokusai_great_wave.jpg", 0.8, 0.5, content)
    out = calmed(kept_light(out, ops.luma(content), 0.9), scene, 0.8)
    out = ops.gradient_map(ops.luma(out).clamp(0, 1), WAVE)
    own = smooth - light
    key = strokes.lines(scene.luma, strokes.field(scene.image), 0.9, 0.05, 0.15)
    return ops.mix(out + 0.35 * own, ops.colour((0.05, 0.10, 0.24), out), 0.8 * key)


def monet(scene: Scene) -> Tensor:
    """Monet: short dabs of broken pastel colour, violet shadows, rosy lights, nothing with a hard edge."""
    content = drawing.monet(scene)
    out = painted(scene, "monet_water_lilies.jpg", 0.8, 0.6, content)
    light = ops.luma(content)
    out = kept_light(swept(out, scene, (1, 1.5)), light)
    out = ops.saturate(ops.mix(content, out, 0.75), 1.25)
    return out + 0.6 * (light - ops.blur(light, 3.0)) + 0.25 * (ops.blur(light, 3.0) - ops.blur(light, 24.0))


def oil(scene: Scene) -> Tensor:
    """Oil on canvas: thick strokes of rich paint, golden lights and umber darks."""
    content = drawing.oil(scene)
    out = kept_light(painted(scene, "cezanne_card_players.jpg", 0.7, 0.5, content), ops.luma(content))
    return content + 0.45 * (out - ops.blur(out, 4.0))


def seurat(scene: Scene) -> Tensor:
    """Seurat: everything in small dots of unmixed colour, sunny greens, violets and oranges."""
    out = painted(scene, "seurat_grande_jatte.jpg", 0.9, 0.6, ops.saturate(scene.image, 1.6))
    light = ops.tone_curve(scene.luma, [(0, 0.16), (0.4, 0.55), (1, 0.95)])
    out = kept_light(ops.saturate(ops.blur(out, 1.2), 2.0), light, 1.0, 4.0)
    first = 2 * strokes.dots(out) - 1
    second = 0.5 * (strokes.screen_wave(out, 2, 0) + strokes.screen_wave(out, 0, 2))
    warm, cool = ops.colour((0.14, 0.06, -0.12), out), ops.colour((-0.10, 0.0, 0.14), out)
    return out - first * warm + second * cool


def klimt(scene: Scene) -> Tensor:
    """Klimt, The Kiss: gold leaf with flecks and ornament, dark outlines, flesh and a few jewels of colour."""
    smooth = strokes.patches(scene.image, 3)
    light = ops.luma(smooth)
    leaf = 1 - 0.8 * scene.skin - 0.35 * scene.subject * (1 - scene.skin)
    content = ops.mix(smooth, ops.gradient_map(light, GOLD), 0.75 * leaf)
    out = kept_light(painted(scene, "klimt_the_kiss.jpg", 0.9, 0.5, content), light)
    gold = ops.gradient_map((0.12 + ops.luma(out)).clamp(0, 1), GOLD)
    rings = torch.cos(4 * math.pi * strokes.dots(out))
    fleck = ops.smoothstep(0.3, 0.6, light) * leaf
    jewels = smooth - light
    return ops.mix(out, gold, 0.75 * leaf) + 0.05 * rings * fleck + 0.7 * jewels


def rembrandt(scene: Scene) -> Tensor:
    """Rembrandt: warm light on the subject, everything else in brown darkness."""
    out = kept_light(painted(scene, "rembrandt_night_watch.jpg", 0.75, 0.5), scene.luma, 0.7)
    wide = ops.blur(scene.luma, 8.0)
    lit = ops.smoothstep(0.05, 0.75, wide * (0.75 + 0.5 * scene.subject))
    light = ops.luma(out)
    warm = ops.mix(ops.gradient_map(light.clamp(0, 1), UMBER), ops.saturate(out, 1.5), 0.55)
    return warm * (0.3 + 0.75 * lit)


def kandinsky(scene: Scene) -> Tensor:
    """Kandinsky: a storm of coloured shapes and dark lines."""
    out = painted(scene, "kandinsky_composition_vii.jpg", 0.85, 0.55)
    return ops.saturate(calmed(kept_light(out, scene.luma, 0.6), scene, 0.8), 1.4)


def marc(scene: Scene) -> Tensor:
    """Franz Marc: large shapes of orange, yellow and deep blue."""
    return calmed(kept_light(painted(scene, "marc_yellow_cow.jpg", 0.75, 0.45), scene.luma, 0.4), scene, 0.7)


def manuscript(scene: Scene) -> Tensor:
    """A page of an illuminated manuscript: lapis blue, gold and vermilion, black outlines."""
    out = painted(scene, "french_manuscript_initial.jpg", 0.85, 0.5, ops.saturate(scene.image, 1.3))
    return calmed(kept_light(out, scene.luma, 0.5), scene, 0.7)


def red_chalk(scene: Scene) -> Tensor:
    """A drawing in red chalk on cream paper."""
    out = painted(scene, "red_chalk_peasant_woman.jpg", 0.9, 0.6)
    tone = ops.smoothstep(-0.25, 0.75, ops.luma(kept_light(out, scene.luma, 0.4)))
    return ops.gradient_map(tone, SANGUINE)


def engraving(scene: Scene) -> Tensor:
    """A copper engraving: fine dark hatching on warm paper."""
    out = ops.luma(painted(scene, "durer_melencolia.jpg", 0.9, 0.6))
    out = calmed(kept_light(out, 0.15 + 0.85 * scene.luma, 0.6), scene, 0.7, 1.5)
    tone = ops.smoothstep(0.0, 0.9, out)
    return ops.mix(ops.colour((0.10, 0.09, 0.08), out), ops.colour((0.95, 0.92, 0.84), out), tone)


def woodcut(scene: Scene) -> Tensor:
    """A woodcut: thick black cuts on white paper."""
    out = ops.luma(painted(scene, "wolgemut_dance_of_death.jpg", 0.9, 0.55))
    # Skies are left as paper, with a few cuts.
    light = scene.luma + (0.75 - scene.luma).clamp_min(0) * 0.8 * scene.sky
    out = calmed(kept_light(out, light, 0.75), scene, 0.7)
    tone = ops.smoothstep(0.3, 0.58, swept(out, scene, (1, 2)))
    return ops.mix(ops.colour((0.05, 0.04, 0.04), out), ops.colour((0.97, 0.95, 0.90), out), tone)


def stained_glass(scene: Scene) -> Tensor:
    """Leaded glass."""
    content = drawing.stained_glass(scene)
    return ops.mix(content, painted(scene, "morris_stained_glass.jpg", 0.4, 0.3, content), 0.5)


EDITS: tuple[Edit, ...] = tuple(
    Edit(look.__name__, "painting", look, drawn=True, painted=True)
    for look in (
        van_gogh, munch, hokusai, monet, oil, seurat, klimt, rembrandt, kandinsky, marc, manuscript, red_chalk,
        engraving, woodcut, stained_glass,
    )
)  # fmt: skip
