"""Looks of things made by hand: clay, cut paper, embroidery, wax crayon, mosaic, Chinese brush."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from movie_cli.train.bank import ops, strokes
from movie_cli.train.bank.edit import Edit
from movie_cli.train.bank.scene import Scene, shifted


def _vivid(image: Tensor, reach: float, half: float) -> Tensor:
    """The distance from grey, brought towards `reach` where it is more than `half` of nothing."""
    tint = image - ops.luma(image)
    size = torch.sqrt((tint * tint).sum(dim=1, keepdim=True) + 1e-5)
    return tint / size * (reach * size / (size + half))


def claymation(scene: Scene) -> Tensor:
    """Plasticine: rounded lumps of bright even colour with soft lights on them, and the prints of fingers."""
    smooth = strokes.patches(strokes.patches(strokes.patches(scene.image, 4), 4), 3)
    light = ops.luma(smooth)
    base = ops.tone_curve(light, [(0, 0.16), (0.25, 0.36), (0.6, 0.68), (1, 0.90)])
    out = strokes.steps(base, 5.0, 0.4) + _vivid(smooth, 0.62, 0.13)
    # Every patch of colour is a lump: its border falls away from the light.
    border = strokes.outlines(smooth, strokes.field(smooth), 1.6, 0.08, 0.4)
    lump = 1 - ops.blur(border, 2.5)
    shape = ops.blur(lump, 1.5) + 0.4 * ops.blur(light, 3.0)
    bump = strokes.relief(shape, -0.6, -0.8)
    prints = strokes.contours(ops.blur(scene.luma, 2.5), 5.0)
    own = ops.blur(scene.luma, 0.8) - ops.blur(scene.luma, 4.0)
    out = out * (0.72 + 0.32 * lump) + 1.5 * bump + 0.02 * prints + 0.55 * own
    gloss = ops.smoothstep(0.02, 0.12, bump)
    return (out + 0.22 * gloss).clamp(0, 1)


def paper_cut(scene: Scene) -> Tensor:
    """Layers of cut coloured paper, each throwing a soft shadow on the one beneath."""
    smooth = ops.blur(strokes.patches(strokes.patches(scene.image, 3), 3), 0.8)
    light = ops.luma(smooth)
    layer = strokes.steps(light, 4.0, 0.12)
    tint = strokes.steps(_vivid(smooth, 0.6, 0.14), 5.0, 0.25)
    paper = 0.16 + 0.74 * layer + tint
    # Lighter layers lie on top; the light comes from the upper left.
    above = shifted(F.pad(layer, (3, 0, 0, 0), mode="replicate")[..., :-3], -4)
    shadow = ops.blur((above - layer).clamp_min(0), 1.8)
    edge = strokes.relief(layer, -0.7, -0.7)
    fibre = 0.012 * strokes.grain(light)
    own = (0.15 + 0.4 * scene.skin) * (ops.blur(scene.luma, 0.8) - ops.blur(scene.luma, 4.0))
    out = paper * (1 - 2.6 * shadow).clamp_min(0.3) + 0.6 * edge.clamp(-0.1, 0.12) + fibre + own
    return out.clamp(0, 1)


def embroidery(scene: Scene) -> Tensor:
    """Satin stitches of shiny thread that follow the forms, on linen."""
    way = strokes.field(scene.image, 3.0, 9.0)
    smooth = strokes.along(strokes.patches(strokes.patches(scene.image, 3), 3), way, (1, 2))
    light = ops.luma(smooth)
    base = ops.tone_curve(light, [(0, 0.10), (0.3, 0.36), (0.7, 0.76), (1, 0.95)])
    flat = strokes.steps(base, 6.0, 0.4) + strokes.steps(_vivid(smooth, 0.6, 0.14), 6.0, 0.35)
    thread = strokes.brushed(ops.blur(light, 2.0), way, 0.0)
    across = strokes.Field(-way.ty, way.tx, -way.cosine, -way.sine)
    stitch = strokes.brushed(ops.blur(light, 2.0), across, 3.0)
    border = strokes.outlines(smooth, way, 1.4, 0.12, 0.4)
    raised = thread + 0.35 * stitch
    out = flat * (0.86 + 0.16 * raised - 0.35 * border) + 0.06 * thread.clamp_min(0)
    own = ops.blur(scene.luma, 0.8) - ops.blur(scene.luma, 4.0)
    return (out + 0.35 * own).clamp(0, 1)


def crayon(scene: Scene) -> Tensor:
    """Wax crayons on rough paper: streaky bright colour that lets white through, thick coloured outlines."""
    way = strokes.field(scene.image, 3.0, 9.0)
    smooth = strokes.patches(strokes.patches(scene.image, 3), 3)
    light = ops.luma(smooth)
    colour = 0.30 + 0.6 * light + _vivid(smooth, 0.7, 0.12)
    streak = 0.6 * strokes.screen_wave(light, 1, 1) + 0.4 * strokes.screen_wave(light, 2, 1)
    tooth = strokes.grain(light)
    cover = 0.85 - 0.55 * ops.smoothstep(0.25, 0.9, light)
    wax = ops.smoothstep(-0.6, 0.6, 2.4 * (cover - 0.5) + 0.7 * streak + 0.45 * tooth)
    line = strokes.lines(ops.blur(scene.luma, 0.8), way, 1.6, 0.05, 0.2)
    line = 1 - (1 - line) * (1 - strokes.outlines(smooth, way, 1.6, 0.16, 0.4))
    out = ops.mix(ops.colour((0.99, 0.98, 0.95), light), colour.clamp(0, 1), 0.9 * wax)
    dark = 0.35 * colour + ops.colour((0.05, 0.04, 0.08), light)
    return ops.mix(out, dark.clamp(0, 1), line * (0.7 + 0.3 * tooth)).clamp(0, 1)


def _tiles(image: Tensor) -> Tensor:
    """Means of blocks of 8 by 8 pixels, at the picture's size."""
    height, width = image.shape[-2:]
    padded = F.pad(image, (0, -width % 8, 0, -height % 8), mode="replicate")
    small = F.avg_pool2d(padded, 8)
    around = F.avg_pool2d(F.pad(small, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    small = small + 0.35 * (small - around)
    return small.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)[:, :, :height, :width]


def _cell(plane: Tensor) -> tuple[Tensor, Tensor]:
    """How far each pixel lies from the middle of its block of 8, across and down, in [-1, 1]."""
    height, width = plane.shape[-2:]
    xs = torch.arange(width, dtype=plane.dtype, device=plane.device).remainder(8).view(1, 1, 1, -1)
    ys = torch.arange(height, dtype=plane.dtype, device=plane.device).remainder(8).view(1, 1, -1, 1)
    return (xs - 3.5) / 4, (ys - 3.5) / 4


def mosaic(scene: Scene) -> Tensor:
    """A Roman mosaic: square stones of 8 pixels with rounded corners in pale mortar."""
    rich = ops.saturate(scene.image, 1.6)
    tile = _tiles(rich)
    tile = tile + 0.3 * (rich - tile)
    light = ops.luma(tile)
    tile = tile + (ops.tone_curve(light, [(0, 0.10), (0.25, 0.28), (0.6, 0.66), (1, 0.93)]) - light)
    tile = strokes.flat_colours(tile, 8.0, 7.0, 0.5) * ops.colour((1.02, 0.98, 0.88), tile)
    x, y = _cell(light)
    stone = ops.smoothstep(1.02, 0.74, (x**6 + y**6).clamp_min(1e-6) ** (1 / 6))
    shine = 0.05 * (-x - y) * stone
    mortar = ops.colour((0.80, 0.76, 0.68), tile) * (0.55 + 0.35 * light)
    return ops.mix(mortar, tile + shine, stone).clamp(0, 1)


def chinese_ink(scene: Scene) -> Tensor:
    """Chinese ink painting: wet grey washes that fade into mist, a few dark brush strokes, on warm paper."""
    way = strokes.field(scene.image, 3.0, 9.0)
    smooth = strokes.along(strokes.patches(strokes.patches(scene.image, 4), 3), way, (1, 2))
    light = ops.luma(smooth)
    wash = ops.blur(light, 2.0)
    wet = 0.6 * strokes.steps(wash, 5.0, 0.45) + 0.4 * wash
    tone = ops.tone_curve(wet, [(0, 0.06), (0.2, 0.45), (0.45, 0.84), (0.65, 0.98), (1, 1)])
    tone = ops.mix(tone, ops.colour((1, 1, 1), tone)[:, :1], 0.8 * scene.sky)
    brush = strokes.lines(strokes.along(scene.luma, way, (1, 2)), way, 1.7, 0.045, 0.2, reach=(1, 2, 3))
    dark = ops.smoothstep(0.9, 0.3, light)
    ink = 1 - tone * (1 - brush * (0.5 + 0.5 * dark))
    paper = ops.colour((0.93, 0.89, 0.79), light) + 0.012 * strokes.grain(light)
    return ops.mix(paper, ops.colour((0.07, 0.07, 0.08), light), ink).clamp(0, 1)


EDITS: tuple[Edit, ...] = (
    Edit("claymation", "drawing", claymation, drawn=True),
    Edit("paper_cut", "drawing", paper_cut, drawn=True),
    Edit("embroidery", "drawing", embroidery, drawn=True),
    Edit("crayon", "drawing", crayon, drawn=True),
    Edit("mosaic", "drawing", mosaic, drawn=True, gridded=True),
    Edit("chinese_ink", "painting", chinese_ink, drawn=True),
)
