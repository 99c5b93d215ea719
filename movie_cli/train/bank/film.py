"""Edits that imitate a film stock, a grade or a device's picture.

Black and white, sepia, vintage, noir, cyberpunk, teal and orange; infrared film, thermal camera, blueprint, VHS tape.
Deterministic, continuous functions whose result depends on about 60 pixels around a place and on the height in the
picture; fixed patterns (the blueprint's grid, the tape's scanlines) have periods of 8 and 4 pixels from the top left.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from movie_cli.train.bank import ops
from movie_cli.train.bank.edit import Edit
from movie_cli.train.bank.scene import Scene


def panchromatic(image: Tensor, weights: tuple[float, float, float]) -> Tensor:
    """Grey `(N, 1, H, W)` of a film with the given sensitivity to red, green and blue; the weights sum to 1."""
    return (image * ops.colour(weights, image)).sum(dim=1, keepdim=True)


def base_layer(plane: Tensor, radius: int, eps: float) -> Tensor:
    """The edge-keeping smooth part of `(N, 1, H, W)`, by a fast guided filter on a quarter-size picture.

    `radius` is in pixels of the picture, `eps` a variance as in `ops.guided`. Subsampling the coefficients and not
    the picture is from "Fast Guided Filter" (He, Sun 2015).
    """
    step = 4 if min(plane.shape[-2:]) >= 32 else 1
    small = F.avg_pool2d(plane, step, ceil_mode=True) if step > 1 else plane
    square = F.avg_pool2d(plane * plane, step, ceil_mode=True) if step > 1 else plane * plane
    reach = max(1, radius // step)
    mean = ops.box(small, reach)
    variance = (ops.box(square, reach) - mean * mean).clamp_min(0)
    slope = variance / (variance + eps)
    coefficients = ops.box(torch.cat((slope, (1 - slope) * mean), dim=1), reach)
    if step > 1:
        # Cropped and not resized to the picture, so that a size that is no multiple of the step shifts nothing.
        whole = (small.shape[-2] * step, small.shape[-1] * step)
        coefficients = F.interpolate(coefficients, size=whole, mode="bilinear", align_corners=False)
        coefficients = coefficients[..., : plane.shape[-2], : plane.shape[-1]]
    return coefficients[:, 0:1] * plane + coefficients[:, 1:2]


def clarity(plane: Tensor, amount: float, radius: int = 10, eps: float = 0.01) -> Tensor:
    """Local contrast of `(N, 1, H, W)` raised by `amount` around an edge-keeping base, so that no halo appears."""
    return (plane + amount * (plane - base_layer(plane, radius, eps))).clamp(0, 1)


def sigmoid_contrast(plane: Tensor, slope: float, pivot: float = 0.5) -> Tensor:
    """An S-shaped curve through (0, 0) and (1, 1) that is steepest, about `slope / 4` and more, at `pivot`."""
    low = torch.sigmoid(plane.new_tensor(-slope * pivot))
    high = torch.sigmoid(plane.new_tensor(slope * (1 - pivot)))
    return (torch.sigmoid(slope * (plane - pivot)) - low) / (high - low)


def bloom(plane: Tensor, low: float, high: float, sigma: float) -> Tensor:
    """Light that spreads from what is brighter than `low` (fully from `high`): `plane` masked, then blurred."""
    return ops.blur(plane * ops.smoothstep(low, high, plane), sigma)


def _black_and_white(scene: Scene) -> Tensor:
    image = scene.image
    grey = panchromatic(image, (0.34, 0.50, 0.16))
    grey = clarity(grey, 0.15)
    return ops.mix(grey, sigmoid_contrast(grey, 4.5, 0.47), 0.45).expand_as(image).clamp(0, 1)


def _noir(scene: Scene) -> Tensor:
    image = scene.image
    # An orange filter, as on the sets: skin and lamps bright, sky and cloth dark.
    grey = panchromatic(image, (0.62, 0.33, 0.05))
    grey = clarity(grey, 0.15, radius=12, eps=0.02)
    # The pivot follows the surroundings, so that a bright room turns low-key too and a dark one keeps its figure.
    around = ops.blur(grey, 24.0)
    hard = torch.sigmoid(5.6 * (grey - 0.30 - 0.52 * around))
    tone = hard * (0.25 + 0.75 * grey)
    up = ops.height(image)
    falloff = 1 - 0.75 * ops.smoothstep(0.55, 1.0, up) - 0.35 * ops.smoothstep(0.25, 0.0, up)
    tone = tone * falloff
    return ops.screen(tone, 0.35 * bloom(tone, 0.6, 0.95, 5.0)).expand_as(image).clamp(0, 1)


def _sepia(scene: Scene) -> Tensor:
    image = scene.image
    # Early plates saw blue best and red hardly: skies pale, lips and brick dark.
    grey = panchromatic(image, (0.22, 0.46, 0.32))
    grey = clarity(grey, 0.25)
    grey = ops.mix(grey, sigmoid_contrast(grey, 4.5), 0.6)
    grey = ops.screen(grey, 0.18 * bloom(grey, 0.6, 1.0, 3.0))
    stops = (
        (0.0, (0.16, 0.085, 0.035)),
        (0.35, (0.46, 0.29, 0.15)),
        (0.7, (0.80, 0.63, 0.41)),
        (1.0, (0.98, 0.90, 0.72)),
    )
    toned = ops.gradient_map(grey, stops)
    up = ops.height(image)
    fade = 0.10 * ops.smoothstep(0.75, 1.0, up) + 0.10 * ops.smoothstep(0.25, 0.0, up)
    return ops.mix(toned, ops.colour((0.72, 0.54, 0.33), image), fade).clamp(0, 1)


def _vintage(scene: Scene) -> Tensor:
    image = scene.image
    grey = ops.luma(image)
    faded = ops.saturate(image, 0.72)
    # Each dye layer fades in its own way: red lifts in the shadows, blue loses its highlights.
    red = ops.tone_curve(faded[:, 0:1], ((0.0, 0.27), (0.5, 0.63), (1.0, 0.97)))
    green = ops.tone_curve(faded[:, 1:2], ((0.0, 0.17), (0.5, 0.57), (1.0, 0.90)))
    blue = ops.tone_curve(faded[:, 2:3], ((0.0, 0.25), (0.5, 0.42), (1.0, 0.62)))
    print_ = torch.cat((red, green, blue), dim=1)
    # Halation: light that passed the film and came back from its base, red first.
    glow = bloom(grey, 0.62, 0.95, 7.0)
    return ops.screen(print_, glow * ops.colour((0.42, 0.16, 0.03), image)).clamp(0, 1)


def _cyberpunk(scene: Scene) -> Tensor:
    image = scene.image
    grey = ops.luma(image)
    # The pivot follows the surroundings: a bright day falls into night as well, and keeps its local contrast.
    around = ops.blur(grey, 24.0)
    base = torch.sigmoid(7.5 * (clarity(grey, 0.6) - 0.36 - 0.45 * around)) * (0.35 + 0.65 * grey)
    # Which lamp lights a place: its own hue, the side that its surface turns to, and the street's glow below.
    warm = torch.tanh(5.0 * (image[:, 0:1] - image[:, 2:3] - 0.06))
    dx, _ = ops.gradient(ops.blur(grey, 4.0))
    side = torch.tanh(90.0 * dx)
    magenta = torch.sigmoid(2.6 * warm + 2.2 * side + 1.6 * (0.5 - ops.height(image)))
    lamp = ops.mix(ops.colour((0.0, 0.86, 0.98), image), ops.colour((1.0, 0.06, 0.62), image), magenta)
    night = ops.gradient_map(
        base,
        ((0.0, (0.025, 0.015, 0.08)), (0.4, (0.12, 0.07, 0.30)), (0.8, (0.50, 0.44, 0.74)), (1.0, (0.98, 0.95, 1.0))),
    )
    lit = ops.mix(night, lamp * (0.12 + 1.15 * base), 0.78 * ops.smoothstep(0.02, 0.4, base) * (1 - 0.8 * base**3))
    tubes = ops.smoothstep(0.025, 0.15, ops.edges(grey, 1.0)) * lamp
    glow = 0.50 * ops.blur(tubes, 0.8) + ops.blur(0.65 * tubes + 0.85 * lamp * base**2, 7.0)
    return ops.screen(lit, glow.clamp(0, 1)).clamp(0, 1)


def _teal_and_orange(scene: Scene) -> Tensor:
    image = scene.image
    grey = ops.luma(image)
    tone = sigmoid_contrast(clarity(grey, 0.15), 4.5, 0.52)
    # Positive on skin, wood, lamps and sand; negative on sky, leaves and in neutral shadow.
    red, green, blue = image.chunk(3, dim=1)
    warmth = red - 0.35 * green - 0.65 * blue - 2.0 * F.softplus(30.0 * (green - red)) / 30.0
    orange = torch.sigmoid(14.0 * (warmth + 0.01 - 0.08 * (0.5 - grey)))
    teal = ops.gradient_map(
        tone,
        ((0.0, (0.0, 0.035, 0.06)), (0.3, (0.02, 0.25, 0.31)), (0.7, (0.20, 0.62, 0.68)), (1.0, (0.86, 1.0, 0.97))),
    )
    warm = ops.gradient_map(
        tone, ((0.0, (0.08, 0.03, 0.02)), (0.3, (0.54, 0.23, 0.06)), (0.7, (1.0, 0.60, 0.26)), (1.0, (1.0, 0.95, 0.84)))
    )
    return ops.mix(teal, warm, orange).clamp(0, 1)


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


def _infrared(scene: Scene) -> Tensor:
    image = scene.image
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


def _thermal(scene: Scene) -> Tensor:
    image = scene.image
    grey = ops.luma(image)
    skin = ops.hue_weight(image, 20.0, 36.0)
    cold = ops.hue_weight(image, 210.0, 75.0)
    # Auto-gain: what is warmer than its surroundings stands out in a dim scene as in a bright one.
    around = ops.blur(grey, 24.0)
    heat = 0.36 + 0.95 * (grey - around) + 0.40 * (around - 0.5) + skin * (0.20 + 0.32 * grey) - 0.28 * cold
    # The sensor has few pixels: texture goes, outlines stay.
    heat = ops.blur(ops.guided(grey, heat, 3, 0.004), 0.7)
    return ops.gradient_map(torch.sigmoid(5.2 * (heat - 0.5)), IRONBOW).clamp(0, 1)


def _blueprint(scene: Scene) -> Tensor:
    image = scene.image
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


def _vhs(scene: Scene) -> Tensor:
    image = scene.image
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
    Edit("black_and_white", "film", _black_and_white),
    Edit("sepia", "film", _sepia),
    Edit("vintage", "film", _vintage),
    Edit("noir", "film", _noir),
    Edit("cyberpunk", "film", _cyberpunk),
    Edit("teal_and_orange", "film", _teal_and_orange),
    Edit("infrared", "device", _infrared),
    Edit("thermal", "device", _thermal),
    Edit("blueprint", "device", _blueprint, drawn=True),
    Edit("vhs", "device", _vhs, drawn=True),
)
