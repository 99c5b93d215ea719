"""What the nature edits know of a picture: soft masks of sky, vegetation, ground, tops, skin and highlights.

Every mask is a smooth, local, deterministic guess from colour, smoothness and height in the picture, so that it does
not jump between the frames of a video. Nothing here is learned and nothing is certain: a white wall in the upper half
may count as sky, and an edit has to look right when it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from movie_cli.train.bank import ops


class Scene:
    """The masks of images `(N, 3, H, W)` in [0, 1]; each is `(N, 1, H, W)` in [0, 1] and is computed when first asked.

    `height` is `(1, 1, H, 1)`, 1 at the top.
    """

    def __init__(self, image: Tensor) -> None:
        self.image = image
        self.luma = ops.luma(image)
        self.height = ops.height(image)

    @cached_property
    def soft_luma(self) -> Tensor:
        """Brightness without its finest detail."""
        return ops.blur(self.luma, 1.5)

    @cached_property
    def wide_luma(self) -> Tensor:
        """Brightness of the surroundings, about 12 pixels wide."""
        return ops.blur(self.luma, 8.0)

    @cached_property
    def soft(self) -> Tensor:
        """The image a little blurred: colours to make masks of, `(N, 3, H, W)`."""
        return ops.blur(self.image, 1.2)

    @cached_property
    def smooth(self) -> Tensor:
        """1 on smooth surfaces and in sky, 0 in foliage, crowds and at edges."""
        return ops.smoothstep(0.10, 0.015, ops.local_contrast(self.luma, 3.0))

    @cached_property
    def sky(self) -> Tensor:
        """Smooth, bright or blue, high in the picture, and with more of the same above it."""
        small = _half(self.soft)
        luma, height = ops.luma(small), ops.height(small)
        colourful = ops.saturation(small)
        blue = ops.smoothstep(0.0, 0.7, ops.hue_weight(small, 215.0, 60.0)) * ops.smoothstep(
            0.12, 0.42, small.amax(dim=1, keepdim=True)
        )
        warm = ops.hue_weight(small, 30.0, 50.0) * ops.smoothstep(0.55, 0.85, luma) * ops.smoothstep(0.5, 0.85, height)
        fleshy = ops.hue_weight(small, 18.0, 40.0) * ops.smoothstep(0.06, 0.15, colourful)
        pale = ops.smoothstep(0.35, 0.08, colourful) * ops.smoothstep(0.52, 0.80, luma) * (1 - 0.95 * fleshy)
        like = torch.maximum(torch.maximum(blue, pale), 0.7 * warm) * ops.smoothstep(0.15, 0.55, height)
        calm = like * (0.18 + 0.82 * _half(self.smooth))
        above = _mean_above(calm, 20)
        sure = ops.smoothstep(0.15, 0.60, calm * (0.2 + 0.8 * ops.smoothstep(0.1, 0.6, above)))
        # Smoothness fails along the skyline and at the edges of clouds: what is sky-coloured beside sure sky is sky.
        beside = ops.smoothstep(0.08, 0.40, ops.blur(sure, 6.0))
        mask = torch.maximum(sure, beside * ops.smoothstep(0.15, 0.50, like))
        return _guided_up(self.luma, luma, mask)

    @cached_property
    def near_sky(self) -> Tensor:
        """1 in the sky and beside it."""
        return ops.smoothstep(0.02, 0.35, ops.blur(self.sky, 3.0))

    @cached_property
    def horizon(self) -> Tensor:
        """1 where the sky meets what stands before it, falling to 0 some 40 pixels into the sky."""
        return ops.blur(1 - self.sky, 16.0)

    @cached_property
    def vegetation(self) -> Tensor:
        """Green and yellow-green things."""
        green = ops.hue_weight(self.soft, 98.0, 72.0)
        return ops.smoothstep(0.10, 0.55, green * ops.smoothstep(0.12, 0.32, ops.saturation(self.soft))) * (
            1 - self.sky
        )

    @cached_property
    def skin(self) -> Tensor:
        """Skin of any tone: orange hue, moderate saturation, rather smooth."""
        colourful = ops.saturation(self.soft)
        band = ops.smoothstep(0.12, 0.26, colourful) * ops.smoothstep(0.78, 0.60, colourful)
        hue = ops.smoothstep(0.15, 0.7, ops.hue_weight(self.soft, 18.0, 34.0))
        tone = ops.smoothstep(0.12, 0.28, self.soft_luma) * ops.smoothstep(0.97, 0.86, self.soft_luma)
        return ops.blur(hue * band * tone * (0.4 + 0.6 * self.smooth) * (1 - self.sky), 2.0)

    @cached_property
    def person(self) -> Tensor:
        """Skin and what it surrounds: brows, lips, eyes."""
        return ops.smoothstep(0.06, 0.35, ops.blur(self.skin, 6.0))

    @cached_property
    def tops(self) -> Tensor:
        """Up-facing: brighter than what lies below, or just under the sky."""
        lit = ops.smoothstep(0.0, 0.20, self.soft_luma - shifted(self.soft_luma, 4))
        rim = shifted(self.sky, -4)
        return torch.maximum(lit, rim) * (1 - self.sky) * (1 - 0.75 * self.person)

    @cached_property
    def ground(self) -> Tensor:
        """What lies low in the picture, is rather smooth and is neither sky nor skin."""
        low = ops.smoothstep(0.62, 0.12, self.height)
        return low * (0.45 + 0.55 * self.smooth) * (1 - self.sky) * (1 - self.skin)

    @cached_property
    def highlights(self) -> Tensor:
        """Bright spots, brighter than what is around them, not sky: lamps, glints, windows."""
        bright = ops.smoothstep(0.55, 0.90, self.soft_luma)
        return (
            bright * ops.smoothstep(0.06, 0.28, self.soft_luma - self.wide_luma) * (1 - self.near_sky) * (1 - self.skin)
        )

    def sky_of(self, top: Sequence[float], horizon: Sequence[float], clouds: float) -> Tensor:
        """A sky `(N, 3, H, W)` between two colours by height, with `clouds` times the detail of the picture's own."""
        amount = ops.smoothstep(0.3, 1.05, self.height) * (1 - ops.smoothstep(0.1, 0.8, self.horizon))
        colour = ops.mix(ops.colour(horizon, self.luma), ops.colour(top, self.luma), amount)
        return colour + clouds * (self.luma - ops.blur(self.luma, 16.0))


def shifted(plane: Tensor, rows: int) -> Tensor:
    """What lies `rows` pixels below each pixel (above, where negative), the border repeated."""
    length = plane.shape[-2]
    if rows >= 0:
        return F.pad(plane, (0, 0, 0, rows), mode="replicate")[..., rows:, :]
    return F.pad(plane, (0, 0, -rows, 0), mode="replicate")[..., :length, :]


def _half(plane: Tensor) -> Tensor:
    """The picture at half size, each pixel the mean of four."""
    return F.avg_pool2d(plane, 2, ceil_mode=True)


def _guided_up(guide: Tensor, small_guide: Tensor, small: Tensor, radius: int = 2, eps: float = 0.003) -> Tensor:
    """Bring a plane of half size to the size of `guide` along its edges (fast guided filter, He and Sun 2015)."""
    mean_g, mean_t = ops.box(small_guide, radius), ops.box(small, radius)
    covariance = ops.box(small_guide * small, radius) - mean_g * mean_t
    slope = covariance / (ops.box(small_guide * small_guide, radius) - mean_g * mean_g + eps)
    both = torch.cat([ops.box(slope, radius), ops.box(mean_t - slope * mean_g, radius)], dim=1)
    both = F.interpolate(both, size=guide.shape[-2:], mode="bilinear", align_corners=False)
    slopes, intercepts = both.chunk(2, dim=1)
    return (slopes * guide + intercepts).clamp(0, 1)


def _mean_above(plane: Tensor, rows: int) -> Tensor:
    """Mean of the `rows` pixels above each pixel, the top row repeated."""
    return F.avg_pool2d(F.pad(plane, (0, 0, rows, 0), mode="replicate"), (rows + 1, 1), stride=1)


def upright_blur(plane: Tensor, rows: int, slant: float = 0.0, stride: int = 2) -> Tensor:
    """Weighted mean along a line of `2 * rows + 1` pixels, `slant` pixels sideways for each row down.

    Takes every `stride`-th pixel of the line; the weight falls linearly to 0 at its ends.
    """
    width = round(abs(slant) * rows) + 1
    padded = F.pad(plane, (width, width, rows, rows), mode="replicate")
    high, wide = plane.shape[-2:]
    total, weights = torch.zeros_like(plane), 0.0
    for step in range(-rows, rows + 1, stride):
        weight = 1.0 - abs(step) / (rows + 1)
        left = width + round(slant * step)
        total = total + weight * padded[..., rows + step : rows + step + high, left : left + wide]
        weights += weight
    return total / weights


def lifted(image: Tensor, amount: float, detail: float) -> Tensor:
    """Brighten the midtones of `image` by `amount` (up to 1), its fine detail by the factor `detail` alone.

    A curve that is steep in the shadows would amplify a dark video's noise as well.
    """
    luma = ops.luma(image)
    base = _guided_up(luma, _half(luma), _half(image), 3, 0.01).clamp_min(1e-4)
    return base + amount * base**1.3 * (1 - base) + detail * (image - base)
