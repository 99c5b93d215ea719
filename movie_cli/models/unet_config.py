"""Which configurations of diffusers' conditional UNet are of the embedded model's family, and run as a `unet.UNet`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from movie_cli.models.unet import DOWN, UP, UNet

FIXED: dict[str, Any] = {
    "act_fn": "silu",
    "addition_time_embed_dim": None,
    "attention_type": "default",
    "center_input_sample": False,
    "class_embed_type": None,
    "class_embeddings_concat": False,
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
    "cross_attention_norm": None,
    "downsample_padding": 1,
    "dropout": 0.0,
    "dual_cross_attention": False,
    "encoder_hid_dim": None,
    "encoder_hid_dim_type": None,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "mid_block_only_cross_attention": None,
    "mid_block_scale_factor": 1,
    "num_attention_heads": None,
    "num_class_embeds": None,
    "only_cross_attention": False,
    "projection_class_embeddings_input_dim": None,
    "resnet_out_scale_factor": 1.0,
    "resnet_skip_time_act": False,
    "resnet_time_scale_shift": "default",
    "reverse_transformer_layers_per_block": None,
    "sample_size": None,
    "time_cond_proj_dim": None,
    "time_embedding_act_fn": None,
    "time_embedding_type": "positional",
    "timestep_post_act": None,
    "transformer_layers_per_block": 1,
    "upcast_attention": False,
}
"""Settings of diffusers' UNet that have this one value here, which is also diffusers' default."""
CHOICES: dict[str, tuple[Any, ...]] = {
    "_class_name": (UNet.class_name,),
    "addition_embed_type": (None, "text"),
    "mid_block_type": (None, "UNetMidBlock2DCrossAttn"),
    "use_linear_projection": (True,),
}
KINDS = {"down_block_types": DOWN, "up_block_types": UP}
_ARGUMENTS = inspect.signature(UNet).parameters


def knows(config: Mapping[str, Any]) -> bool:
    """Whether a `UNet` computes what diffusers would for this configuration; any other is for diffusers."""
    return (
        all(config.get(key) in allowed for key, allowed in CHOICES.items())
        and all(isinstance(config.get(key), list) and all(each in KINDS[key] for each in config[key]) for key in KINDS)
        and all(
            key.startswith("_") or key in _ARGUMENTS or (key in FIXED and FIXED[key] == value)
            for key, value in config.items()
        )
    )
