"""What may have happened to a picture: small affine moves, the next frame's shift, a camera's noise.

Fairy (arXiv 2312.13834) fine-tunes with the same small affine on source and target, so that an edit follows its
picture. A student that must answer noisy sources with the clean picture's target does not carry a video's noise into
its edits. Plain functions of tensors; everything is drawn by a sample's number.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
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
