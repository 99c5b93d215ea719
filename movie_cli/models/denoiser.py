"""The denoiser: diffusers' conditional UNet with both guidance scales as embeddings.

One network class serves every checkpoint of the method, from a stock InstructPix2Pix UNet (no
guidance embedding) to a one-step student.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.embeddings import TextTimeEmbedding, TimestepEmbedding
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput
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


def _alphas(first: float, last: float) -> Tensor:
    schedule: Any = DDIMScheduler(
        beta_start=first, beta_end=last, beta_schedule="scaled_linear", rescale_betas_zero_snr=True
    )
    alphas: Tensor = schedule.alphas_cumprod.sqrt()
    return alphas


class GuidedTimestepEmbedding(nn.Module):
    """Concatenates the timestep's embedding with those of the two guidance scales.

    A ResNet block applies a nonlinearity and one linear layer to what this returns. A linear layer over a
    concatenation is the sum of one linear layer a part, so each block owns a projection for the timestep,
    one for `s_T` and one for `s_I`, added to its features, as MoViE asks.
    """

    def __init__(
        self, in_channels: int, time_dim: int, scale_dim: int, act_fn: str, default_scales: Sequence[float] | None
    ) -> None:
        super().__init__()
        self._default_scales = default_scales
        self.timestep = TimestepEmbedding(in_channels, time_dim, act_fn)
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


class PaddedTextEmbedding(TextTimeEmbedding):
    """diffusers' embedding of the whole text, added to the timestep's part of the embedding and to no scale's."""

    def __init__(self, text_dim: int, time_dim: int, heads: int, padding: int) -> None:
        super().__init__(text_dim, time_dim, heads)
        self.padding = padding

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Embed `(N, L, text_dim)` as `(N, time_dim + padding)`."""
        return F.pad(super().forward(hidden_states), (0, self.padding))


class GuidedUNet2DConditionModel(UNet2DConditionModel):
    """A `UNet2DConditionModel` whose ResNet blocks also see the text scale and the image scale.

    `scale_embedding_dim` is the width of each scale's embedding. `time_embedding_dim` counts all three parts,
    so that diffusers builds the blocks' projections wide enough. The scales go in as `timestep_cond`, shape
    `(N, 2)`, in their own units (7.5 and 1.5 are the usual values), and the network is called like any other.

    `source_residual` subtracts the source latents (the last `out_channels` input channels) from the prediction: with
    v-prediction at zero signal, where `x0 = -v`, the network then learns the change and not the picture. `sample` may
    be float32 beside weights of half precision: the subtraction then loses nothing of the source. A network that
    predicts the picture itself adds the source instead: `residual_sign` is 1 for it.

    `blank_betas`, first and last of a scaled-linear schedule brought to zero terminal signal, are for such a network
    that also runs without a source. Where the source is all zeros, `alpha_t x_t` takes its place in the residual: the
    best linear guess at latents of unit variance (EDM's skip, arXiv 2206.00364, table 1). Called with scales, the
    network's residual is what guidance makes of both: `alpha_t x_t + s_I (c_I - alpha_t x_t)`.

    `damped` divides the change by the image scale: what a guided network of such a kind makes in one step, `s_T d` over
    the source, many steps bring to `s_T d / s_I` (`objectives.multiplied`), and there a one-step student begins.

    `held_scales`, text scale first, stand for the scales of a call without any: so a base network, which is guided from
    outside, can keep the scale layers of the one-step network that it was made from. `held_share` is what is taken of
    the change that the network makes there, where it sees a source: a base edits a little, and guidance multiplies it.

    `padded_addition` keeps diffusers' added text embedding (`addition_embed_type="text"`) to the timestep's part, as
    in a network that the scales were added to later; otherwise it is as wide as all three parts.
    """

    def __init__(
        self,
        *,
        scale_embedding_dim: int,
        source_residual: bool = False,
        padded_addition: bool = False,
        residual_sign: int = -1,
        held_scales: Sequence[float] | None = None,
        held_share: float = 1.0,
        blank_betas: Sequence[float] | None = None,
        damped: bool = False,
        **unet_config: Any,
    ) -> None:
        super().__init__(**unet_config)
        self.register_to_config(
            scale_embedding_dim=scale_embedding_dim,
            source_residual=source_residual,
            padded_addition=padded_addition,
            residual_sign=residual_sign,
            held_scales=held_scales,
            held_share=held_share,
            blank_betas=blank_betas,
            damped=damped,
        )
        self.log_scales: Any = False
        """Whether calls give the scales' logarithms, as graphs for the HTP do."""
        # No buffer: it must stay float32 beside weights of half precision.
        self._alphas = None if blank_betas is None else _alphas(*blank_betas)
        time_dim = self.config["time_embedding_dim"] - 2 * scale_embedding_dim
        if time_dim <= 0:
            raise ValueError("time_embedding_dim must exceed 2 * scale_embedding_dim")
        self.time_embedding = GuidedTimestepEmbedding(
            self.config["block_out_channels"][0], time_dim, scale_embedding_dim, self.config["act_fn"], held_scales
        )
        if padded_addition:
            text_dim = self.config["encoder_hid_dim"] or self.config["cross_attention_dim"]
            heads = self.config["addition_embed_type_num_heads"]
            self.add_embedding = PaddedTextEmbedding(text_dim, time_dim, heads, 2 * scale_embedding_dim)

    def forward(self, sample: Tensor, timestep: Tensor | float, *args: Any, **kwargs: Any) -> Any:
        """Predict from `concat(x_t, source latents)`; arguments and result are those of `UNet2DConditionModel`."""
        output = super().forward(sample.to(self.conv_in.weight.dtype), timestep, *args, **kwargs)
        if not self.config["source_residual"]:
            return output
        channels = self.config["out_channels"]
        source = sample[:, -channels:]
        change: Tensor | float = self.config["held_share"]
        scales = kwargs.get("timestep_cond")
        if self.config["damped"] and scales is not None:
            image_scale = scales[:, 1].view(-1, 1, 1, 1)
            change = (-image_scale).exp() if self.log_scales else 1 / image_scale
        if self._alphas is not None:
            times = torch.as_tensor(timestep, device=sample.device).long().reshape(-1).expand(len(sample))
            guess = self._alphas.to(sample.device)[times].view(-1, 1, 1, 1) * sample[:, :channels]
            if scales is None:
                blank = (source == 0).flatten(1).all(dim=1).view(-1, 1, 1, 1)
                source = torch.where(blank, guess, source)
                change = torch.where(blank, 1.0, change)
            else:
                source = guess + scales[:, 1].view(-1, 1, 1, 1) * (source - guess)
        source = self.config["residual_sign"] * source
        if isinstance(output, tuple):
            return (change * output[0] + source, *output[1:])
        return UNet2DConditionOutput(sample=change * output.sample + source)

    @classmethod
    def _get_init_keys(cls, input_class: type) -> set[str]:
        # from_config reads the signature to know which keys are ours: add the base class's own.
        keys: set[str] = super()._get_init_keys(input_class) | super()._get_init_keys(UNet2DConditionModel)
        return keys - {"unet_config"}
