"""What makes a UNet an editor: both guidance scales as embeddings, and the source that its prediction is added to.

Modules for any UNet of the layout that diffusers gave Stable Diffusion's, be it the embedded model's (`unet`) or
diffusers' own (`denoiser`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TEXT_SCALE_RANGE = (2.0, 14.0)
"""The range `s_T` is drawn from in guidance distillation (MoViE, section 3.3)."""
IMAGE_SCALE_RANGE = (1.0, 3.0)
"""The range `s_I` is drawn from in guidance distillation (MoViE, section 3.3)."""


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
        frequencies = math.pi * torch.logspace(0, 4, FREQUENCIES, base=2.0, device="cpu")
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
        angles = position[:, None] * self.frequencies.to(position)
        # In float32 whatever the weights are: what is lost here is lost all over the picture alike.
        hidden = _linear(self.linear_1, torch.cat([angles.sin(), angles.cos()], dim=-1))
        return _linear(self.linear_2, self.act(hidden)).to(self.linear_2.weight.dtype)


def _linear(layer: nn.Linear, features: Tensor) -> Tensor:
    return F.linear(features, layer.weight.float(), layer.bias.float())


class TimestepEmbedding(nn.Module):
    """Two linear layers over a timestep's sines and cosines."""

    def __init__(self, in_channels: int, time_dim: int, act: nn.Module) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(in_channels, time_dim)
        self.act = act
        self.linear_2 = nn.Linear(time_dim, time_dim)

    def forward(self, waves: Tensor) -> Tensor:
        """Embed `(N, in_channels)` as `(N, time_dim)`."""
        embedding: Tensor = self.linear_2(self.act(self.linear_1(waves)))
        return embedding


class GuidedTimestepEmbedding(nn.Module):
    """Concatenates the timestep's embedding with those of the two guidance scales.

    A ResNet block applies a nonlinearity and one linear layer to what this returns. A linear layer over a
    concatenation is the sum of one linear layer a part, so each block owns a projection for the timestep,
    one for `s_T` and one for `s_I`, added to its features, as MoViE asks.
    """

    def __init__(
        self, in_channels: int, time_dim: int, scale_dim: int, act: nn.Module, default_scales: Sequence[float] | None
    ) -> None:
        super().__init__()
        self._default_scales = default_scales
        self.timestep = TimestepEmbedding(in_channels, time_dim, act)
        self.text_scale = ScaleEmbedding(scale_dim, TEXT_SCALE_RANGE)
        self.image_scale = ScaleEmbedding(scale_dim, IMAGE_SCALE_RANGE)

    def forward(self, sample: Tensor, condition: Tensor | None = None) -> Tensor:
        """Embed timesteps `(N, in_channels)` and scales `(N, 2)`, text scale first; returns `(N, time + 2 * scale)`."""
        if condition is None and self._default_scales is None:
            raise ValueError("a guided denoiser needs its scales: pass timestep_cond=(N, 2)")
        if condition is None:
            condition = torch.tensor([self._default_scales], device=sample.device).expand(len(sample), 2)
        parts = (self.timestep(sample), self.text_scale(condition[:, 0]), self.image_scale(condition[:, 1]))
        return torch.cat([part.to(sample.dtype) for part in parts], dim=-1)


class AttentionPooling(nn.Module):
    """One token of a text: its mean, with a learned offset, attends to itself and to all tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.positional_embedding = nn.Parameter(torch.empty(1, width))
        nn.init.normal_(self.positional_embedding, std=width**-0.5)
        self.k_proj, self.q_proj, self.v_proj = (nn.Linear(width, width) for _ in range(3))

    def forward(self, tokens: Tensor) -> Tensor:
        """Pool `(N, L, width)` to `(N, width)`."""
        mean = tokens.mean(dim=1, keepdim=True) + self.positional_embedding.to(tokens.dtype)
        tokens = torch.cat([mean, tokens], dim=1)
        query, key, value = (
            states.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for states in (self.q_proj(mean), self.k_proj(tokens), self.v_proj(tokens))
        )
        # Half of the scale to each: products of float16 overflow.
        scale = 1 / math.sqrt(math.sqrt(query.shape[-1]))
        weights = torch.einsum("nhqc,nhkc->nhqk", query * scale, key * scale)
        weights = weights.float().softmax(dim=-1).to(weights.dtype)
        return torch.einsum("nhqk,nhkc->nhqc", weights, value).flatten(1)


class TextEmbedding(nn.Module):
    """An embedding of the whole text, added to the timestep's part of the embedding and to no scale's.

    `padding` is the width of the scales' parts, zeros here; without it the text is added to the scales' parts as well.
    """

    def __init__(self, text_dim: int, time_dim: int, heads: int, padding: int = 0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(text_dim)
        self.pool = AttentionPooling(text_dim, heads)
        self.proj = nn.Linear(text_dim, time_dim)
        self.norm2 = nn.LayerNorm(time_dim)
        self.padding = padding

    def forward(self, tokens: Tensor) -> Tensor:
        """Embed `(N, L, text_dim)` as `(N, time_dim + padding)`."""
        embedding = self.norm2(self.proj(self.pool(self.norm1(tokens))))
        return F.pad(embedding, (0, self.padding)) if self.padding else embedding


class SourceResidual:
    """Adds to a prediction the source latents that it changes; see `GuidedUNet2DConditionModel` for the settings."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.log_scales: Any = False
        """Whether calls give the scales' logarithms, as graphs for the HTP do."""
        # No buffer: it must stay float32 beside weights of half precision.
        self.alphas = None if config["blank_betas"] is None else signal_levels(*config["blank_betas"])

    def add(self, change: Tensor, sample: Tensor, timestep: Tensor | float, scales: Tensor | None) -> Tensor:
        """The prediction `(N, out_channels, h, w)` of a network that was given `sample` and `scales` `(N, 2)`."""
        config = self.config
        if not config["source_residual"]:
            return change
        channels = config["out_channels"]
        source = sample[:, -channels:]
        share: Tensor | float = config["held_share"]
        if config["damped"] and scales is not None:
            image_scale = scales[:, 1].view(-1, 1, 1, 1)
            share = (-image_scale).exp() if self.log_scales else 1 / image_scale
        if self.alphas is not None:
            times = torch.as_tensor(timestep, device=sample.device).long().reshape(-1).expand(len(sample))
            guess = self.alphas.to(sample.device)[times].view(-1, 1, 1, 1) * sample[:, :channels]
            if scales is None:
                blank = (source == 0).flatten(1).all(dim=1).view(-1, 1, 1, 1)
                source = torch.where(blank, guess, source)
                share = torch.where(blank, 1.0, share)
            else:
                source = guess + scales[:, 1].view(-1, 1, 1, 1) * (source - guess)
        return share * change + config["residual_sign"] * source


def signal_levels(first: float, last: float, timesteps: int = 1000) -> Tensor:
    """`alpha_t` by timestep `(T,)` of a scaled-linear schedule, brought to zero at its end (arXiv 2305.08891)."""
    betas = torch.linspace(first**0.5, last**0.5, timesteps, device="cpu") ** 2
    alphas = (1 - betas).cumprod(dim=0).sqrt()
    return (alphas - alphas[-1]) * (alphas[0] / (alphas[0] - alphas[-1]))
