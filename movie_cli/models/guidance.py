"""Embeddings of the guidance scales `s_T` and `s_I`. Knows nothing of the network that uses them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FREQUENCIES = 16
"""Sine and cosine pairs a scale. Unpublished in the paper; chosen so that the finest period is 1/8 of the range."""


class ScaleEmbedding(nn.Module):
    """Sinusoidal embedding of one guidance scale, followed by two linear layers (MoViE, section 3.3).

    The scale is mapped to `[0, 1]` over its trained range on a logarithmic axis, since a scale acts by ratio:
    from 2 to 4 changes an edit about as much as from 4 to 8. Periods run from twice the range, so that the
    embedding of the lowest and the highest value differ, down to an eighth of it, so that it stays smooth
    between training values.
    """

    frequencies: Tensor

    def __init__(self, dim: int, scale_range: tuple[float, float]) -> None:
        super().__init__()
        self.low, self.high = (math.log(value) for value in scale_range)
        frequencies = math.pi * torch.logspace(0, 4, FREQUENCIES, base=2.0)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.linear_1 = nn.Linear(2 * FREQUENCIES, dim)
        self.act = nn.SiLU()
        self.linear_2 = nn.Linear(dim, dim)

    def forward(self, scale: Tensor) -> Tensor:
        """Embed scales of shape `(N,)`, in their own units and positive; returns `(N, dim)`."""
        return self.embed(scale.float().clamp_min(1e-3).log())

    def embed(self, log_scale: Tensor) -> Tensor:
        """Embed natural logarithms of scales, `(N,)` in float32, for graphs on devices that have no logarithm."""
        position = (log_scale - self.low) / (self.high - self.low)
        angles = position[:, None] * self.frequencies.float()
        # In float32 whatever the weights are: what is lost here is lost all over the picture alike.
        hidden = _linear(self.linear_1, torch.cat([angles.sin(), angles.cos()], dim=-1))
        return _linear(self.linear_2, self.act(hidden)).to(self.linear_2.weight.dtype)


def _linear(layer: nn.Linear, features: Tensor) -> Tensor:
    return F.linear(features, layer.weight.float(), layer.bias.float())
