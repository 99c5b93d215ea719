"""Networks of the true shapes with random weights, so that speed and operations are known without any download.

`nano` is the embedded model, `sd15-movie` the method's one-step editor at Stable Diffusion 1.5 scale with TAESD,
`sd15-base` InstructPix2Pix with its own autoencoder. Operations are counted by torch on the meta device (no weights, no
memory, seconds): twice the multiply-adds of convolutions and matrix products. Products of attention (queries with keys,
their weights with values) are counted apart, as the paper's figures leave them out.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    EulerAncestralDiscreteScheduler,
    LCMScheduler,
    UNet2DConditionModel,
)
from torch.utils.flop_counter import FlopCounterMode

from movie_cli.checkpoints.diffusers_parts import save_checkpoint
from movie_cli.checkpoints.load import REGIONS_FOLDER, network_class
from movie_cli.checkpoints.store import DEFAULT_MODEL, EMBEDDED
from movie_cli.models.text import InstructionEncoder
from movie_cli.models.tokenizer import InstructionTokenizer
from movie_cli.train.surgery import drop_top_attention, with_scales

INSTRUCT_PIX2PIX: dict[str, Any] = {
    "sample_size": 64,
    "in_channels": 8,
    "out_channels": 4,
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
"""The shape of InstructPix2Pix's denoiser: Stable Diffusion 1.5 with four more input channels."""
SD_AUTOENCODER: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
}
PROMPT_TOKENS = 77
SCALE_DIM = 256
NANO = EMBEDDED / DEFAULT_MODEL


@dataclass(frozen=True)
class Shape:
    """How a kind of networks is made and run: `tokens` is the length of its embedded text."""

    unet: Callable[[], Any]
    autoencoder: Callable[[], Any]
    steps: int
    passes: int
    tokens: int
    clip: bool


def part_of(checkpoint: Path, name: str) -> Any:
    """A checkpoint's `unet` or `vae` by its configuration alone, its weights as they are made."""
    config = json.loads((checkpoint / name / "config.json").read_text(encoding="utf-8"))
    return network_class(checkpoint / name).from_config(config)


def _mobile() -> Any:
    return with_scales(drop_top_attention(UNet2DConditionModel(**INSTRUCT_PIX2PIX)), SCALE_DIM)


SHAPES = {
    "nano": Shape(lambda: part_of(NANO, "unet"), lambda: part_of(NANO, "vae"), 1, 1, 4, clip=False),
    "sd15-movie": Shape(_mobile, AutoencoderTiny, 1, 1, PROMPT_TOKENS, clip=True),
    "sd15-base": Shape(
        lambda: UNet2DConditionModel(**INSTRUCT_PIX2PIX),
        lambda: AutoencoderKL(**SD_AUTOENCODER, scaling_factor=0.18215),
        10,
        3,
        PROMPT_TOKENS,
        clip=True,
    ),
}


def save_random(kind: str, folder: Path) -> Path:
    """Write a whole checkpoint of that kind with random weights, float16; returns its folder.

    Raises:
        OSError: there is no room for it: 1.9 GB at Stable Diffusion's scale.
    """
    shape = SHAPES[kind]
    torch.manual_seed(0)
    unet, vae = shape.unet().half(), shape.autoencoder().half()
    if shape.clip:
        text, tokenizer = _clip(folder.with_name(f"{folder.name}-words"))
    else:
        text = InstructionEncoder.from_pretrained(NANO / "text_encoder")
        tokenizer = InstructionTokenizer.from_pretrained(NANO / "tokenizer")
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    if shape.passes == 1:
        scheduler: Any = LCMScheduler(
            **betas, prediction_type="v_prediction", rescale_betas_zero_snr=True, clip_sample=False
        )
    else:
        scheduler = EulerAncestralDiscreteScheduler(**betas)
    save_checkpoint(
        folder,
        unet,
        vae,
        text,
        tokenizer,
        scheduler,
        name=f"{kind} (random weights)",
        stage="one-step" if shape.passes == 1 else "base",
        steps=shape.steps,
        size_multiple=64 if shape.clip else 16,
        source_skip=not shape.clip,
        licence="none: random weights",
        description="for measurements",
        edits=[],
    )
    if not shape.clip:  # its denoiser is told what is where
        shutil.copytree(NANO / REGIONS_FOLDER, folder / REGIONS_FOLDER)
    return folder


def clip_tokenizer(folder: Path) -> Any:
    """A CLIP tokenizer of single letters, its two files written into a new folder."""
    from transformers import CLIPTokenizer

    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(
        vocab=str(folder / "vocab.json"),
        merges=str(folder / "merges.txt"),
        unk_token="<|endoftext|>",  # noqa: S106 - a word, not a password
        model_max_length=PROMPT_TOKENS,
    )


def _clip(folder: Path) -> tuple[Any, Any]:
    """SD 1.5's text encoder with random weights, and a tokenizer of single letters."""
    from transformers import CLIPTextConfig, CLIPTextModel

    tokenizer = clip_tokenizer(folder)
    config = CLIPTextConfig(
        hidden_size=768,
        intermediate_size=3072,
        num_hidden_layers=12,
        num_attention_heads=12,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return CLIPTextModel(config).half(), tokenizer


_ATTENTION = ("attention", "bmm")
"""In the names of torch's operators that multiply queries, keys and values."""


@dataclass(frozen=True)
class Operations:
    """Floating-point operations of one call."""

    layers: int
    attention: int

    def __add__(self, other: Operations) -> Operations:
        return Operations(self.layers + other.layers, self.attention + other.attention)

    def __mul__(self, times: int) -> Operations:
        return Operations(self.layers * times, self.attention * times)

    @property
    def total(self) -> int:
        """With attention."""
        return self.layers + self.attention


def count(call: Callable[[], object]) -> Operations:
    """What `call` computes, on the meta device: elsewhere attention is one operator, which torch does not count."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    found = {str(name): number for name, number in counter.get_flop_counts()["Global"].items()}
    attention = sum(number for name, number in found.items() if any(part in name for part in _ATTENTION))
    return Operations(sum(found.values()) - attention, attention)
