"""Between pictures and latents: one pair of calls over the autoencoders that checkpoints come with.

Promises the right latents for an editor's UNet, which differ by autoencoder: InstructPix2Pix was trained on the
*unscaled* mode of the SD autoencoder, TAESD works in scaled latents. Knows nothing of files.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from torch import Tensor, nn

from movie_cli.models.autoencoder import PatchAutoencoder

SD_SCALING = 0.18215
"""Standard deviation's inverse of SD 1.x latents; TAESD's latents are scaled by it already."""


class Codec(Protocol):
    """Pictures are `(N, 3, H, W)` in [-1, 1], latents `(N, C, H/8, W/8)`.

    Both are float32 whatever the weights are: in bfloat16 a latent would be rounded by half a code value of the
    picture, and rounding that changes from frame to frame flickers.
    """

    module: Any

    @property
    def scaling(self) -> float:
        """What source latents are multiplied with to be latents of the space that the UNet denoises in."""
        ...

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Bring the weights to a device and a number type, in channels-last order."""
        ...

    def encode(self, image: Tensor) -> Tensor:
        """The source latents `c_I` that the UNet is conditioned on."""
        ...

    def decode(self, latents: Tensor, source: Tensor) -> Tensor:
        """Edited latents `x0` to a picture; `source` is the unedited picture, for decoders that use it."""
        ...


class PatchCodec:
    """The embedded model's linear patch code; its decoder sees the source.

    The linear maps and the last layer stay in float32: they cost little and what they give is the picture itself.
    """

    def __init__(self, module: PatchAutoencoder) -> None:
        self.module: Any = module
        self.scaling = 1.0

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Bring the networks to `dtype`, and all to `device`."""
        place_weights(self.module, device, torch.float32)
        place_weights(self.module.detail, device, dtype)
        place_weights(self.module.detail.conv_out, device, torch.float32)

    def encode(self, image: Tensor) -> Tensor:
        """Latents of unit variance."""
        return self.module.encode(image).latents

    def decode(self, latents: Tensor, source: Tensor) -> Tensor:
        """Decode with the source's detail."""
        return self.module.decode(latents, source).sample


class TinyCodec:
    """TAESD (diffusers `AutoencoderTiny`): scaled latents, so `c_I = E(image) / 0.18215` for InstructPix2Pix."""

    def __init__(self, module: AutoencoderTiny, latent_scaling: float = SD_SCALING) -> None:
        self.module: Any = module
        self.scaling = latent_scaling

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Bring all weights over."""
        place_weights(self.module, device, dtype)

    def encode(self, image: Tensor) -> Tensor:
        """The unscaled latents that InstructPix2Pix expects."""
        latents: Tensor = self.module.encode(image.to(self.module.dtype)).latents
        return latents.float() / self.scaling

    def decode(self, latents: Tensor, source: Tensor) -> Tensor:
        """Decode; `source` is not used."""
        del source
        image: Tensor = self.module.decode(latents.to(self.module.dtype)).sample
        return image.float()


class KLCodec:
    """The SD autoencoder (`AutoencoderKL`): the posterior's mode, unscaled, as `c_I`; scaled latents come back."""

    def __init__(self, module: AutoencoderKL) -> None:
        self.module: Any = module
        self.scaling = float(self.module.config["scaling_factor"])

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Bring all weights over."""
        place_weights(self.module, device, dtype)

    def encode(self, image: Tensor) -> Tensor:
        """The unscaled mode of the posterior."""
        latents: Tensor = self.module.encode(image.to(self.module.dtype)).latent_dist.mode()
        return latents.float()

    def decode(self, latents: Tensor, source: Tensor) -> Tensor:
        """Undo the scaling and decode; `source` is not used."""
        del source
        scaled = latents / self.scaling
        image: Tensor = self.module.decode(scaled.to(self.module.dtype)).sample
        return image.float()


def place_weights(module: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Bring a network's weights to a device and a number type, in the order that convolutions are fastest in."""
    # diffusers' own `to` warns of half precision at every call; torch's does the same work.
    nn.Module.to(module, device, dtype)
    nn.Module.to(module, memory_format=torch.channels_last)  # type: ignore[call-overload]


def codec_of(module: nn.Module) -> Codec:
    """The codec of an autoencoder, by its class.

    Raises:
        TypeError: no codec for this class.
    """
    if isinstance(module, PatchAutoencoder):
        return PatchCodec(module)
    if isinstance(module, AutoencoderTiny):
        return TinyCodec(module)
    if isinstance(module, AutoencoderKL):
        return KLCodec(module)
    raise TypeError(f"no codec for {type(module).__name__}")
