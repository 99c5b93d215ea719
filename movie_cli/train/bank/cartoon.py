"""Drawn looks with clean lines and flat colour: anime, cartoon, comic, line art, ink; chalk on a board.

Lines come from the borders of a picture that was simplified first, so that they are few and unbroken.
"""

from __future__ import annotations

import torch
from torch import Tensor

from movie_cli.train.bank import ops, strokes
from movie_cli.train.bank.edit import Edit
from movie_cli.train.bank.scene import Scene


def _simple(image: Tensor, radius: int = 2, rounds: int = 2) -> Tensor:
    """Even surfaces with crisp borders."""
    for _ in range(rounds):
        image = strokes.patches(image, radius)
    return image


def _clean_lines(scene: Scene, smooth: Tensor, width: float, low: float, high: float) -> Tensor:
    """Lines in [0, 1] on the borders of the simplified picture and, thinner, on the dark features of the picture."""
    way = strokes.field(smooth)
    border = strokes.outlines(smooth, way, width, low, high)
    # Eyes, mouths and writing are lost in the simplified picture.
    feature = strokes.lines(ops.blur(scene.luma, 0.6), way, width, 0.06, 0.2)
    return 1 - (1 - border) * (1 - 0.85 * feature)


def _features(scene: Scene, amount: float) -> Tensor:
    """The picture's own fine detail, to lay over what was simplified: most of it on faces."""
    return amount * (0.4 + scene.skin) * (ops.blur(scene.luma, 0.6) - ops.blur(scene.luma, 3.0))


def anime(scene: Scene) -> Tensor:
    """A frame of anime: clean thin lines, bright flat colour with one soft shade, a vivid sky."""
    smooth = _simple(ops.guided(scene.luma, scene.image, 4, 0.004), 2, 2)
    light = ops.luma(smooth)
    tint = smooth - light
    shade = ops.smoothstep(-0.05, 0.03, light - ops.blur(light, 14.0) + 0.35 * (light - 0.35))
    base = ops.tone_curve(light, [(0, 0.10), (0.2, 0.34), (0.5, 0.68), (0.8, 0.93), (1, 1.0)])
    flat = base + 0.6 * (strokes.steps(base, 4.0, 0.35) - base)
    out = flat + 2.1 * tint / (1 + 1.2 * tint.abs())
    cool = ops.colour((-0.05, -0.05, 0.06), out)
    out = out + (1 - shade) * cool - 0.06 * (1 - shade)
    sky = scene.sky_of((0.16, 0.46, 0.93), (0.62, 0.86, 0.99), 0.0)
    cloud = ops.smoothstep(
        0.02, 0.22, light - 0.6 * ops.blur(light, 30.0) - 0.22 + 0.3 * (0.1 - ops.saturation(smooth))
    )
    sky = ops.mix(sky, ops.colour((1.0, 1.0, 1.0), sky), 0.9 * cloud)
    warm = ops.smoothstep(0.0, 0.08, smooth[:, :1] - smooth[:, 2:3])
    out = ops.mix(out + _features(scene, 0.7), sky, 0.75 * scene.sky * (1 - warm))
    line = _clean_lines(scene, smooth, 0.9, 0.2, 0.45)
    ink = 0.22 * out + ops.colour((0.05, 0.03, 0.07), out)
    return ops.mix(out, ink, 0.9 * line).clamp(0, 1)


def cartoon(scene: Scene) -> Tensor:
    """A television cartoon: flat cheerful colours without shading, thick even black outlines."""
    smooth = _simple(scene.image, 3, 3)
    light = ops.luma(smooth)
    tint = smooth - light
    base = ops.tone_curve(light, [(0, 0.08), (0.15, 0.30), (0.5, 0.72), (0.8, 0.95), (1, 1)])
    size = torch.sqrt((tint * tint).sum(dim=1, keepdim=True) + 1e-5)
    vivid = tint / size * (0.75 * size / (size + 0.13))
    out = strokes.steps(base, 3.0, 0.3) + strokes.steps(vivid, 5.0, 0.35) + _features(scene, 0.5)
    line = _clean_lines(scene, smooth, 1.6, 0.16, 0.30)
    return ops.mix(out.clamp(0, 1), ops.colour((0.03, 0.02, 0.03), out), line).clamp(0, 1)


def comic(scene: Scene) -> Tensor:
    """A printed comic: clean bold outlines, solid blacks, strong flat colours with a dot screen in the half shadows."""
    smooth = _simple(scene.image, 2, 2)
    light = ops.luma(smooth)
    lifted = smooth + (ops.tone_curve(light, [(0, 0.0), (0.12, 0.28), (0.4, 0.70), (0.7, 0.97), (1, 1)]) - light)
    lifted = lifted + _features(scene, 0.8)
    flat = strokes.flat_colours(ops.saturate(lifted, 2.3), 3.0, 5.0, 0.25)
    cover = 0.55 * ops.smoothstep(0.55, 0.3, light) * ops.smoothstep(0.06, 0.16, light)
    dot = strokes.printed(cover, strokes.dots(light), 0.25)
    flat = flat * (1 - dot * (0.24 - ops.colour((0.0, 0.10, 0.08), flat)))
    flat = flat * ops.colour((1.0, 0.98, 0.90), flat)
    line = _clean_lines(scene, smooth, 1.4, 0.2, 0.38)
    face = 1 - 0.8 * scene.skin
    solid = ops.smoothstep(0.13, 0.06, light) * face
    black = 1 - (1 - line) * (1 - solid)
    return ops.mix(flat.clamp(0, 1), ops.colour((0.03, 0.02, 0.06), flat), black).clamp(0, 1)


def line_art(scene: Scene) -> Tensor:
    """Line art: thin even black lines on white and nothing else."""
    smooth = _simple(scene.image, 2, 2)
    line = _clean_lines(scene, smooth, 0.9, 0.22, 0.42)
    return ops.mix(ops.colour((1, 1, 1), smooth), ops.colour((0.04, 0.04, 0.05), smooth), line).clamp(0, 1)


def ink(scene: Scene) -> Tensor:
    """Indian ink: crisp lines and solid blacks on white, hatched half tones; faces stay white with drawn features."""
    image = scene.image
    light = scene.luma
    way = strokes.field(image)
    smooth = strokes.along(ops.guided(light, light, 3, 0.006), way, (1, 2))
    eased = smooth.clamp_min(0.001) ** 0.7
    eased = eased + 0.6 * (eased - ops.blur(eased, 4.0))
    near = ops.blur(scene.skin, 2.0)
    # A face is compared with itself, whatever its complexion: what is darker than it is drawn.
    level = ops.mix(0.22 + 0.30 * ops.blur(eased, 20.0), 0.70 * ops.blur(eased, 9.0), near)
    border = eased - level
    solid = ops.smoothstep(0.05, -0.06, border)
    half = ops.smoothstep(0.18, 0.0, border) * (1 - 0.4 * near) * (1 - 0.85 * scene.sky)
    hatch = strokes.printed(0.55 * half, 0.5 + 0.5 * strokes.screen_wave(light, 1, -1), 0.45)
    line = strokes.lines(smooth, way, 1.1, 0.035, 0.17)
    black = 1 - (1 - solid) * (1 - line) * (1 - 0.7 * hatch)
    return ops.mix(ops.colour((1.0, 1.0, 0.99), image), ops.colour((0.02, 0.02, 0.04), image), black).clamp(0, 1)


def chalkboard(scene: Scene) -> Tensor:
    """White and coloured chalk on a green blackboard: dusty outlines, light things rubbed in."""
    smooth = _simple(scene.image, 2, 2)
    light = ops.luma(smooth)
    line = ops.blur(_clean_lines(scene, smooth, 1.3, 0.12, 0.4), 0.5)
    tooth = 0.5 + 0.5 * strokes.grain(light)
    streak = 0.5 + 0.5 * strokes.screen_wave(light, 1, 1)
    fill = ops.smoothstep(0.25, 1.0, light) * (0.30 + 0.30 * streak + 0.2 * tooth)
    chalk = 1 - (1 - line * (0.7 + 0.3 * tooth)) * (1 - 0.75 * fill)
    tint = smooth - light
    colour = 0.93 + 1.1 * tint
    board = ops.colour((0.11, 0.21, 0.17), light) + 0.05 * (ops.blur(light, 12.0) - 0.5)
    return ops.mix(board, colour.clamp(0, 1), chalk).clamp(0, 1)


EDITS: tuple[Edit, ...] = tuple(
    Edit(look.__name__, "drawing", look, drawn=True) for look in (anime, cartoon, comic, line_art, ink, chalkboard)
)
