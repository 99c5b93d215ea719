"""The same denoiser in diffusers' own pipeline, for comparison: ten steps of three passes, frame by frame."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import torch
from diffusers import EulerAncestralDiscreteScheduler, StableDiffusionInstructPix2PixPipeline
from PIL import Image
from torch import Tensor, nn

from movie_cli.backends.base import Pixels, RuntimeConfig
from movie_cli.bench.stages import settle
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.load import load_checkpoint
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


def seconds_a_frame(descriptor: Descriptor, choice: RuntimeConfig, recipe: Recipe, frames: Pixels) -> float:
    """How long diffusers' InstructPix2Pix pipeline takes for a frame of those `(N, H, W, 3)`, one after the other.

    The checkpoint's own denoiser and autoencoder run in `choice.dtype`; the text is embedded beforehand. The first
    frame warms up. Neither reading nor writing of video is counted.

    Raises:
        ModelError: the checkpoint cannot be loaded.
    """
    parts = load_checkpoint(descriptor, as_diffusers=True)
    device, dtype = torch.device(choice.device), choice.torch_dtype
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
        settle(choice.device)
        took.append(time.monotonic() - began)
    return min(took[1:] or took)
