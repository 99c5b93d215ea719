"""What networks of the method cost: parameters, operations and memory, counted on the meta device without weights.

`python -m tools.costs` prints the method's table for Stable Diffusion 1.5 and what training each stage
takes.
"""

from __future__ import annotations

import argparse
import functools
import re
import sys
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from torch import Tensor, nn

from movie_cli.bench.shapes import INSTRUCT_PIX2PIX, PROMPT_TOKENS, SCALE_DIM, SD_AUTOENCODER, Operations, count
from movie_cli.train import surgery
from movie_cli.train.discriminator import Heads, encoder_features, feature_widths
from movie_cli.train.surgery import TARGETS, WHOLE

CLIP_WEIGHTS = 123_060_480
"""Weights of SD 1.5's text encoder."""
PAPER_SIDE = 480


def parameters(module: nn.Module) -> int:
    """How many weights a network has."""
    return sum(value.numel() for value in module.parameters())


def denoiser_cost(unet: Any, height: int, width: int, tokens: int = PROMPT_TOKENS) -> Operations:
    """One pass of a denoiser on the meta device for a picture of that size in pixels."""
    device = "meta"
    sample = torch.zeros(1, unet.config["in_channels"], height // 8, width // 8, device=device)
    context = torch.zeros(1, tokens, unet.config["cross_attention_dim"], device=device)
    scales = {"timestep_cond": torch.ones(1, 2, device=device)} if "scale_embedding_dim" in unet.config else {}
    return count(lambda: unet(sample, torch.zeros(1, device=device), context, **scales))


def autoencoder_cost(vae: Any, height: int, width: int) -> Operations:
    """Encoding and decoding of one picture, on the meta device."""
    image = torch.zeros(1, 3, height, width, device="meta")
    latents = torch.zeros(1, 4, height // 8, width // 8, device="meta")
    return count(lambda: vae.encode(image)) + count(lambda: vae.decode(latents))


@dataclass(frozen=True)
class Networks:
    """The networks at Stable Diffusion 1.5 scale, on the meta device."""

    base: Any
    mobile: Any
    guided: Any
    heads: Heads
    large_autoencoder: Any
    small_autoencoder: Any


def networks() -> Networks:
    """All of them, without any memory for weights."""
    with torch.device("meta"):
        base = UNet2DConditionModel(**INSTRUCT_PIX2PIX)
        mobile = surgery.drop_top_attention(base)
        guided = surgery.with_scales(mobile, SCALE_DIM)
        heads = Heads(feature_widths(guided), 64, 768, scale_heads=True)
        return Networks(base, mobile, guided, heads, AutoencoderKL(**SD_AUTOENCODER), AutoencoderTiny())


def inference_table(found: Networks) -> list[tuple[str, float, float, float]]:
    """Stage, denoiser pass, autoencoder, total: TFLOPs a frame at 480x480, attention products left out."""
    side = PAPER_SIDE
    base, mobile = (denoiser_cost(unet, side, side).layers / 1e12 for unet in (found.base, found.mobile))
    large, small = (
        autoencoder_cost(vae, side, side).layers / 1e12 for vae in (found.large_autoencoder, found.small_autoencoder)
    )
    return [
        ("base, 10 steps x 3", base, large, 30 * base + large),
        ("mobile, 10 steps x 3", mobile, small, 30 * mobile + small),
        ("guidance, 10 x 1", mobile, small, 10 * mobile + small),
        ("adversarial, 1 x 1", mobile, small, mobile + small),
    ]


@functools.cache
def training_table(found: Networks, side: int = 256) -> tuple[tuple[str, float], ...]:
    """Stage, TFLOPs a sample and step at `side` pixels with attention; a backward pass counts as two forward ones.

    The autoencoder's whole cost stands for encoding two pictures.
    """
    mobile = denoiser_cost(found.mobile, side, side).total / 1e12
    student = denoiser_cost(found.guided, side, side).total / 1e12
    coded = autoencoder_cost(found.small_autoencoder, side, side).total / 1e12
    judged = _encoder_cost(found.guided, side) / 1e12
    heads = _heads_cost(found, side) / 1e12
    return (
        ("mobile", 3 * mobile + coded),
        ("guidance", 3 * mobile + 3 * student + coded),
        ("adversarial: conversion", 4 * student + coded),
        # Five passes of the teacher; the student without and with gradients; the encoder on real and fake, then on
        # fake with gradients to its input; the heads thrice over.
        ("adversarial", 5 * student + 4 * student + 2 * judged + 2 * judged + 9 * heads + coded),
    )


@dataclass(frozen=True)
class Machine:
    """GPUs, their bfloat16 peak in TFLOP/s each (the maker's figure), and whether only low-rank layers are trained."""

    name: str
    count: int
    peak: float
    low_rank: bool


MACHINES = (
    Machine("1 x 24 GB (RTX 4090)", 1, 165.0, True),
    Machine("1 x 80 GB (A100)", 1, 312.0, False),
    Machine("8 x 80 GB (A100)", 8, 312.0, False),
)
UTILISATION = 0.35
"""The part of the peak that training is taken to reach."""
RUNS = (("mobile", 20000), ("guidance", 5000), ("adversarial: conversion", 4000), ("adversarial", 20000))
"""Steps of a batch of 512, as published."""
BATCH = 512
LOW_RANK = 64


def hours(found: Networks, machine: Machine, side: int = 256) -> list[tuple[str, float]]:
    """Stage and hours on a machine; gradient checkpointing adds a third to what is trained, which is left out."""
    speed = machine.count * machine.peak * UTILISATION
    table = dict(training_table(found, side))
    return [(stage, table[stage] * BATCH * steps / speed / 3600) for stage, steps in RUNS]


def low_rank_weights(unet: Any, rank: int = LOW_RANK) -> int:
    """How many weights of a denoiser are trained with low-rank layers of that rank."""
    weights = 0
    for name, layer in unet.named_modules():
        if any(part in f"{name}." for part in WHOLE):
            weights += sum(value.numel() for value in layer.parameters(recurse=False))
        elif re.fullmatch(TARGETS, name) and isinstance(layer, nn.Conv2d):
            taps = layer.kernel_size[0] * layer.kernel_size[1]
            weights += rank * (layer.in_channels * taps + layer.out_channels)
        elif re.fullmatch(TARGETS, name) and isinstance(layer, nn.Linear):
            weights += rank * (layer.in_features + layer.out_features)
    return weights


def memory(found: Networks, stage: str, low_rank: bool) -> float:
    """Bytes for weights, gradients, Adam's two moments and the average in float32, teacher and CLIP included."""
    student = found.mobile if stage == "mobile" else found.guided
    trained = low_rank_weights(student) if low_rank else parameters(student)
    heads = parameters(found.heads) if stage == "adversarial" else 0
    teacher = parameters(found.guided) if stage == "adversarial" else parameters(found.mobile)
    frozen = CLIP_WEIGHTS + parameters(found.small_autoencoder) + (0 if stage == "mobile" else teacher)
    whole = parameters(student) + (trained if low_rank else 0)
    # The average is kept of the student alone.
    return 4.0 * (whole + 4 * trained + 4 * heads + frozen)


def activations(unet: Any, side: int = 256) -> float:
    """Bytes of all layers' outputs of one sample in bfloat16: what is kept for the backward pass, at most."""
    kept = 0.0

    def keep(layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal kept
        del layer, inputs
        kept += 2 * output.numel() if isinstance(output, Tensor) else 0

    leaves = [layer for layer in unet.modules() if not list(layer.children())]
    handles = [layer.register_forward_hook(keep) for layer in leaves]
    try:
        denoiser_cost(unet, side, side)
    finally:
        for handle in handles:
            handle.remove()
    return kept


def _encoder_inputs(unet: Any, side: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    size = side // 8
    return (
        torch.zeros(1, unet.config["in_channels"], size, size, device="meta"),
        torch.zeros(1, device="meta"),
        torch.zeros(1, PROMPT_TOKENS, unet.config["cross_attention_dim"], device="meta"),
        torch.ones(1, 2, device="meta"),
    )


def _encoder_cost(unet: Any, side: int) -> float:
    return count(lambda: encoder_features(unet, *_encoder_inputs(unet, side))).total


def _heads_cost(found: Networks, side: int) -> float:
    inputs = _encoder_inputs(found.guided, side)
    features = encoder_features(found.guided, *inputs)
    return count(lambda: found.heads(features, inputs[1], inputs[2], inputs[3])).total


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Count parameters and operations at Stable Diffusion 1.5 scale.")
    parser.add_argument("--side", type=int, default=256, help="side of training pictures in pixels")
    args = parser.parse_args()
    found = networks()

    def write(line: str) -> None:
        sys.stdout.write(line + "\n")

    for name in ("base", "mobile", "guided", "heads", "large_autoencoder", "small_autoencoder"):
        write(f"{name:20} {parameters(getattr(found, name)) / 1e6:8.2f} M weights")
    write("\nTFLOPs a frame at 480x480     pass  autoencoder  total")
    for stage, denoiser, coded, total in inference_table(found):
        write(f"{stage:26} {denoiser:8.3f} {coded:10.3f} {total:9.3f}")
    write(f"\nTFLOPs a sample and step at {args.side}x{args.side}")
    for stage, operations in training_table(found, args.side):
        write(f"{stage:26} {operations:8.3f}")
    write(f"\nhours for batches of {BATCH}, at {UTILISATION:.0%} of the peak")
    for machine in MACHINES:
        for stage, needed in hours(found, machine, args.side):
            write(f"{machine.name:22} {stage:26} {needed:8.1f}")
    write(f"\nGB for weights and optimizer; low-rank layers of rank {LOW_RANK} are {_millions(found)} M weights")
    for stage in ("mobile", "guidance", "adversarial"):
        write(f"{stage:26} {memory(found, stage, False) / 1e9:8.1f} {memory(found, stage, True) / 1e9:8.1f}")
    write(f"\nGB of activations a sample, at most: {activations(found.guided, args.side) / 1e9:.2f}")


def _millions(found: Networks) -> str:
    return f"{low_rank_weights(found.guided) / 1e6:.1f}"


if __name__ == "__main__":
    main()
