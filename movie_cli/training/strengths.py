"""How strong an edit is at any guidance scales, as a teacher's samples say. Knows nothing of networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from movie_cli.recipe import DEFAULT_IMAGE_SCALE, DEFAULT_TEXT_SCALE
from movie_cli.training.bank.edit import DEFAULT_STRENGTH

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
