"""Between pictures and latents: the embedded model's autoencoder, and one pair of calls over all that checkpoints have.

The embedded one is a linear 8x8 patch code and a decoder that sees the source. It has the calls of diffusers'
`AutoencoderTiny` (`encode(x).latents`, `decode(z).sample`) with images in [-1, 1], and an argument more:
`decode(z, source)` carries the source's fine detail around the network.

Adapters give the right latents for an editor's UNet, which differ by autoencoder: InstructPix2Pix was trained on the
*unscaled* mode of the SD autoencoder, TAESD works in scaled latents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from movie_cli.models.network import Network, register_to_config
from movie_cli.models.regions import RegionNetwork
from movie_cli.models.scene import scene_of

PATCH = 8
SD_SCALING = 0.18215
"""Standard deviation's inverse of SD 1.x latents; TAESD's latents are scaled by it already."""


class ResidualConv(nn.Module):
    """Two 3x3 convolutions around a SiLU, added to the input; starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        if self.conv2.bias is not None:
            nn.init.zeros_(self.conv2.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map `(N, C, h, w)` to the same shape."""
        residual: Tensor = self.conv2(F.silu(self.conv1(F.silu(hidden))))
        return hidden + residual


class DetailDecoder(nn.Module):
    """Adds to the linear reconstruction what a linear code cannot hold, with the source's pixels at hand.

    Takes float32 and works in its weights' own number type; the last layer may have a finer one. Works at 1/8, 1/4 and
    1/2 of the picture's size and leaves by pixel shuffle. Its last layer gives three channels of correction and three
    gates for the source's residual (the source less its own linear reconstruction).
    It starts with a zero correction and open gates, so that an unedited latent returns the source unchanged.
    The pictures come in at 1/2 of the size, and at 1/4 as well where `sees_quarter`.
    """

    def __init__(
        self, latent_channels: int, widths: tuple[int, int, int], blocks: int = 2, sees_quarter: bool = True
    ) -> None:
        super().__init__()
        low, middle, high = widths
        self.sees_quarter = sees_quarter
        self.conv_in = nn.Conv2d(2 * latent_channels, low, 3, padding=1)
        self.low = ResidualConv(low)
        self.up_low = nn.Conv2d(low, 4 * middle, 1)
        self.middle_in = nn.Conv2d(middle + 2 * 48 * sees_quarter, middle, 3, padding=1)
        self.middle = ResidualConv(middle)
        self.up_middle = nn.Conv2d(middle, 4 * high, 1)
        self.high_in = nn.Conv2d(high + 2 * 12, high, 3, padding=1)
        self.high = nn.ModuleList([ResidualConv(high) for _ in range(blocks)])
        self.conv_out = nn.Conv2d(high, 24, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        if self.conv_out.bias is not None:
            nn.init.zeros_(self.conv_out.bias)

    def forward(self, latents: Tensor, source_latents: Tensor, linear: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """Correction and gate, both `(N, 3, H, W)`, from both latents `(N, C, H/8, W/8)` and both pictures."""
        dtype = self.conv_in.weight.dtype
        hidden = self.low(self.conv_in(torch.cat([latents, source_latents], dim=1).to(dtype)))
        pictures = torch.cat([linear, source], dim=1).to(dtype)
        hidden = F.pixel_shuffle(self.up_low(hidden), 2)
        if self.sees_quarter:
            hidden = torch.cat([hidden, F.pixel_unshuffle(pictures, 4)], dim=1)
        hidden = self.middle_in(hidden)
        hidden = F.pixel_shuffle(self.up_middle(self.middle(hidden)), 2)
        hidden = self.high_in(torch.cat([hidden, F.pixel_unshuffle(pictures, 2)], dim=1))
        for block in self.high:
            hidden = block(hidden)
        hidden = F.silu(hidden).to(self.conv_out.weight.dtype)
        correction, gate = F.pixel_shuffle(self.conv_out(hidden), 2).chunk(2, dim=1)
        return correction, gate + 1


class EncoderOutput(NamedTuple):
    """Latents, in the words of diffusers."""

    latents: Tensor


class DecoderOutput(NamedTuple):
    """A picture, in the words of diffusers."""

    sample: Tensor


class PatchAutoencoder(Network):
    """Encoder: one linear map of each 8x8 patch to `latent_channels` numbers of unit variance.

    The map is the principal components of photographs' patches (`fit`), so latents are white and the code is
    invertible up to what it leaves out. Decoder: the transposed map plus a `DetailDecoder`. Without `source_skip` the
    detail decoder is shown the latents alone, in the source's place too: what that costs can be measured.
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 32,
        decoder_widths: tuple[int, int, int] = (96, 64, 48),
        scaling_factor: float = 1.0,
        source_skip: bool = True,
        decoder_blocks: int = 2,
        decoder_sees_quarter: bool = True,
    ) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(3, latent_channels, PATCH, stride=PATCH)
        self.decoder = nn.ConvTranspose2d(latent_channels, 3, PATCH, stride=PATCH)
        self.renew_detail(decoder_widths, decoder_blocks, decoder_sees_quarter)

    def encode(self, image: Tensor, return_dict: bool = True) -> EncoderOutput:
        """Encode images `(N, 3, H, W)` in [-1, 1], H and W multiples of 8, to latents `(N, C, H/8, W/8)`."""
        del return_dict  # accepted for the sake of diffusers' signature
        return EncoderOutput(self.encoder(image))

    def decode(self, latents: Tensor, source: Tensor | None = None) -> DecoderOutput:
        """Decode latents `(N, C, h, w)` to images `(N, 3, 8h, 8w)` in [-1, 1].

        With `source`, the unedited images of the same shape, their detail is carried over; without it the result
        is the linear reconstruction alone, which is blurred.
        """
        linear = self.decoder(latents)
        if source is None:
            return DecoderOutput(linear.clamp(-1, 1))
        if not self.config["source_skip"]:
            correction, _ = self.detail(latents, latents, linear, linear)
            return DecoderOutput((linear + correction).clamp(-1, 1))
        source_latents = self.encoder(source)
        residual = source - self.decoder(source_latents)
        correction, gate = self.detail(latents, source_latents, linear, source)
        return DecoderOutput((linear + gate * residual + correction).clamp(-1, 1))

    def renew_detail(self, widths: tuple[int, int, int], blocks: int, sees_quarter: bool = True) -> None:
        """Begin the detail decoder anew: widths at 1/8, 1/4 and 1/2 of the size, residual blocks at 1/2."""
        low, middle, high = widths
        self.detail = DetailDecoder(self.config["latent_channels"], (low, middle, high), blocks, sees_quarter)
        self.register_to_config(decoder_widths=widths, decoder_blocks=blocks, decoder_sees_quarter=sees_quarter)

    @torch.no_grad()
    def fit(self, patches: Tensor) -> None:
        """Set both linear maps to the principal components of patches `(P, 3, 8, 8)` in [-1, 1]."""
        flat = patches.flatten(1).double()
        mean = flat.mean(dim=0)
        covariance = (flat - mean).T @ (flat - mean) / len(flat)
        values, vectors = torch.linalg.eigh(covariance)
        channels: int = self.config["latent_channels"]
        basis = vectors.flip(1)[:, :channels].T
        deviation = values.flip(0)[:channels].clamp_min(1e-8).sqrt()[:, None]
        self.encoder.weight.copy_((basis / deviation).view_as(self.encoder.weight))
        self.decoder.weight.copy_((basis * deviation).view_as(self.decoder.weight))
        if self.encoder.bias is not None and self.decoder.bias is not None:
            self.encoder.bias.copy_(-(basis / deviation) @ mean)
            # A transposed convolution has one bias a channel: the patch mean's own average there. What is left of
            # the mean patch is nearly zero and is added by the code itself.
            self.decoder.bias.copy_(mean.view(3, -1).mean(dim=1))


class AutoencoderAdapter(Protocol):
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
        """A picture's latents, unscaled where the UNet's source condition is."""
        ...

    def condition(self, image: Tensor) -> Tensor:
        """The source condition `c_I` of the UNet: the latents, and before them whatever else it is told of a frame."""
        ...

    def decode(self, latents: Tensor, source: Tensor) -> Tensor:
        """Edited latents `x0` to a picture; `source` is the unedited picture, for decoders that use it."""
        ...


class PatchAdapter:
    """The embedded model's linear patch code; its decoder sees the source.

    The linear maps and the last layer stay in float32: they cost little and what they give is the picture itself.
    """

    def __init__(self, module: PatchAutoencoder, regions: RegionNetwork | None = None) -> None:
        self.module: Any = module
        self.scaling = 1.0
        self.regions = regions

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Bring the networks to `dtype`, and all to `device`."""
        if self.regions is not None:
            place_weights(self.regions, device, dtype)
        place_weights(self.module, device, torch.float32)
        place_weights(self.module.detail, device, dtype)
        place_weights(self.module.detail.conv_out, device, torch.float32)

    def encode(self, image: Tensor) -> Tensor:
        """Latents of unit variance."""
        return self.module.encode(image).latents

    def condition(self, image: Tensor) -> Tensor:
        """The latents, behind the scene for a denoiser that is told of it."""
        latents = self.encode(image)
        return latents if self.regions is None else torch.cat([scene_of(self.regions, image), latents], dim=1)

    def decode(self, latents: Tensor, source: Tensor) -> Tensor:
        """Decode with the source's detail."""
        return self.module.decode(latents, source).sample


class TinyAdapter:
    """TAESD (diffusers `AutoencoderTiny`): scaled latents, so `c_I = E(image) / 0.18215` for InstructPix2Pix."""

    def __init__(self, module: Any, latent_scaling: float = SD_SCALING) -> None:
        self.module: Any = module
        self.scaling = latent_scaling

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Bring all weights over."""
        place_weights(self.module, device, dtype)

    def encode(self, image: Tensor) -> Tensor:
        """The unscaled latents that InstructPix2Pix expects."""
        latents: Tensor = self.module.encode(image.to(self.module.dtype)).latents
        return latents.float() / self.scaling

    condition = encode

    def decode(self, latents: Tensor, source: Tensor) -> Tensor:
        """Decode; `source` is not used."""
        del source
        image: Tensor = self.module.decode(latents.to(self.module.dtype)).sample
        return image.float()


class KLAdapter:
    """The SD autoencoder (`AutoencoderKL`): the posterior's mode, unscaled, as `c_I`; scaled latents come back."""

    def __init__(self, module: Any) -> None:
        self.module: Any = module
        self.scaling = float(self.module.config["scaling_factor"])

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Bring all weights over."""
        place_weights(self.module, device, dtype)

    def encode(self, image: Tensor) -> Tensor:
        """The unscaled mode of the posterior."""
        latents: Tensor = self.module.encode(image.to(self.module.dtype)).latent_dist.mode()
        return latents.float()

    condition = encode

    def decode(self, latents: Tensor, source: Tensor) -> Tensor:
        """Undo the scaling and decode; `source` is not used."""
        del source
        scaled = latents / self.scaling
        image: Tensor = self.module.decode(scaled.to(self.module.dtype)).sample
        return image.float()


def place_weights(module: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Bring a network's weights to a device and a number type, in the order that convolutions are fastest in."""
    # The `to` of diffusers' networks warns of half precision at every call; torch's does the same work.
    nn.Module.to(module, device, dtype)
    nn.Module.to(module, memory_format=torch.channels_last)  # type: ignore[call-overload]


def adapter_of(module: nn.Module, regions: RegionNetwork | None = None) -> AutoencoderAdapter:
    """The adapter of an autoencoder, by its class; `regions` for a denoiser that is told what is where.

    Raises:
        TypeError: no adapter for this class.
    """
    if isinstance(module, PatchAutoencoder):
        return PatchAdapter(module, regions)
    # By name: a checkpoint that has none of diffusers' does without diffusers.
    name = type(module).__name__
    if name not in ADAPTERS:
        raise TypeError(f"no adapter for {name}")
    return ADAPTERS[name](module)


ADAPTERS: dict[str, Callable[[Any], AutoencoderAdapter]] = {"AutoencoderTiny": TinyAdapter, "AutoencoderKL": KLAdapter}
"""Those of diffusers' autoencoders."""
