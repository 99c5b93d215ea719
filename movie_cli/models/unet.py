"""The embedded model's denoiser in plain torch: a conditional UNet that takes both guidance scales as embeddings.

It is a `GuidedUNet2DConditionModel` of one family of shapes, which `checkpoints.load.is_plain_unet` tells from all
others: the same configuration, the same names of weights, the same numbers. Nothing else of diffusers is needed to run
it.

What does not depend on the frame, the embeddings' and the text's share in every level, is computed apart from the rest
(`UNet.prepare`), so that it can be kept from frame to frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from movie_cli.models.attention import AnchorAttnProcessor, ConditioningCache, attended
from movie_cli.models.network import Network, register_to_config
from movie_cli.models.scales import GuidedTimestepEmbedding, SourceResidual, TextEmbedding

Text = tuple[Tensor, Tensor]
"""Keys and values `(N, L, C)` of the instruction."""
Prepared = list[tuple[Tensor, Text | None]]
"""For each ResNet block of a level what is added to its features, `(N, C)`, and the text of its transformer."""
DOWN, UP = ("DownBlock2D", "CrossAttnDownBlock2D"), ("UpBlock2D", "CrossAttnUpBlock2D")
"""Kinds of levels: without and with attention."""


class UNet(Network):
    """Predicts edited latents; the arguments are those of `GuidedUNet2DConditionModel`, where they are explained."""

    class_name = "GuidedUNet2DConditionModel"

    @register_to_config
    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        block_out_channels: Sequence[int],
        down_block_types: Sequence[str],
        up_block_types: Sequence[str],
        scale_embedding_dim: int,
        time_embedding_dim: int,
        cross_attention_dim: int,
        mid_block_type: str | None = "UNetMidBlock2DCrossAttn",
        layers_per_block: int | Sequence[int] = 2,
        attention_head_dim: int | Sequence[int] = 8,
        norm_num_groups: int = 32,
        norm_eps: float = 1e-5,
        use_linear_projection: bool = True,
        addition_embed_type: str | None = None,
        addition_embed_type_num_heads: int = 64,
        padded_addition: bool = False,
        source_residual: bool = False,
        residual_sign: int = -1,
        held_scales: Sequence[float] | None = None,
        held_share: float = 1.0,
        blank_betas: Sequence[float] | None = None,
        damped: bool = False,
    ) -> None:
        super().__init__()
        self.conditioning_cache: ConditioningCache | None = None
        """Keeps what is the same for every frame of an edit."""
        self.residual = SourceResidual(self.config)
        widths, count = block_out_channels, len(block_out_channels)
        layers, heads = each_level(layers_per_block, count), each_level(attention_head_dim, count)
        shape = Shape(time_embedding_dim, cross_attention_dim, norm_num_groups, norm_eps)
        time_dim = time_embedding_dim - 2 * scale_embedding_dim
        self.conv_in = nn.Conv2d(in_channels, widths[0], 3, padding=1)
        self.time_embedding = GuidedTimestepEmbedding(widths[0], time_dim, scale_embedding_dim, nn.SiLU(), held_scales)
        padding = 2 * scale_embedding_dim if padded_addition else 0
        text = cross_attention_dim, time_embedding_dim - padding, addition_embed_type_num_heads, padding
        self.add_embedding = None if addition_embed_type is None else TextEmbedding(*text)
        skips = [widths[0]]
        self.down_blocks = nn.ModuleList()
        for index, (kind, width) in enumerate(zip(down_block_types, widths, strict=True)):
            inputs = [skips[-1], *[width] * (layers[index] - 1)]
            attends, last = DOWN.index(kind) * len(inputs), index == count - 1
            self.down_blocks.append(Down(not last, inputs, width, attends, heads[index], shape))
            skips += [width] * (len(inputs) + (not last))
        before = widths[-1]
        self.mid_block = None if mid_block_type is None else Level([before] * 2, before, 1, heads[-1], shape)
        self.up_blocks = nn.ModuleList()
        for index, kind in zip(reversed(range(count)), up_block_types, strict=True):
            inputs = [skips.pop() + (widths[index] if number else before) for number in range(layers[index] + 1)]
            before, attends = widths[index], UP.index(kind) * len(inputs)
            self.up_blocks.append(Up(index > 0, inputs, before, attends, heads[index], shape))
        self.conv_norm_out = nn.GroupNorm(norm_num_groups, widths[0], norm_eps)
        self.conv_out = nn.Conv2d(widths[0], out_channels, 3, padding=1)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        encoder_hidden_states: Tensor,
        timestep_cond: Tensor | None = None,
        return_dict: bool = False,
    ) -> tuple[Tensor]:
        """Predict `(N, out_channels, h, w)`, the first and only of a tuple, from `concat(x_t, scene, source latents)`.

        `sample` is `(N, in_channels, h, w)`, float32 beside weights of any number type; `encoder_hidden_states`
        `(N, L, D)` is the text; `timestep_cond` `(N, 2)` are text scale and image scale.
        """
        del return_dict  # accepted for the sake of diffusers' signature
        prepare = partial(self.prepare, len(sample), timestep, encoder_hidden_states, timestep_cond)
        cache = self.conditioning_cache
        prepared: list[Prepared] = prepare() if cache is None else cache.kept("levels", len(sample), prepare)
        hidden = self.conv_in(sample.to(self.conv_in.weight.dtype))
        skips = [hidden]
        for level, given in zip(self._levels(), prepared, strict=True):
            hidden = level(hidden, given, skips)
        change = self.conv_out(F.silu(self.conv_norm_out(hidden)))
        return (self.residual.add(change, sample, timestep, timestep_cond),)

    def prepare(
        self, frames: int, timestep: Tensor | float, tokens: Tensor, scales: Tensor | None = None
    ) -> list[Prepared]:
        """What a step gives every frame alike, level by level."""
        weight = self.conv_in.weight
        times = torch.as_tensor(timestep, device=weight.device).reshape(-1).expand(frames)
        embedding = self.time_embedding(waves(times, weight.shape[0]).to(weight.dtype), scales)
        if self.add_embedding is not None:
            embedding = embedding + self.add_embedding(tokens)
        embedding = F.silu(embedding)
        return [level.prepare(embedding, tokens) for level in self._levels()]

    def _levels(self) -> list[Any]:
        middle = [] if self.mid_block is None else [self.mid_block]
        return [*self.down_blocks, *middle, *self.up_blocks]


class Shape(NamedTuple):
    """What levels have in common: the widths of embedding and text, groups and epsilon of their normalizations."""

    embedding: int
    text: int
    groups: int
    eps: float


class Level(nn.Module):
    """ResNet blocks of one resolution; the first `attends` of them have a transformer behind them.

    `inputs` are the channels that each block takes, `width` those that it gives.
    """

    def __init__(self, inputs: Sequence[int], width: int, attends: int, heads: int, shape: Shape) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(Transformer(width, heads, shape) for _ in range(attends))
        self.resnets = nn.ModuleList(ResnetBlock(before, width, shape) for before in inputs)

    def prepare(self, embedding: Tensor, tokens: Tensor) -> Prepared:
        """What embedding `(N, E)` and tokens `(N, L, D)` are to its blocks."""
        return [
            (resnet.time_emb_proj(embedding), None if attention is None else attention.text(tokens))
            for resnet, attention in self._blocks()
        ]

    def _blocks(self) -> Iterator[tuple[Any, Any]]:
        return zip_longest(self.resnets, self.attentions)

    def features(self, hidden: Tensor, prepared: Prepared, skips: list[Tensor] | None = None) -> list[Tensor]:
        """What each block gives; with `skips` the last of them is taken along into every one."""
        found = []
        for (resnet, attention), (shift, text) in zip(self._blocks(), prepared, strict=True):
            hidden = resnet(hidden if skips is None else torch.cat([hidden, skips.pop()], dim=1), shift)
            if attention is not None:
                hidden = attention(hidden, text)
            found.append(hidden)
        return found

    def forward(self, hidden: Tensor, prepared: Prepared, skips: list[Tensor]) -> Tensor:
        """Features `(N, C, h, w)` of the same size."""
        del skips
        return self.features(hidden, prepared)[-1]


class Down(Level):
    """Leaves its features to the way up, and halves their size unless it is the last level."""

    def __init__(self, halves: bool, inputs: Sequence[int], width: int, *rest: Any) -> None:
        super().__init__(inputs, width, *rest)
        self.downsamplers = nn.ModuleList([Resampling(width, stride=2)] if halves else [])

    def forward(self, hidden: Tensor, prepared: Prepared, skips: list[Tensor]) -> Tensor:
        """Features of half the size, all of them put behind `skips`."""
        skips.extend(self.features(hidden, prepared))
        for sampler in self.downsamplers:
            skips.append(sampler(skips[-1]))
        return skips[-1]


class Up(Level):
    """Takes what the way down left, and brings its features to the size of the next of it."""

    def __init__(self, doubles: bool, inputs: Sequence[int], width: int, *rest: Any) -> None:
        super().__init__(inputs, width, *rest)
        self.upsamplers = nn.ModuleList([Resampling(width, stride=1)] if doubles else [])

    def forward(self, hidden: Tensor, prepared: Prepared, skips: list[Tensor]) -> Tensor:
        """Features of twice the size; what was used of `skips` is gone from it."""
        hidden = self.features(hidden, prepared, skips)[-1]
        for sampler in self.upsamplers:
            hidden = sampler(_grown(hidden, skips[-1].shape[-2:]))
        return hidden


class Resampling(nn.Module):
    """The convolution that halves the size, or follows a doubling."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        """Features `(N, C, h / stride, w / stride)`."""
        resampled: Tensor = self.conv(hidden)
        return resampled


class ResnetBlock(nn.Module):
    """Two convolutions beside the identity, or a linear map of it; `shift` is added between them."""

    def __init__(self, before: int, width: int, shape: Shape) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(shape.groups, before, shape.eps)
        self.conv1 = nn.Conv2d(before, width, 3, padding=1)
        self.time_emb_proj = nn.Linear(shape.embedding, width)
        self.norm2 = nn.GroupNorm(shape.groups, width, shape.eps)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(before, width, 1) if before != width else None

    def forward(self, inputs: Tensor, shift: Tensor) -> Tensor:
        """Map `(N, before, h, w)` to `(N, width, h, w)`; `shift` is `(N, width)`."""
        hidden = self.conv1(F.silu(self.norm1(inputs))) + shift[:, :, None, None]
        hidden = self.conv2(F.silu(self.norm2(hidden)))
        kept: Tensor = inputs if self.conv_shortcut is None else self.conv_shortcut(inputs)
        return kept + hidden


class Transformer(nn.Module):
    """Attention among the cells of a level, and of each to the text."""

    def __init__(self, width: int, heads: int, shape: Shape) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(shape.groups, width, 1e-6)
        self.proj_in = nn.Linear(width, width)
        self.transformer_blocks: Any = nn.ModuleList([TransformerBlock(width, shape.text, heads)])
        self.proj_out = nn.Linear(width, width)

    def text(self, tokens: Tensor) -> Text:
        """Keys and values of the instruction `(N, L, D)`."""
        keys_and_values: Text = self.transformer_blocks[0].attn2.keys_and_values(tokens)
        return keys_and_values

    def forward(self, inputs: Tensor, text: Text) -> Tensor:
        """Features `(N, C, h, w)` of the same shape."""
        cells = self.norm(inputs).permute(0, 2, 3, 1)
        states = self.transformer_blocks[0](self.proj_in(cells.flatten(1, 2)), text)
        # Rounding later on depends on the order in memory: this is diffusers'.
        changed: Tensor = self.proj_out(states).view(cells.shape).permute(0, 3, 1, 2).contiguous()
        return changed + inputs


class TransformerBlock(nn.Module):
    """Self-attention, attention to the text and two linear layers, each beside the identity."""

    def __init__(self, width: int, text: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.attn1 = Attention(width, width, heads)
        self.attn2 = Attention(width, text, heads)
        self.ff = nn.ModuleDict({"net": nn.Sequential(Gated(width), nn.Identity(), nn.Linear(4 * width, width))})

    def forward(self, states: Tensor, text: Text) -> Tensor:
        """States `(N, cells, C)` of the same shape."""
        normed = self.norm1(states)
        states = self.attn1(normed, self.attn1.keys_and_values(normed)) + states
        states = self.attn2(self.norm2(states), text) + states
        changed: Tensor = self.ff["net"](self.norm3(states)) + states
        return changed


class Attention(nn.Module):
    """Scaled-dot-product attention; with a processor (see `attention.attach`) also to the anchors."""

    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k, self.to_v = (nn.Linear(context, width, bias=False) for _ in range(2))
        self.to_out = nn.ModuleList([nn.Linear(width, width)])
        self.processor: AnchorAttnProcessor | None = None

    def set_processor(self, processor: AnchorAttnProcessor) -> None:
        """Attend to the anchors of its store as well."""
        self.processor = processor

    def keys_and_values(self, context: Tensor) -> Text:
        """Of what is attended to, `(N, L, D)`."""
        return self.to_k(context), self.to_v(context)

    def forward(self, states: Tensor, context: Text) -> Tensor:
        """What states `(N, cells, C)` find in a context."""
        key, value = context if self.processor is None else self.processor.exchange(*context)
        found: Tensor = self.to_out[0](attended(self.to_q(states), key, value, self.heads))
        return found


class Gated(nn.Module):
    """A linear layer to four times the width, and another that gates it (GEGLU, arXiv 2002.05202)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 8 * width)

    def forward(self, states: Tensor) -> Tensor:
        """Map `(N, cells, C)` to `(N, cells, 4 C)`."""
        states, gate = self.proj(states).chunk(2, dim=-1)
        return states * F.gelu(gate)


def waves(timesteps: Tensor, channels: int) -> Tensor:
    """Cosines and sines of timesteps `(N,)`, `(N, channels)` in float32 (arXiv 2006.11239)."""
    half = channels // 2
    exponent = -math.log(10000) * torch.arange(half, dtype=torch.float32, device=timesteps.device) / half
    angles = timesteps[:, None].float() * exponent.exp()
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def _grown(hidden: Tensor, size: Sequence[int]) -> Tensor:
    # Nearest neighbours of channels-last batches of 64 and more have been wrong on CUDA.
    hidden = hidden.contiguous() if len(hidden) >= 64 else hidden
    if all(side == 2 * half for side, half in zip(size, hidden.shape[-2:], strict=True)):
        return F.interpolate(hidden, scale_factor=2.0, mode="nearest")
    return F.interpolate(hidden, size=tuple(size), mode="nearest")


def each_level(value: int | Sequence[int], count: int) -> Sequence[int]:
    """A number for each of `count` levels, where one may stand for all; a ValueError for a list of other length."""
    if not isinstance(value, int) and len(value) != count:
        raise ValueError(f"{list(value)} are not {count} numbers")
    return [value] * count if isinstance(value, int) else value
