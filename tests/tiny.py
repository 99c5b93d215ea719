"""Small random checkpoints in the layouts that real ones have, written by diffusers and transformers themselves."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    EulerAncestralDiscreteScheduler,
    LCMScheduler,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)

from movie_cli.bench.shapes import clip_tokenizer
from movie_cli.checkpoints.diffusers_parts import save_checkpoint
from movie_cli.checkpoints.load import save_regions
from movie_cli.models.autoencoder import PatchAutoencoder
from movie_cli.models.denoiser import GuidedUNet2DConditionModel
from movie_cli.models.regions import RegionNetwork, RegionShape
from movie_cli.models.scene import SCENE_CHANNELS
from movie_cli.models.text import InstructionEncoder
from movie_cli.models.tokenizer import InstructionTokenizer

NANO = Path(__file__).resolve().parents[1] / "movie_cli" / "checkpoints" / "nano"


def instruct_pix2pix(folder: Path) -> StableDiffusionInstructPix2PixPipeline:
    """A pipeline with the parts and layout of published InstructPix2Pix, tiny and random; also saved to `folder`."""
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        in_channels=8,
        out_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=24,
        attention_head_dim=2,
        norm_num_groups=4,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=2,
    )
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=54,
            hidden_size=24,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            bos_token_id=52,
            eos_token_id=53,
        )
    )
    scheduler = EulerAncestralDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    pipeline = StableDiffusionInstructPix2PixPipeline(
        vae=vae.eval(),
        text_encoder=text.eval(),
        tokenizer=clip_tokenizer(folder.with_name(folder.name + "-tokenizer")),
        unet=unet.eval(),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder, safe_serialization=True)
    return pipeline


def text_to_image(folder: Path) -> None:
    """A Stable Diffusion pipeline of the same parts, whose UNet takes noisy latents alone."""
    edits = instruct_pix2pix(folder.with_name(folder.name + "-ip2p"))
    config = {key: value for key, value in edits.unet.config.items() if not key.startswith("_")}
    StableDiffusionPipeline(
        vae=edits.vae,
        text_encoder=edits.text_encoder,
        tokenizer=edits.tokenizer,
        unet=UNet2DConditionModel(**config | {"in_channels": 4}),
        scheduler=edits.scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder, safe_serialization=True)


def tiny_autoencoder(folder: Path) -> None:
    """An autoencoder of TAESD's layout, random and narrow."""
    torch.manual_seed(0)
    AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 1),
    ).save_pretrained(folder, safe_serialization=True)


def one_step(folder: Path, channels: int = 8, extra: int = 0) -> Path:
    """A random one-step checkpoint of the embedded model's layout, with the embedded text encoder.

    Its denoiser takes `extra` channels between noise and source.
    """
    torch.manual_seed(0)
    unet = GuidedUNet2DConditionModel(
        scale_embedding_dim=8,
        time_embedding_dim=32,
        source_residual=True,
        in_channels=2 * channels + extra,
        out_channels=channels,
        block_out_channels=(16, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=192,
        attention_head_dim=2,
        use_linear_projection=True,
        norm_num_groups=4,
    )
    vae = PatchAutoencoder(channels, (8, 8, 8))
    text = InstructionEncoder.from_pretrained(NANO / "text_encoder")
    tokenizer = InstructionTokenizer.from_pretrained(NANO / "tokenizer")
    scheduler = LCMScheduler(prediction_type="v_prediction", rescale_betas_zero_snr=True, clip_sample=False)
    save_checkpoint(folder, unet, vae, text, tokenizer, scheduler, licence="Apache-2.0", description="random")
    return folder


def sees_sky() -> RegionNetwork:
    """A region network without training that takes everything for sky."""
    torch.manual_seed(0)
    network = RegionNetwork(RegionShape((8, 8, 16, 16), (1, 1, 1), 2, (8, 8, 8)))
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.zero_()
        network.head.bias[0] = 20
    return network


def seeing(folder: Path) -> Path:
    """As `one_step`, with regions that take everything for sky."""
    one_step(folder)
    save_regions(sees_sky(), folder / "regions")
    return folder


def told(folder: Path) -> Path:
    """As `one_step`, with a denoiser that is told of the scene by a random region network beside it."""
    one_step(folder, extra=SCENE_CHANNELS)
    torch.manual_seed(2)
    save_regions(RegionNetwork(RegionShape((8, 8, 16, 16), (1, 1, 1), 2, (8, 8, 8))), folder / "regions")
    return folder


def recurrent(folder: Path) -> Path:
    """As `one_step`, with a denoiser that has input channels for the edited frame before."""
    one_step(folder)
    config = json.loads((folder / "unet" / "config.json").read_text())
    torch.manual_seed(1)
    known = {key: value for key, value in config.items() if not key.startswith("_")}
    GuidedUNet2DConditionModel(**known | {"in_channels": 24}).save_pretrained(folder / "unet")
    return folder
