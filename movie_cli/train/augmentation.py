"""What may have happened to a picture: moves, the next frame's shift, a camera's noise, another light, a worse file.

Fairy (arXiv 2312.13834) fine-tunes with the same small affine on source and target, so that an edit follows its
picture. A student that must answer noisy sources with the clean picture's target does not carry a video's noise into
its edits. Photographs for training show few nights, little snow and no bad cameras: changes of light and colour stand
in for them, so that regions do not hang on these. Everything is drawn by a sample's number.
"""

from __future__ import annotations

import io
import random
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from movie_cli.train.samples import Draws

FARTHEST = 24
"""Pixels that a neighbouring frame is shifted by, at most."""
BLOTCH = 4
"""Pixels that a blotch of noise is wide."""


def small_affines(draws: Draws, largest: float) -> Tensor:
    """Affine maps `(N, 2, 3)`: shifts and changes of size up to `largest` of the picture, turns up to it in radians."""
    turn, size, x, y = draws.uniform(-largest, largest, (4,)).unbind(dim=1)
    cosine, sine = torch.cos(turn) * (1 + size), torch.sin(turn) * (1 + size)
    return torch.stack([cosine, -sine, 2 * x, sine, cosine, 2 * y], dim=1).view(-1, 2, 3)


def moved(pictures: Sequence[Tensor], affines: Tensor) -> list[Tensor]:
    """The same moves of several batches of pictures `(N, 3, H, W)`; what comes in from outside is mirrored."""
    grid = F.affine_grid(affines.to(pictures[0].device), list(pictures[0].shape), align_corners=False)
    return [F.grid_sample(one, grid, padding_mode="reflection", align_corners=False) for one in pictures]


def neighbours(pictures: Tensor, draws: Draws) -> Tensor:
    """Pictures `(N, 3, H, W)` in [-1, 1] as another frame may show them: shifted, slightly brighter or darker."""
    down, across = (draws.whole(2 * FARTHEST + 1) - FARTHEST for _ in range(2))
    shifts = zip(down.tolist(), across.tolist(), strict=True)
    shifted = [one.roll(shift, dims=(1, 2)) for one, shift in zip(pictures, shifts, strict=True)]
    return (torch.stack(shifted) * draws.uniform(0.95, 1.05).view(-1, 1, 1, 1)).clamp(-1, 1)


def grainy(pictures: Tensor, deviation: float, draws: Draws) -> Tensor:
    """Pictures `(N, 3, H, W)` in [-1, 1] as a camera or a codec might have left them.

    Adds white noise and noise in blotches, each of a standard deviation up to `deviation` in [0, 1], and none of it on
    half of the samples.
    """
    amounts = draws.uniform(-0.5, 0.5, (2, 1, 1, 1)).clamp_min(0) * (4 * deviation)
    _, channels, height, width = pictures.shape
    blotches = draws.normal(channels, height // BLOTCH, width // BLOTCH)
    blotches = F.interpolate(blotches, size=(height, width), mode="bilinear")
    return (pictures + amounts[:, 0] * draws.normal(channels, height, width) + amounts[:, 1] * blotches).clamp(-1, 1)


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
