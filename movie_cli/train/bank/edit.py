"""What an edit of the procedural bank is, and how the guidance scales become its strength.

The edits themselves live in the modules beside this one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from movie_cli.recipe import DEFAULT_IMAGE_SCALE, DEFAULT_TEXT_SCALE
from movie_cli.train.bank import ops
from movie_cli.train.bank.scene import Scene

Group = Literal[
    "season", "light", "place", "drawing", "painting", "film", "device", "colour", "material", "photographic"
]
Look = Callable[[Scene], Tensor]

DEFAULT_STRENGTH = 0.9
"""Strength at the default scales 7.5 and 1.5: a full edit with some room above it."""


@dataclass(frozen=True)
class Edit:
    """One edit: a name, the family it belongs to, and the image it asks for at full strength.

    `look` maps a scene to pictures of the same shape and range as its own, `(N, 3, H, W)`, float32, sRGB-encoded in
    [0, 1]. It is deterministic, continuous in its input, and works at the scale of a picture of 256 to 400 pixels in
    height.
    `drawn` edits replace the picture's texture (drawings, paintings, some devices); their colour moves to the
    target sooner than their structure does, so that a drawing at half strength is not a photograph's double exposure
    in full colour. `gridded` ones lie on the latents' grid of 8 pixels: moved with their picture they are another edit.
    `painted` ones are made by the style teacher, which is named first (`paint.use`).
    """

    name: str
    group: Group
    look: Look = field(repr=False)
    drawn: bool = False
    gridded: bool = False
    painted: bool = False

    def full(self, image: Tensor, regions: Tensor | None = None) -> Tensor:
        """Edit images `(N, 3, H, W)` in [0, 1] in full, with the regions `(N, 15, h, w)` that are in them."""
        return self.look(Scene(image, regions)).clamp(0, 1)

    def apply(self, image: Tensor, strength: Tensor | float, regions: Tensor | None = None) -> Tensor:
        """Edit images at a strength in [0, 1], a float or a tensor `(N,)`."""
        return blend(image, self.full(image, regions), strength, self.drawn)


def blend(image: Tensor, full: Tensor, strength: Tensor | float, drawn: bool) -> Tensor:
    """Go from `image` to `full` by `strength`, a float or a tensor `(N,)`, 1 for all; colour first where `drawn`."""
    amount = torch.as_tensor(strength, dtype=image.dtype, device=image.device).reshape(-1, 1, 1, 1)
    change = full - image
    colour = torch.where(amount < 1, _colour_first(amount), amount) if drawn else amount
    return _moved(image, change, amount, colour).clamp(0, 1)


def extended(image: Tensor, edited: Tensor, strength: float, amount: Tensor, drawn: Tensor) -> Tensor:
    """Go on from `image` through its edit of a small strength, in a straight line, to `amount` of the full edit.

    Colour goes first where `drawn`, as in `blend`, up to the full edit; beyond it all goes on alike.

    Args:
        image: `(N, 3, H, W)`, of any range.
        edited: The same with a part `strength` of the full edit.
        strength: In (0, 1].
        amount: `(N,)`, 1 for the full edit.
        drawn: bool `(N,)`.
    """
    amount = amount.view(-1, 1, 1, 1)
    change = (edited - image) / strength
    ahead = drawn.view(-1, 1, 1, 1) & (amount < 1)
    return _moved(image, change, amount, torch.where(ahead, _colour_first(amount), amount))


def _colour_first(amount: Tensor) -> Tensor:
    """How far a drawn edit's colour is when its luma is at `amount` in [0, 1]."""
    return 1 - (1 - amount) ** 3


def _moved(image: Tensor, change: Tensor, luma_amount: Tensor, colour_amount: Tensor) -> Tensor:
    """An image with parts of a change, those of its luma and of the rest apart."""
    luma = (change * change.new_tensor(ops.LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    return image + luma_amount * luma + colour_amount * (change - luma)


MOST = 1.4
"""Full edits that no scales go beyond: what lies further is clipped away."""


def amount_of(text_scale: float, image_scale: float) -> float:
    """How much of the full edit scales ask for where nothing but the bank decides: in (0, 1.4], 0.9 at the defaults.

    Powers of both ratios, so that each scale is felt over its whole range: a text scale of 3 gives 0.58 and one of 12
    1.33 times the usual edit, an image scale of 1 gives 1.36 and one of 2.5 gives 0.68 times.
    """
    return min(MOST, DEFAULT_STRENGTH * (text_scale / 7.5) ** 0.6 * (1.5 / image_scale) ** 0.75)


Strength = Callable[[float, float], float]


class Strengths:
    """Strengths over the trained ranges of both scales, bilinear between five by three points.

    `teacher(text_scale, image_scale)` is how far from the source the teacher goes there, against the full edit. At the
    usual scales it is `DEFAULT_STRENGTH` whatever the teacher does, who may be too weak there; that correction fades
    towards the ends of the ranges, where the teacher decides.
    """

    def __init__(self, text_range: Sequence[float], image_range: Sequence[float], teacher: Strength) -> None:
        (low, high), (least, most) = text_range, image_range
        text, image = _inside(text_range, DEFAULT_TEXT_SCALE), _inside(image_range, DEFAULT_IMAGE_SCALE)
        self.text_scales = [low, (low + text) / 2, text, (text + high) / 2, high]
        self.image_scales = [least, image, most]
        values = torch.tensor([[teacher(one, other) for other in self.image_scales] for one in self.text_scales])
        nearness = torch.tensor([0.0, 0.5, 1.0, 0.5, 0.0]).view(5, 1) * torch.tensor([0.0, 1.0, 0.0])
        self.values = values * (DEFAULT_STRENGTH / values[2, 1].clamp_min(1e-3)) ** nearness

    def __call__(self, scales: Tensor) -> Tensor:
        """Strengths `(N,)` at scales `(N, 2)`, the text scale first; outside of the ranges, those at their ends."""
        text, image = (_shares(scales[:, i], known) for i, known in enumerate((self.text_scales, self.image_scales)))
        return torch.einsum("nt,ti,ni->n", text, self.values.to(scales), image)


def _inside(ends: Sequence[float], usual: float) -> float:
    """The usual scale, or the middle of a range that it does not lie in."""
    low, high = ends
    return usual if low < usual < high else (low + high) / 2


def _shares(values: Tensor, points: Sequence[float]) -> Tensor:
    """What each point counts for at each value, `(N, points)`: both neighbours by their nearness."""
    known = values.new_tensor(points)
    place = ((values.view(-1, 1) - known[:-1]) / (known[1:] - known[:-1])).clamp(0, 1).sum(dim=1, keepdim=True)
    return (1 - (place - torch.arange(len(points), device=values.device)).abs()).clamp_min(0)
