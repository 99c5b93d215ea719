"""One measurement: operations of a frame, and the values that `movie bench` shows, in its order.

For comparison the same denoiser runs in diffusers' own pipeline, too: ten steps of three passes, frame by frame.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import diffusers
import numpy as np
import torch
from diffusers import EulerAncestralDiscreteScheduler, StableDiffusionInstructPix2PixPipeline
from PIL import Image
from torch import Tensor, nn

from movie_cli.backends import Pixels, RuntimeConfig
from movie_cli.bench.shapes import SHAPES, Operations, count, part_of
from movie_cli.bench.stages import as_values, make_clip, matmul_peak, measure_stages, measure_whole, settle
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.load import load_checkpoint
from movie_cli.editing.editor import Editor, Editors
from movie_cli.editing.plan import make_plan
from movie_cli.editing.request import EditRequest
from movie_cli.media import FrameReader, probe
from movie_cli.models.attention import AnchorStore, ConditioningCache, attach
from movie_cli.models.autoencoder import AutoencoderAdapter, place_weights
from movie_cli.recipe import Recipe

STEPS = 10
"""What the paper's base model takes."""


class _Autoencoder(nn.Module):
    """An autoencoder of ours in the words of diffusers' `AutoencoderKL`."""

    def __init__(self, codec: AutoencoderAdapter, source: Tensor, dtype: torch.dtype) -> None:
        super().__init__()
        self.codec, self.source, self.dtype, self.device = codec, source, dtype, source.device
        channels = codec.module.config["latent_channels"]
        self.config = SimpleNamespace(
            block_out_channels=(1,) * 4, latent_channels=channels, scaling_factor=1.0, force_upcast=False
        )

    def encode(self, image: Tensor) -> SimpleNamespace:
        latents = self.codec.condition(image.float()).to(self.dtype)
        return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: latents))

    def decode(self, latents: Tensor, return_dict: bool = False) -> tuple[Tensor]:
        del return_dict
        return (self.codec.decode(latents.float(), self.source).to(self.dtype),)


class _Denoiser(nn.Module):
    """A denoiser with scales as inputs, called without them: both are held."""

    def __init__(self, unet: Any, recipe: Recipe) -> None:
        super().__init__()
        self.unet, self.config, self.dtype, self.device = unet, unet.config, unet.dtype, unet.device
        self.scales = recipe.scales

    def forward(self, sample: Tensor, timestep: Any, **options: Any) -> Any:
        scales = torch.tensor([self.scales], device=sample.device).expand(len(sample), 2)
        found = self.unet(sample, timestep, timestep_cond=scales, **options)
        return (found[0].to(self.dtype), *found[1:])


def seconds_a_frame(descriptor: Descriptor, config: RuntimeConfig, recipe: Recipe, frames: Pixels) -> float:
    """How long diffusers' InstructPix2Pix pipeline takes for a frame of those `(N, H, W, 3)`, one after the other.

    The checkpoint's own denoiser and autoencoder run in `config.dtype`; the text is embedded beforehand. The first
    frame warms up. Neither reading nor writing of video is counted.

    Raises:
        ModelError: the checkpoint cannot be loaded.
    """
    parts = load_checkpoint(descriptor, as_diffusers=True)
    device, dtype = torch.device(config.device), config.torch_dtype
    place_weights(parts.unet, device, dtype)
    parts.autoencoder.place(device, dtype)
    tokens, null = (parts.text.encode(text).tokens.to(device, dtype) for text in (recipe.instruction, ""))
    unet: Any = parts.unet
    if "scale_embedding_dim" in unet.config:
        unet = _Denoiser(unet, recipe)
    source = torch.from_numpy(frames[:1]).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
    pipeline = StableDiffusionInstructPix2PixPipeline(
        vae=_Autoencoder(parts.autoencoder, source, dtype),
        text_encoder=None,
        tokenizer=None,
        unet=unet,
        scheduler=EulerAncestralDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    took = []
    for frame in frames:
        began = time.monotonic()
        pipeline(
            image=Image.fromarray(frame),
            prompt_embeds=tokens,
            negative_prompt_embeds=null,
            guidance_scale=recipe.scales[0],
            image_guidance_scale=recipe.scales[1],
            num_inference_steps=STEPS,
            generator=torch.Generator().manual_seed(recipe.seed),
        )
        settle(config.device)
        took.append(time.monotonic() - began)
    return min(took[1:] or took)


@dataclass(frozen=True)
class FrameCost:
    """Operations of one frame: the UNet's in all its steps and passes for an edit's first frames and for every later
    one, the same with one cached anchor, and the autoencoder's both halves.
    """

    first: Operations
    steady: Operations
    anchored: Operations
    autoencoder: Operations


def frame_cost(
    unet: Callable[[], Any], autoencoder: Callable[[], Any], size: tuple[int, int], passes: int, steps: int, tokens: int
) -> FrameCost:
    """The cost of a frame of `size` (width, height) for networks that the two functions make."""
    with torch.device("meta"):
        network, vae = unet().eval(), autoencoder().eval()
        store, steady = attach(network), ConditioningCache(network)
        width, height = size
        sample = torch.zeros(1, network.config["in_channels"], height // 8, width // 8)
        context = torch.zeros(1, tokens, network.config["cross_attention_dim"])
        picture = torch.zeros(1, 3, height, width)
        latents = torch.zeros(1, vae.config["latent_channels"], height // 8, width // 8)
        timestep = torch.zeros(1)
        extra = {"timestep_cond": torch.ones(1, 2)} if "scale_embedding_dim" in network.config else {}

        def denoise() -> None:
            network(sample, timestep, context, **extra)

        def code() -> None:
            vae.encode(picture)
            if type(vae).__name__ == "PatchAutoencoder":
                vae.decode(latents, picture)
            else:
                vae.decode(latents)

        steady.begin(0)
        first = count(denoise)
        later = count(denoise)
        anchored = _with_anchor(store, denoise)
        runs = passes * steps
        return FrameCost(first * runs, later * runs, anchored * runs, count(code))


def _with_anchor(store: AnchorStore, denoise: Callable[[], None]) -> Operations:
    store.mode = "write"
    denoise()
    store.mode = "read"
    return count(denoise)


COMPARED = 3
"""Frames that diffusers' pipeline edits, the first of which warms it up."""


def operations_of_kind(kind: str, size: tuple[int, int]) -> FrameCost:
    """Operations of a frame of `size` (width, height) for networks of a kind of `shapes`."""
    shape = SHAPES[kind]
    return frame_cost(shape.unet, shape.autoencoder, size, shape.passes, shape.steps, shape.tokens)


def operations_of_model(descriptor: Descriptor, size: tuple[int, int], steps: int, tokens: int) -> FrameCost:
    """The same for a checkpoint, from its configurations alone; `tokens` is the length of its embedded text."""
    unet, vae = (partial(part_of, descriptor.folder, name) for name in ("unet", "vae"))
    return frame_cost(unet, vae, size, descriptor.passes, steps, tokens)


def operation_values(cost: FrameCost, size: tuple[int, int], *, anchored: bool) -> dict[str, Any]:
    """Operations as shown: of every frame but the first, with the cached anchor where there is one."""
    steady = (cost.anchored if anchored else cost.steady) + cost.autoencoder
    return {
        "size": f"{size[0]}x{size[1]}",
        "flops_per_frame_without_attention": steady.layers,
        "flops_per_frame": steady.total,
        "flops_of_first_frame_without_attention": (cost.first + cost.autoencoder).layers,
        "flops_kept_from_first_frame": cost.first.layers - cost.steady.layers,
    }


def measure(request: EditRequest, drawn: tuple[int, tuple[int, int]] | None, *, compare: bool) -> dict[str, Any]:
    """Edit a clip, time its stages and count its operations.

    `drawn` is how many frames of which (width, height) the clip is to have that is drawn as the request's source, None
    where there is one; `compare` also runs diffusers' pipeline.

    Raises:
        MovieError: the model, the device or the source cannot be used.
    """
    source, recipe = Path(request.source), request.recipe
    if drawn is not None:
        make_clip(source, *drawn)
    editors = Editors()
    whole = measure_whole(request, editors)
    stages = measure_stages(request, editors)
    summary = whole.summary
    made = make_plan(request, source)
    descriptor, config = made.descriptor, made.runtime
    editor = editors.get(descriptor, config)
    compiled = getattr(editor.backend, "compiled", None)
    steps = recipe.steps or descriptor.steps
    tokens = editor.settings.text.tokens.shape[1]
    cost = operations_of_model(descriptor, summary.working_size, steps, tokens)
    counted = operation_values(cost, summary.working_size, anchored=recipe.anchors != "none")
    peak = matmul_peak(summary.device, config.torch_dtype)
    slowest = max(stages.network, stages.decode, stages.detail + stages.encode)
    values = {
        "model": summary.model,
        "machine": _machine(config),
        "device": summary.device,
        "dtype": summary.dtype,
        "batch": made.batch,
        "compile_s": compiled.seconds if compiled is not None else None,
        "versions": f"torch {torch.__version__}, diffusers {diffusers.__version__}, PyAV {av.__version__}",
        "clip": f"{summary.size[0]}x{summary.size[1]}, {summary.frames} frames",
        "working_size": "{}x{}".format(*summary.working_size),
        "fps": summary.frames / summary.seconds,
        "load_s": whole.load,
        "first_frame_s": whole.first_frame,
        **as_values(stages),
        "network_fps": 1000 / stages.network,
        "share_of_slowest_stage": slowest * summary.frames / summary.seconds / 1000,
        **{key: value for key, value in counted.items() if key != "size"},
        "matmul_peak_flops": peak,
        "share_of_peak": counted["flops_per_frame"] * 1000 / stages.network / peak,
        "peak_memory_bytes": whole.peak,
        "device_peak_memory_bytes": whole.device_peak,
    }
    if compare:
        values |= _compared(source, descriptor, config, recipe, values["fps"])
    return values


def _compared(
    source: Path, descriptor: Descriptor, config: RuntimeConfig, recipe: Recipe, fps: float
) -> dict[str, Any]:
    size = Editor.size_for(descriptor, *probe(source).video.presentation_size)
    with FrameReader(source, also_size=size) as reader:
        frames = [frame.working for frame, _ in zip(reader, range(COMPARED))]  # noqa: B905
    seconds = seconds_a_frame(descriptor, config, recipe, np.stack(frames))
    return {
        "diffusers_pipeline": f"InstructPix2Pix, {STEPS} steps of 3 passes, the same weights",
        "diffusers_fps": 1 / seconds,
        "times_diffusers": fps * seconds,
    }


def _machine(config: RuntimeConfig) -> str:
    if config.device.startswith("cuda"):
        return torch.cuda.get_device_name(config.device)
    return f"{platform.machine()}, {config.threads or torch.get_num_threads()} threads"
