"""What looks know of a picture: soft masks of sky, plants, ground, persons, tops and highlights.

What is where is said by the regions that a picture is given with: a teacher's, or the region network's own. Here they
are brought to the picture's size along its edges. Without regions all is "other": no sky, nobody, no ground.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from movie_cli.models.region_names import PLACES, REGIONS
from movie_cli.train.bank import ops


class Scene:
    """The masks of images `(N, 3, H, W)` in [0, 1]; each is `(N, 1, H, W)` in [0, 1] and is computed when first asked.

    `regions` `(N, 15, h, w)` are probabilities of `REGIONS`, of any size. `height` is `(1, 1, H, 1)`, 1 at the top.
    """

    def __init__(self, image: Tensor, regions: Tensor | None = None) -> None:
        self.image = image
        if regions is None:
            regions = image.new_zeros(len(image), len(REGIONS), 1, 1)
            regions[:, REGIONS.index("other")] = 1
        self.regions = regions
        self.luma = ops.luma(image)
        self.height = ops.height(image)

    def edited(self, image: Tensor) -> Scene:
        """The same scene with another picture of it, for a look upon a look."""
        return Scene(image, self.regions)

    def mask(self, *names: str) -> Tensor:
        """Where any of the named regions or places of `region_names` is, at the picture's size and along its edges."""
        planes = self.regions
        weights: dict[str, float] = {}
        for name in names:
            weights |= PLACES[name]
        total = sum(weight * planes[:, [REGIONS.index(name)]] for name, weight in weights.items())
        return self._fine(torch.as_tensor(total).clamp(0, 1))

    def _fine(self, plane: Tensor) -> Tensor:
        size = self.luma.shape[-2:]
        if plane.shape[-2:] == (1, 1):
            return plane.expand(-1, -1, *size)
        full = F.interpolate(plane, size=size, mode="bilinear", align_corners=False)
        small, guide = _half(full), _half(self.luma)
        return ops.smoothstep(0.15, 0.85, _guided_up(self.luma, guide, small, 4, 0.001))

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
    def sky(self) -> Tensor:
        """The sky."""
        return self.mask("sky")

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
        """Trees, plants and grass."""
        return self.mask("plants")

    @cached_property
    def ground(self) -> Tensor:
        """Grass, earth, rock, roads and floors."""
        return self.mask("ground")

    @cached_property
    def water(self) -> Tensor:
        """Sea, rivers, pools."""
        return self.mask("water")

    @cached_property
    def building(self) -> Tensor:
        """Houses from outside."""
        return self.mask("building")

    @cached_property
    def person(self) -> Tensor:
        """Persons."""
        return self.mask("person")

    @cached_property
    def subject(self) -> Tensor:
        """Persons, animals and vehicles: what a change of season or place leaves alone."""
        return self.mask("subject")

    @cached_property
    def skin(self) -> Tensor:
        """Persons' faces and skin."""
        return self.mask("face_and_skin")

    @cached_property
    def tops(self) -> Tensor:
        """Up-facing: brighter than what lies below, or just under the sky; not on persons, animals and vehicles."""
        lit = ops.smoothstep(0.0, 0.20, self.soft_luma - shifted(self.soft_luma, 4))
        rim = shifted(self.sky, -4)
        return torch.maximum(lit, rim) * (1 - self.sky) * (1 - self.subject)

    @cached_property
    def outdoors(self) -> Tensor:
        """`(N, 1, 1, 1)`: 1 where little of the picture is walls and furniture."""
        inside = self.regions[:, [REGIONS.index("wall_and_furniture")]].mean(dim=(2, 3), keepdim=True)
        return ops.smoothstep(0.45, 0.15, inside)

    @cached_property
    def highlights(self) -> Tensor:
        """Bright spots, brighter than what is around them, not sky: lamps, glints, windows."""
        bright = ops.smoothstep(0.55, 0.90, self.soft_luma)
        return (
            bright
            * ops.smoothstep(0.06, 0.28, self.soft_luma - self.wide_luma)
            * (1 - self.near_sky)
            * (1 - self.person)
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
    both = torch.cat(ops.guided_maps(small_guide, small, radius, eps), dim=1)
    both = F.interpolate(both, size=guide.shape[-2:], mode="bilinear", align_corners=False)
    slopes, intercepts = both.chunk(2, dim=1)
    return (slopes * guide + intercepts).clamp(0, 1)


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
