"""diffusers' conditional UNet as a denoiser with both guidance scales as embeddings.

One network class serves every checkpoint of the method, from a stock InstructPix2Pix UNet (no guidance embedding) to
a one-step student, and is what training works on. The embedded model's shape runs as a `unet.UNet` of the same weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from diffusers import UNet2DConditionModel
from diffusers.models.activations import get_activation
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput
from torch import Tensor

from movie_cli.models.scales import GuidedTimestepEmbedding, SourceResidual, TextEmbedding


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
        self.residual = SourceResidual(self.config)
        time_dim = self.config["time_embedding_dim"] - 2 * scale_embedding_dim
        if time_dim <= 0:
            raise ValueError("time_embedding_dim must exceed 2 * scale_embedding_dim")
        self.time_embedding = GuidedTimestepEmbedding(
            self.config["block_out_channels"][0],
            time_dim,
            scale_embedding_dim,
            get_activation(self.config["act_fn"]),
            held_scales,
        )
        if padded_addition:
            text_dim = self.config["encoder_hid_dim"] or self.config["cross_attention_dim"]
            heads = self.config["addition_embed_type_num_heads"]
            self.add_embedding = TextEmbedding(text_dim, time_dim, heads, 2 * scale_embedding_dim)

    def forward(self, sample: Tensor, timestep: Tensor | float, *args: Any, **kwargs: Any) -> Any:
        """Predict from `concat(x_t, source latents)`; arguments and result are those of `UNet2DConditionModel`."""
        output = super().forward(sample.to(self.conv_in.weight.dtype), timestep, *args, **kwargs)
        scales = kwargs.get("timestep_cond")
        if isinstance(output, tuple):
            return (self.residual.add(output[0], sample, timestep, scales), *output[1:])
        return UNet2DConditionOutput(sample=self.residual.add(output.sample, sample, timestep, scales))

    @classmethod
    def _get_init_keys(cls, input_class: type) -> set[str]:
        # from_config reads the signature to know which keys are ours: add the base class's own.
        keys: set[str] = super()._get_init_keys(input_class) | super()._get_init_keys(UNet2DConditionModel)
        return keys - {"unet_config"}
