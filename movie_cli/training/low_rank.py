"""Low-rank fine-tuning (LoRA, arXiv 2106.09685) through peft, so that a large denoiser trains on a 24 GB card.

Linear and convolution layers get low-rank companions; what the method adds or changes by itself (the scales'
embeddings and projections, first and last convolution) is trained whole. Saved checkpoints hold merged weights.
"""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

from movie_cli.errors import UsageError

TARGETS = r".*\.(to_q|to_k|to_v|to_out\.0|proj_in|proj_out|ff\.net\.0\.proj|ff\.net\.2|conv1|conv2|conv_shortcut)"
WHOLE = ("conv_in.", "conv_out.", "time_emb_proj.", "time_embedding.text_scale.", "time_embedding.image_scale.")


def train_low_rank(unet: Any, rank: int) -> None:
    """Freeze a diffusers UNet but for new low-rank layers of that rank and the layers of `WHOLE`.

    Raises:
        UsageError: peft is not installed.
    """
    try:
        from peft import LoraConfig
    except ImportError as error:
        raise UsageError("lora_rank needs the package peft", "pip install peft, or set lora_rank = 0") from error
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=TARGETS))
    for name, value in unet.named_parameters():
        if any(part in name for part in WHOLE):
            value.requires_grad_(True)


def plain_copy(unet: nn.Module) -> Any:
    """The network with its low-rank layers merged into the weights, as a copy; one without any is given back itself."""
    if not getattr(unet, "peft_config", None):
        return unet
    merged: Any = copy.deepcopy(unet)
    merged.fuse_lora()
    merged.unload_lora()
    return merged
