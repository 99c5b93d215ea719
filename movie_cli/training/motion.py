"""Small affine moves of pictures: for equivariant training, and for what the frame before may have looked like.

Fairy (arXiv 2312.13834) fine-tunes with the same small affine on source and target, so that an edit follows its
picture. Plain functions of tensors.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from movie_cli.training.samples import Draws


def small_affines(draws: Draws, largest: float) -> Tensor:
    """Affine maps `(N, 2, 3)`: shifts and changes of size up to `largest` of the picture, turns up to it in radians."""
    turn, size, x, y = draws.uniform(-largest, largest, (4,)).unbind(dim=1)
    cosine, sine = torch.cos(turn) * (1 + size), torch.sin(turn) * (1 + size)
    return torch.stack([cosine, -sine, 2 * x, sine, cosine, 2 * y], dim=1).view(-1, 2, 3)


def moved(pictures: Sequence[Tensor], affines: Tensor) -> list[Tensor]:
    """The same moves of several batches of pictures `(N, 3, H, W)`; what comes in from outside is mirrored."""
    grid = F.affine_grid(affines.to(pictures[0].device), list(pictures[0].shape), align_corners=False)
    return [F.grid_sample(one, grid, padding_mode="reflection", align_corners=False) for one in pictures]
