"""Low-rank layers from a file, merged into a denoiser's weights: LCM's, for few steps, or a style's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from movie_cli.checkpoints.folder import check_safetensors
from movie_cli.errors import DeviceError, ModelError


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
