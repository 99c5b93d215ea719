"""The discriminator of adversarial distillation: the frozen encoder half of the teacher, a trained head a layer.

A head sees its layer's activation with embeddings of `s_T`, `s_I` and `t` added, and its score is conditioned on the
prompt by projection (MoViE, Algorithm 2; the heads after StyleGAN-T and ADD, arXiv 2311.17042). Without the scales the
student's edit no longer follows them (MoViE, Table 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from torch import Tensor, nn

from movie_cli.models.scales import IMAGE_SCALE_RANGE, TEXT_SCALE_RANGE, ScaleEmbedding

TIME_CHANNELS = 128


def encoder_features(unet: Any, sample: Tensor, timesteps: Tensor, tokens: Tensor, scales: Tensor) -> list[Tensor]:
    """The output of every layer of a guided UNet's encoder half and middle, `(N, C_i, h_i, w_i)` each."""
    hidden = sample.to(unet.conv_in.weight.dtype)
    embedding = unet.time_embedding(unet.get_time_embed(sample=hidden, timestep=timesteps), scales)
    added = unet.get_aug_embed(emb=embedding, encoder_hidden_states=tokens, added_cond_kwargs={})
    if added is not None:
        embedding = embedding + added
    hidden = unet.conv_in(hidden)
    features: list[Tensor] = []
    for block in unet.down_blocks:
        extra = {"encoder_hidden_states": tokens} if getattr(block, "has_cross_attention", False) else {}
        hidden, layers = block(hidden_states=hidden, temb=embedding, **extra)
        features += layers
    if unet.mid_block is not None:
        extra = {"encoder_hidden_states": tokens} if getattr(unet.mid_block, "has_cross_attention", False) else {}
        hidden = unet.mid_block(hidden, embedding, **extra)
        features.append(hidden)
    return features


def feature_widths(unet: Any) -> list[int]:
    """The channels of what `encoder_features` gives, without running the network."""
    widths = []
    for block in unet.down_blocks:
        outputs = [resnet.out_channels for resnet in block.resnets]
        widths += outputs + ([outputs[-1]] if block.downsamplers is not None else [])
    return widths + ([unet.mid_block.resnets[-1].out_channels] if unet.mid_block is not None else [])


class Head(nn.Module):
    """Scores each place of one layer's activation."""

    def __init__(self, channels: int, width: int, condition_dim: int, prompt_dim: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.narrow = nn.Conv2d(channels, width, 1)
        self.condition = nn.Linear(condition_dim, width)
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.score = nn.Conv2d(width, 1, 1)
        self.prompt = nn.Linear(prompt_dim, width)
        self._norm_of_projection = width**-0.5

    def forward(self, features: Tensor, condition: Tensor, prompt: Tensor) -> Tensor:
        """Scores `(N, 1, h, w)`, low for real, from features `(N, C, h, w)`."""
        hidden = self.narrow(self.norm(features)) + self.condition(condition)[:, :, None, None]
        hidden = F.leaky_relu(self.conv(F.leaky_relu(hidden, 0.2)), 0.2)
        projection = (hidden * self.prompt(prompt)[:, :, None, None]).sum(dim=1, keepdim=True)
        score: Tensor = self.score(hidden) + self._norm_of_projection * projection
        return score


class Heads(nn.Module):
    """One head a layer, and the embeddings they share. `scale_heads=False` hides the scales from them."""

    def __init__(self, widths: Sequence[int], width: int, prompt_dim: int, scale_heads: bool) -> None:
        super().__init__()
        self.scale_heads = scale_heads
        self.time = Timesteps(TIME_CHANNELS, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.timestep = TimestepEmbedding(TIME_CHANNELS, width)
        self.text_scale = ScaleEmbedding(width, TEXT_SCALE_RANGE)
        self.image_scale = ScaleEmbedding(width, IMAGE_SCALE_RANGE)
        self.heads = nn.ModuleList([Head(channels, width, 3 * width, prompt_dim) for channels in widths])

    def forward(self, features: Sequence[Tensor], timesteps: Tensor, tokens: Tensor, scales: Tensor) -> list[Tensor]:
        """One map of scores a layer; `tokens` `(N, L, D)` are averaged to one prompt embedding."""
        time = self.timestep(self.time(timesteps))
        parts = [time, self.text_scale(scales[:, 0]), self.image_scale(scales[:, 1])]
        if not self.scale_heads:
            parts[1:] = [torch.zeros_like(time)] * 2
        condition = F.silu(torch.cat([part.float() for part in parts], dim=1))
        prompt = tokens.float().mean(dim=1)
        return [head(one, condition, prompt) for head, one in zip(self.heads, features, strict=True)]
