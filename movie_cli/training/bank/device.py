"""Edits that imitate a device's picture: infrared film, thermal camera, blueprint, VHS tape.

Promises deterministic, continuous functions; fixed patterns (the blueprint's grid, the tape's scanlines) have periods
of 8 and 4 pixels from the top-left pixel. Knows nothing of how these pictures are learnt or named in words.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from movie_cli.training.bank import ops
from movie_cli.training.bank.edit import Edit

IRONBOW = (
    (0.0, (0.0, 0.0, 0.06)),
    (0.16, (0.13, 0.0, 0.45)),
    (0.34, (0.52, 0.0, 0.60)),
    (0.52, (0.86, 0.19, 0.34)),
    (0.68, (0.97, 0.48, 0.05)),
    (0.84, (1.0, 0.80, 0.10)),
    (1.0, (1.0, 1.0, 0.86)),
)
"""Temperature to colour, as thermal cameras print it: black, violet, magenta, orange, yellow, white."""


def shift_right(image: Tensor, pixels: int) -> Tensor:
    """Move `(N, C, H, W)` by `pixels` to the right (left if negative), the border column repeated."""
    width = image.shape[-1]
    index = (torch.arange(width, device=image.device) - pixels).clamp(0, width - 1)
    return image.index_select(-1, index)


def smear_right(image: Tensor, length: int) -> Tensor:
    """Mean of each pixel and the `length - 1` pixels to its left: what a narrow channel does to a line."""
    padded = F.pad(image, (length - 1, 0, 0, 0), mode="replicate")
    return F.avg_pool2d(padded, (1, length), stride=1)


def _foliage(image: Tensor) -> Tensor:
    """Where leaves and grass are, `(N, 1, H, W)` in [0, 1], from yellow to blueish green."""
    green = torch.maximum(ops.hue_weight(image, 95.0, 62.0), ops.hue_weight(image, 75.0, 40.0))
    # Haze and pale walls lean to green as well; leaves are saturated.
    green = green * ops.smoothstep(0.10, 0.34, ops.saturation(image))
    return ops.guided(ops.luma(image), green, 2, 0.01).clamp(0, 1)


def _infrared(image: Tensor) -> Tensor:
    # Colour infrared film shifts every band by one: infrared prints red, red prints green, green prints blue.
    grey = ops.luma(image)
    leaf = _foliage(image)
    sky = ops.hue_weight(image, 215.0, 60.0)
    warm = ops.hue_weight(image, 18.0, 58.0) * (1 - leaf)
    red, green, _ = image.chunk(3, dim=1)
    # Dyes and dark cloth are bright in infrared: shadows turn to wine.
    near = ops.mix(0.94 * grey + 0.31 * (1 - grey), 0.22 * grey, sky)
    near = ops.mix(near, 0.20 + 0.84 * grey + 0.50 * (red - green), warm)
    near = ops.mix(near, 0.50 + 0.75 * grey, leaf)
    # Skin is porcelain in infrared; the film's literal green skin would hide the person.
    print_green = ops.mix(0.92 * red, 0.02 + 0.88 * grey + 0.28 * (red - green), warm)
    print_green = ops.mix(print_green, 0.55 * red + 0.30 * green, sky)
    print_green = ops.mix(print_green, 0.10 + 0.40 * red, leaf)
    print_blue = ops.mix(0.98 * green + 0.08 * (1 - grey), 0.07 + 0.80 * grey, warm)
    print_blue = ops.mix(print_blue, 0.16 + 0.60 * green, leaf)
    print_ = torch.cat((near, print_green, print_blue), dim=1).clamp(0, 1)
    print_ = ops.mix(print_, print_ * print_ * (3 - 2 * print_), 0.6)
    tone = ops.luma(print_)
    glow = ops.blur(print_ * ops.smoothstep(0.35, 0.9, tone), 6.0)
    return ops.screen(print_, 0.42 * glow).clamp(0, 1)


def _thermal(image: Tensor) -> Tensor:
    grey = ops.luma(image)
    skin = ops.hue_weight(image, 20.0, 36.0)
    cold = ops.hue_weight(image, 210.0, 75.0)
    # Auto-gain: what is warmer than its surroundings stands out in a dim scene as in a bright one.
    around = ops.blur(grey, 24.0)
    heat = 0.36 + 0.95 * (grey - around) + 0.40 * (around - 0.5) + skin * (0.20 + 0.32 * grey) - 0.28 * cold
    # The sensor has few pixels: texture goes, outlines stay.
    heat = ops.blur(ops.guided(grey, heat, 3, 0.004), 0.7)
    return ops.gradient_map(torch.sigmoid(5.2 * (heat - 0.5)), IRONBOW).clamp(0, 1)


def _blueprint(image: Tensor) -> Tensor:
    grey = ops.luma(image)
    plan = ops.guided(grey, grey, 2, 0.002)
    fine = ops.edges(plan, 0.65)
    # Divided by its surroundings, a ramp of any steepness becomes a line of one weight.
    ridge = fine / (0.4 * fine + ops.blur(fine, 2.2) + 0.03)
    line = ops.smoothstep(0.3, 1.1, ridge) * ops.smoothstep(0.01, 0.07, fine)
    paper = ops.gradient_map(
        ops.blur(plan, 1.0), ((0.0, (0.02, 0.10, 0.30)), (0.5, (0.04, 0.18, 0.43)), (1.0, (0.09, 0.28, 0.56)))
    )
    rows = torch.arange(image.shape[-2], device=image.device).view(1, 1, -1, 1) % 8 == 0
    columns = torch.arange(image.shape[-1], device=image.device).view(1, 1, 1, -1) % 8 == 0
    grid = (rows | columns).to(image.dtype)
    sheet = ops.mix(paper, ops.colour((0.55, 0.75, 0.95), image), 0.04 * grid)
    return ops.mix(sheet, ops.colour((0.93, 0.97, 1.0), image), 0.85 * line).clamp(0, 1)


def _vhs(image: Tensor) -> Tensor:
    grey = ops.luma(image)
    # Tape keeps a tenth of the colour's width, late and a few lines low.
    bled = smear_right(smear_right(image - grey, 9), 6)
    bled = 1.55 * (0.5 * bled + 0.5 * ops.box(bled, 2))
    soft = 0.25 * shift_right(grey, 1) + 0.5 * grey + 0.25 * shift_right(grey, -1)
    detail = soft - smear_right(shift_right(soft, -3), 7)
    ringing = 0.35 * detail - 0.35 * shift_right(detail, 4) + 0.20 * shift_right(detail, 8)
    line = ops.tone_curve(soft, ((0.0, 0.17), (0.5, 0.46), (1.0, 0.82))) + ringing
    tape = line + bled
    # The guns of a tired tube do not meet.
    split = torch.cat((shift_right(tape[:, 0:1], -2), tape[:, 1:2], shift_right(tape[:, 2:3], 2)), dim=1)
    split = split + ops.colour((0.05, -0.05, 0.12), image) * (1 - 0.5 * grey)
    # The two fields of a frame lie a pixel apart.
    rows = torch.arange(image.shape[-2], device=image.device).view(1, 1, -1, 1) % 4
    return (split * torch.where(rows < 2, 1.02, 0.97).to(image.dtype)).clamp(0, 1)


EDITS: tuple[Edit, ...] = (
    Edit("infrared", "device", _infrared),
    Edit("thermal", "device", _thermal),
    Edit("blueprint", "device", _blueprint, drawn=True),
    Edit("vhs", "device", _vhs, drawn=True),
)
