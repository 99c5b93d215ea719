"""What of a checkpoint is for diffusers: networks of Stable Diffusion's scale, schedulers of many steps, LoRA.

Imported only where a checkpoint has such a part: the embedded model has none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
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
