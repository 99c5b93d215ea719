"""Changes of light, colour and sharpness that a photograph is shown with, so that regions do not hang on them.

Photographs for training show few nights, little snow and no bad cameras: these changes stand in.
"""

from __future__ import annotations

import io
import random

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

LUMA = (0.2126, 0.7152, 0.0722)


def changed(picture: Tensor, rng: random.Random) -> Tensor:
    """A picture `(3, H, W)` in [0, 1] in another light, with other colours, or taken by a worse camera."""
    if rng.random() < 0.2:
        picture = blurred(picture, rng.choice((1, 1, 2)))
    if rng.random() < 0.8:
        picture = relit(picture, rng)
    if rng.random() < 0.3:
        noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(rng.getrandbits(62)))
        picture = picture + noise * rng.uniform(0.005, 0.06)
    picture = picture.clamp(0, 1)
    if rng.random() < 0.2:
        picture = compressed(picture, rng.randint(15, 60))
    return picture


def relit(picture: Tensor, rng: random.Random) -> Tensor:
    """Exposure, gamma, contrast, saturation, a colour cast, and now and then a grey picture or a slope of light."""
    picture = picture.clamp(1e-4, 1) ** rng.choice((1.0, 2 ** rng.uniform(-0.7, 1.0)))
    luma = (picture * picture.new_tensor(LUMA).view(3, 1, 1)).sum(dim=0, keepdim=True)
    saturation = 0.0 if rng.random() < 0.06 else rng.uniform(0.4, 1.5)
    picture = luma + (picture - luma) * saturation
    if rng.random() < 0.3:
        weight = rng.uniform(-0.35, 0.35)
        mixed = picture.roll(rng.choice((1, 2)), dims=0)
        picture = picture + abs(weight) * (mixed - picture)
    cast = picture.new_tensor([2 ** rng.gauss(0, 0.14) for _ in range(3)]).view(3, 1, 1)
    picture = picture * cast * 2 ** rng.gauss(0, 0.35)
    middle = rng.uniform(0.3, 0.6)
    picture = (picture - middle) * rng.uniform(0.65, 1.3) + middle
    if rng.random() < 0.15:
        height, width = picture.shape[1:]
        slope = torch.linspace(-1, 1, width).view(1, 1, -1) * rng.uniform(-1, 1)
        slope = slope + torch.linspace(-1, 1, height).view(1, -1, 1) * rng.uniform(-1, 1)
        picture = picture * 2 ** (0.6 * slope)
    return picture


def blurred(picture: Tensor, radius: int) -> Tensor:
    """Twice the mean over a square of `2 * radius + 1` pixels a side."""
    for _ in range(2):
        picture = F.avg_pool2d(picture[None], 2 * radius + 1, 1, radius, count_include_pad=False)[0]
    return picture


def compressed(picture: Tensor, quality: int) -> Tensor:
    """The picture as a JPEG file of some quality shows it."""
    pixels = (picture * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1).float() / 255
