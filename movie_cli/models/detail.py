"""Carries the source's own fine detail to the output's size.

A guided filter (He, Sun, Tang 2010; fast form: He and Sun 2015) fits, in each window at the working size, a linear map
from the source's luma to the edited colour. The map's slope, brought to the output's size, says how much of a detail
of the source belongs in the edit: all of it where brightness was kept, none where the edit is flat, its negative where
brightness was turned over. What is added to the enlarged edit is that slope times the detail the working size lost.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from movie_cli.models.torch_free import EPSILON, LUMA, RADIUS, Pixels


def _luma(image: Tensor) -> Tensor:
    return (image * image.new_tensor(LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def _box(image: Tensor) -> Tensor:
    padded = F.pad(image, (RADIUS,) * 4, mode="replicate")
    return F.avg_pool2d(padded, 2 * RADIUS + 1, stride=1)


def slopes(source: Tensor, edited: Tensor) -> Tensor:
    """Smoothed slope `(N, 3, h, w)` of edited colour against source luma; both pictures `(N, 3, h, w)` in [0, 1]."""
    guide = _luma(source)
    mean = _box(guide)
    variance = _box(guide * guide) - mean * mean
    covariance = _box(guide * edited) - mean * _box(edited)
    return _box(covariance / (variance + EPSILON))


def transfer(full: Pixels, source: Pixels, edited: Pixels, size: tuple[int, int], amount: float) -> Pixels:
    """Bring one edited frame to `size` (width, height) with the source's detail.

    `full` is the source's frame `(H, W, 3)` at its own size, `source` and `edited` are `(h, w, 3)` at the working size,
    all uint8 RGB. `amount` in [0, 1] scales the detail.
    """
    small, result = _planes(source), _planes(edited)
    width, height = size
    enlarged = _resize(result, height, width)
    if amount > 0:
        slope = _resize(slopes(small, result), height, width)
        luma = _luma(_planes(full))
        if luma.shape[-2:] != (height, width):
            luma = F.interpolate(luma, (height, width), mode="bicubic", antialias=True)
        lost = luma - _resize(_luma(small), height, width)
        enlarged = enlarged.addcmul_(slope, lost, value=amount)
    pixels = enlarged.mul_(255).round_().clamp_(0, 255).to(torch.uint8)[0].permute(1, 2, 0)
    return np.ascontiguousarray(pixels.numpy())


def _planes(pixels: Pixels) -> Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


def _resize(image: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(image, size=(height, width), mode="bicubic", align_corners=False)
