"""What the embedded denoiser is told of a frame beside its latents: what is where, and how high up it is.

The region network's probabilities lie on the latents' grid; the height says to a network of convolutions where in the
picture it is, which a sky's colours and the air before a horizon depend on.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from movie_cli.models.region_names import REGIONS
from movie_cli.models.regions import RegionNetwork, probabilities

SCENE_CHANNELS = len(REGIONS) + 1
PIXELS = 16
"""Sides of pictures are multiples of so many pixels: the regions are seen at half the size, in steps of eight."""


def scene_of(network: RegionNetwork, image: Tensor) -> Tensor:
    """Regions and height `(N, 16, H/8, W/8)` in [0, 1], float32, of images `(N, 3, H, W)` in [-1, 1]."""
    half = F.avg_pool2d(image, 2)
    seen = probabilities(network(half.to(next(network.parameters()).dtype)).float())
    return torch.cat([seen, height_like(seen)], dim=1)


def height_like(planes: Tensor) -> Tensor:
    """How high up each row of planes `(N, C, h, w)` is, `(N, 1, h, w)`: 1 for the top row, 0 for the lowest."""
    rows = torch.linspace(1, 0, planes.shape[2], device=planes.device, dtype=planes.dtype)
    return rows.view(1, 1, -1, 1).expand(len(planes), 1, -1, planes.shape[3])


def sees_scene(in_channels: int, out_channels: int) -> bool:
    """Whether a denoiser of these channels has inputs for the scene: noisy latents, the scene, the source's latents."""
    return in_channels == 2 * out_channels + SCENE_CHANNELS
