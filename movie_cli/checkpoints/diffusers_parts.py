"""What of a checkpoint is for diffusers: networks of Stable Diffusion's scale, schedulers of many steps, LoRA; and its
layout on disk, float16 safetensors with `movie.json` beside `model_index.json`, as training writes it.

Imported only where a checkpoint has such a part, or is written: the embedded model has none.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, SchedulerMixin, UNet2DConditionModel

from movie_cli.checkpoints.folder import check_safetensors
from movie_cli.errors import DeviceError, ModelError, first_line
from movie_cli.models.denoiser import GuidedUNet2DConditionModel

NETWORKS: dict[str, Any] = {
    "AutoencoderKL": AutoencoderKL,
    "AutoencoderTiny": AutoencoderTiny,
    "GuidedUNet2DConditionModel": GuidedUNet2DConditionModel,
    "UNet2DConditionModel": UNet2DConditionModel,
}


def read_scheduler(path: Path, name: str) -> Any:
    """The scheduler of that class, of the configuration in the folder `path`.

    Raises:
        ModelError: diffusers has none of that name, or the configuration is not one of it.
    """
    kind: Any = getattr(diffusers, name, None)
    if SchedulerMixin not in getattr(kind, "__mro__", ()):
        raise ModelError(f"{path} asks for {name}, which is no scheduler of diffusers {diffusers.__version__}")
    try:
        return kind.from_pretrained(path)
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{path} cannot be loaded: {error}", "copy or download the checkpoint again") from error


def merge_lora(unet: Any, path: Path) -> None:
    """Add a LoRA's product to the weights of a diffusers UNet; layers of the text encoder in it are left out.

    Raises:
        ModelError: the file is damaged, is no LoRA, or fits no layer of this UNet.
        DeviceError: peft, which reads the layers, is not installed.
    """
    check_safetensors(path)
    try:
        import peft  # noqa: F401 - diffusers asks whether it is there
    except ImportError as error:
        raise DeviceError("--lora needs the package peft", "pip install peft") from error
    from diffusers.loaders import StableDiffusionLoraLoaderMixin

    try:
        layers, alphas = StableDiffusionLoraLoaderMixin.lora_state_dict(
            path.parent, weight_name=path.name, unet_config=unet.config, local_files_only=True, use_safetensors=True
        )
        ours = {name: value for name, value in layers.items() if name.startswith("unet.")}
        if not ours:
            raise ModelError(f"{path} holds no low-rank layers for a UNet", "name a LoRA for SD 1.x")
        unet.load_lora_adapter(ours, network_alphas=alphas, prefix="unet")
        unet.fuse_lora()
        unet.unload_lora()
    except (OSError, LookupError, ValueError, TypeError, RuntimeError) as error:
        raise ModelError(
            f"{path} does not fit this checkpoint: {first_line(error)}", "a LoRA belongs to one kind of model"
        ) from error


NANO_AREA = 512 * 384


def save_checkpoint(
    folder: Path,
    unet: Any,
    vae: Any,
    text_encoder: Any,
    tokenizer: Any,
    scheduler: SchedulerMixin,
    **facts: Any,
) -> None:
    """Write all parts; `facts` override entries of `movie.json`.

    `text_encoder` and `tokenizer` are movie's own, or CLIP's of transformers; `unet` and `vae` any that load again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in {"unet": unet, "vae": vae, "text_encoder": text_encoder}.items():
        copy.deepcopy(part).to(torch.float16).save_pretrained(folder / name, safe_serialization=True)
    tokenizer.save_pretrained(folder / "tokenizer")
    scheduler.save_pretrained(folder / "scheduler")
    index = {
        "_class_name": "MoviePipeline",
        "_diffusers_version": diffusers.__version__,
        **{
            name: [_library(part), getattr(part, "class_name", type(part).__name__)]
            for name, part in {
                "scheduler": scheduler,
                "text_encoder": text_encoder,
                "tokenizer": tokenizer,
                "unet": unet,
                "vae": vae,
            }.items()
        },
    }
    movie = {
        "format": 1,
        "name": folder.name,
        "stage": "one-step",
        "steps": 1,
        "text_scale_range": [2, 14],
        "image_scale_range": [1, 3],
        "native_area": NANO_AREA,
        "size_multiple": 16,
        "source_skip": True,
        "licence": "Apache-2.0",
        "description": "",
        "edits": list(getattr(text_encoder, "edits", ())),
    }
    write_json(folder / "model_index.json", index)
    write_json(folder / "movie.json", movie | facts)


def _library(part: Any) -> str:
    """What `model_index.json` says a part comes from: the library, or the module where it is movie's own."""
    module = type(part).__module__
    library = module.partition(".")[0]
    return library if library in {"diffusers", "transformers"} else module


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON file as people like to read it."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
