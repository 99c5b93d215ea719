"""Loads a checked checkpoint folder's parts: UNet, autoencoder, text encoder, scheduler, a LoRA. Safetensors only.

Everything comes on the CPU in float32.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, SchedulerMixin, UNet2DConditionModel
from torch import nn

from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.folder import check_safetensors
from movie_cli.checkpoints.regions import load_regions
from movie_cli.checkpoints.store import SCHEDULERS
from movie_cli.errors import DeviceError, ModelError
from movie_cli.models.autoencoder import AutoencoderAdapter, PatchAutoencoder, adapter_of
from movie_cli.models.denoiser import GuidedUNet2DConditionModel
from movie_cli.models.regions import RegionNetwork
from movie_cli.models.scene import sees_scene
from movie_cli.models.text import ClipConditioner, InstructionConditioner, TextConditioner

UNETS: dict[str, Any] = {
    "GuidedUNet2DConditionModel": GuidedUNet2DConditionModel,
    "UNet2DConditionModel": UNet2DConditionModel,
}
AUTOENCODERS: dict[str, Any] = {
    "AutoencoderKL": AutoencoderKL,
    "AutoencoderTiny": AutoencoderTiny,
    "PatchAutoencoder": PatchAutoencoder,
}
_AGAIN = "copy or download the checkpoint again"


@dataclass(frozen=True)
class Parts:
    """A checkpoint's networks and scheduler, on the CPU in float32, in evaluation mode."""

    unet: nn.Module
    autoencoder: AutoencoderAdapter
    text: TextConditioner
    scheduler: SchedulerMixin


def load_checkpoint(descriptor: Descriptor) -> Parts:
    """Load all parts of the checkpoint in `descriptor.folder`.

    Raises:
        ModelError: a part is missing, damaged, or of a class this version does not know.
    """
    folder = descriptor.folder
    unet = _load(folder / "unet", _known_class(folder / "unet", UNETS).from_pretrained, use_safetensors=True)
    place = descriptor.vae_folder
    vae = _load(place, _known_class(place, AUTOENCODERS).from_pretrained, use_safetensors=True)
    if descriptor.variant.lora is not None:
        merge_lora(unet, descriptor.variant.lora)
    scheduler = _scheduler(folder / "scheduler", descriptor.variant.scheduler)
    return Parts(unet.eval(), adapter_of(vae.eval(), _regions(folder, unet)), load_text(folder), scheduler)


def _regions(folder: Path, unet: Any) -> RegionNetwork | None:
    """The region network of a denoiser that is told what is where."""
    if not sees_scene(unet.config["in_channels"], unet.config["out_channels"]):
        return None
    network = load_regions(folder)
    if network is None:
        raise ModelError(f"{folder / 'regions'} is missing, which the denoiser needs", _AGAIN)
    return network


def _load(path: Path, load: Callable[..., Any], **options: Any) -> Any:
    try:
        return load(path, local_files_only=True, torch_dtype=torch.float32, **options)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"{path} cannot be loaded: {first_line}", _AGAIN) from error


def _class_name(path: Path, file: str, key: str = "_class_name") -> str:
    try:
        value = json.loads((path / file).read_text(encoding="utf-8"))[key]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path / file} does not say its class", _AGAIN) from error
    return str(value)


def _known_class(path: Path, known: dict[str, Any]) -> Any:
    name = _class_name(path, "config.json")
    if name not in known:
        raise ModelError(f"{path} is a {name}, which cannot edit here", f"known classes are {', '.join(sorted(known))}")
    return known[name]


def load_text(folder: Path) -> TextConditioner:
    """The text encoder of a checkpoint alone.

    Raises:
        ModelError: it is damaged or of no known kind.
    """
    path = folder / "text_encoder"
    config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    if config.get("_class_name") == "InstructionEncoder":
        result: TextConditioner = _load(folder, InstructionConditioner.from_folder)
        return result
    if "CLIPTextModel" in (config.get("architectures") or ()):
        clip: TextConditioner = _load(folder, ClipConditioner.from_folder)
        return clip
    raise ModelError(f"{path} is no text encoder that is known here", "InstructionEncoder and CLIPTextModel are")


def _scheduler(path: Path, wanted: str | None = None) -> SchedulerMixin:
    name = _class_name(path, "scheduler_config.json") if wanted is None else SCHEDULERS[wanted]
    kind: Any = getattr(diffusers, name, None)
    if SchedulerMixin not in getattr(kind, "__mro__", ()):
        raise ModelError(f"{path} asks for {name}, which is no scheduler of diffusers {diffusers.__version__}")
    try:
        return kind.from_pretrained(path)
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{path} cannot be loaded: {error}", _AGAIN) from error


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
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"{path} does not fit this checkpoint: {first}", "a LoRA belongs to one kind of model"
        ) from error
