"""From one denoiser to the next of the method, weights kept: less attention, more input channels, scales as input.

What is added starts without effect. Low-rank fine-tuning (LoRA, arXiv 2106.09685) through peft lets a large denoiser
train on a 24 GB card: linear and convolution layers get low-rank companions; what the method adds or changes by itself
(the scales' embeddings and projections, first and last convolution) is trained whole. Saved checkpoints hold merged
weights.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from movie_cli.errors import ModelError, UsageError
from movie_cli.models.denoiser import GuidedUNet2DConditionModel
from movie_cli.models.text import InstructionEncoder

TRANSFORMER = ".attentions."
ROWS_OF_EDITS = ("edit_head.weight", "edit_head.bias", "prototypes", "codes")
"""Of an instruction encoder: a row an edit."""
BETAS = (0.00085, 0.012)
"""First and last of Stable Diffusion 1.x's scaled-linear schedule."""


def settings_of(unet: Any) -> dict[str, Any]:
    """The arguments that a UNet of the same shape is made with."""
    return {key: value for key, value in unet.config.items() if not key.startswith("_")}


def drop_top_attention(unet: Any) -> Any:
    """The UNet without the transformer blocks at its highest resolution (MoViE, Mobile-Pix2Pix).

    Level 0 becomes `DownBlock2D` and `UpBlock2D`; every other weight is kept. Without any there, it is a copy.

    Raises:
        ModelError: level 0 is of another kind.
    """
    config = settings_of(unet)
    down, up = list(config["down_block_types"]), list(config["up_block_types"])
    known = {"CrossAttnDownBlock2D", "DownBlock2D"}, {"CrossAttnUpBlock2D", "UpBlock2D"}
    if down[0] not in known[0] or up[-1] not in known[1]:
        raise ModelError(f"the denoiser begins with {down[0]} and ends with {up[-1]}", "SD 1.x and 2.x are known here")
    down[0], up[-1] = "DownBlock2D", "UpBlock2D"
    smaller = _like(unet, config | {"down_block_types": tuple(down), "up_block_types": tuple(up)})
    kept = smaller.state_dict().keys()
    left = [name for name in unet.state_dict() if name not in kept]
    if any(TRANSFORMER not in name for name in left):
        raise ModelError("the denoiser has other layers than attention at its highest resolution")
    smaller.load_state_dict({name: value for name, value in unet.state_dict().items() if name in kept})
    return smaller


def with_input_channels(unet: Any, extra: int, at: int) -> Any:
    """The UNet with `extra` input channels inserted before channel `at`, their weights zero."""
    config = settings_of(unet)
    wider = _like(unet, config | {"in_channels": config["in_channels"] + extra})
    state = unet.state_dict()
    weight = state["conv_in.weight"]
    zeros = weight.new_zeros(len(weight), extra, *weight.shape[2:])
    wider.load_state_dict(state | {"conv_in.weight": torch.cat([weight[:, :at], zeros, weight[:, at:]], dim=1)})
    return wider


@torch.no_grad()
def with_edits(encoder: InstructionEncoder, edits: tuple[str, ...], seed: int) -> InstructionEncoder:
    """The instruction encoder with other edits: known ones keep all that is theirs.

    New ones begin with a code near the mean of those that are known, and are not read out of any words yet.
    """
    config = {key: value for key, value in encoder.config.items() if not key.startswith("_")}
    wider = InstructionEncoder(**config | {"edits": edits})
    kept = {name: row for row, name in enumerate(encoder.edits)}
    old, new = encoder.state_dict(), wider.state_dict()
    generator = torch.Generator().manual_seed(seed)
    codes = old["codes"].float()
    noise = torch.randn((len(edits), *codes.shape[1:]), generator=generator) * codes.std(dim=0)
    new["codes"].copy_(codes.mean(dim=0) + 0.5 * noise)
    new["edit_head.weight"].zero_()
    new["edit_head.bias"].fill_(-6.0)
    for name in new:
        if name not in ROWS_OF_EDITS:
            new[name] = old[name]
            continue
        for row, edit in enumerate(edits):
            if edit in kept:
                new[name][row] = old[name][kept[edit]]
    wider.load_state_dict(new)
    return wider.eval()


def with_scales(unet: Any, scale_embedding_dim: int) -> GuidedUNet2DConditionModel:
    """The same UNet with both guidance scales as embeddings of that width in every ResNet block.

    The blocks' new projections are zero, so the result is the starting network's conditional pass, whatever the
    scales. One with held scales takes its own layers for them into use again, and the whole of its change: it is the
    conditional pass at those scales, but for the share that was held and a residual that is guided already.

    Raises:
        ModelError: it takes scales already.
    """
    config = settings_of(unet)
    if isinstance(unet, GuidedUNet2DConditionModel):
        if config["held_scales"] is None:
            raise ModelError("the denoiser takes the scales already", "start from a base checkpoint")
        return _guided_like(unet, {"held_scales": None, "held_share": 1.0})
    time_dim = unet.time_embedding.linear_2.out_features
    extra = 2 * scale_embedding_dim
    device = next(unet.parameters()).device
    with torch.device(device):
        guided = GuidedUNet2DConditionModel(
            scale_embedding_dim=scale_embedding_dim,
            padded_addition=config.get("addition_embed_type") == "text",
            **config | {"time_embedding_dim": time_dim + extra},
        )
    state: dict[str, Tensor] = {}
    for name, value in unet.state_dict().items():
        if name.endswith("time_emb_proj.weight"):
            state[name] = torch.cat([value, value.new_zeros(len(value), extra)], dim=1)
        else:
            state[name.replace("time_embedding.", "time_embedding.timestep.", 1)] = value
    for name, value in guided.time_embedding.state_dict().items():
        state.setdefault(f"time_embedding.{name}", value)
    guided.load_state_dict(state)
    return guided


def with_plain_residual(unet: Any) -> Any:
    """A copy whose residual is the source alone, as it is at the end of sampling and not while guided steps overshoot.

    Its change is divided by the image scale: it begins near to what those steps come to. Without a residual of another
    kind it is a copy and no more.
    """
    if not isinstance(unet, GuidedUNet2DConditionModel) or unet.config["blank_betas"] is None:
        return copy.deepcopy(unet)
    return _guided_like(unet, {"blank_betas": None, "damped": True})


def with_held_scales(
    unet: Any, text_scale: float, image_scale: float, prediction: str, wanted: str, share: float = 1.0
) -> GuidedUNet2DConditionModel:
    """A guided UNet as one that is called without scales: what it gave at these, or a share of its change there.

    `prediction` is what it predicts and `wanted` what the result is to predict, in diffusers' words. A velocity at zero
    signal is the negative picture, so only the last layer's sign differs there; at other timesteps the result has to
    learn. A source residual changes its sign as well, and gets `alpha_t x_t` for what it is without a source.

    Raises:
        ModelError: it takes no scales, or its prediction cannot become the wanted one.
    """
    if not isinstance(unet, GuidedUNet2DConditionModel):
        raise ModelError("the denoiser takes no scales that could be held", "leave out held_scales")
    flips = prediction == "v_prediction" and wanted == "sample"
    if not flips and prediction != wanted:
        raise ModelError(f"a denoiser that predicts {prediction} cannot be made one that predicts {wanted}")
    changes: dict[str, Any] = {"held_scales": [text_scale, image_scale], "held_share": share}
    if unet.config["damped"]:
        changes |= {"held_share": share / image_scale, "damped": False}
    if wanted == "sample":
        changes["blank_betas"] = list(BETAS)
    if flips:
        changes["residual_sign"] = -unet.config["residual_sign"]
    held = _guided_like(unet, changes)
    if flips:
        with torch.no_grad():
            for value in held.conv_out.parameters():
                value.neg_()
    return held


def frozen(module: nn.Module) -> nn.Module:
    """The module itself, without gradients and in evaluation mode."""
    return module.requires_grad_(False).eval()


def _guided_like(unet: GuidedUNet2DConditionModel, changes: dict[str, Any]) -> GuidedUNet2DConditionModel:
    with torch.device(next(unet.parameters()).device):
        result = GuidedUNet2DConditionModel(**settings_of(unet) | changes)
    result.load_state_dict(unet.state_dict())
    return result


def _like(unet: Any, config: dict[str, Any]) -> Any:
    with torch.device(next(unet.parameters()).device):
        return type(unet)(**config)


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
