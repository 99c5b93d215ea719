"""The embedded model's autoencoder: a linear 8x8 patch code, and a decoder that sees the source.

Promises the calls of diffusers' `AutoencoderTiny` (`encode(x).latents`, `decode(z).sample`) with images in
[-1, 1], plus one argument: `decode(z, source)` carries the source's fine detail around the network. Knows nothing
of instructions, files or devices.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTinyOutput
from diffusers.models.autoencoders.vae import DecoderOutput
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

PATCH = 8


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
    """

    def __init__(self, latent_channels: int, widths: tuple[int, int, int]) -> None:
        super().__init__()
        low, middle, high = widths
        self.conv_in = nn.Conv2d(2 * latent_channels, low, 3, padding=1)
        self.low = ResidualConv(low)
        self.up_low = nn.Conv2d(low, 4 * middle, 1)
        self.middle_in = nn.Conv2d(middle + 2 * 48, middle, 3, padding=1)
        self.middle = ResidualConv(middle)
        self.up_middle = nn.Conv2d(middle, 4 * high, 1)
        self.high_in = nn.Conv2d(high + 2 * 12, high, 3, padding=1)
        self.high = nn.ModuleList([ResidualConv(high), ResidualConv(high)])
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
        hidden = self.middle_in(torch.cat([hidden, F.pixel_unshuffle(pictures, 4)], dim=1))
        hidden = F.pixel_shuffle(self.up_middle(self.middle(hidden)), 2)
        hidden = self.high_in(torch.cat([hidden, F.pixel_unshuffle(pictures, 2)], dim=1))
        for block in self.high:
            hidden = block(hidden)
        hidden = F.silu(hidden).to(self.conv_out.weight.dtype)
        correction, gate = F.pixel_shuffle(self.conv_out(hidden), 2).chunk(2, dim=1)
        return correction, gate + 1


class PatchAutoencoder(ModelMixin, ConfigMixin):
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
    ) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(3, latent_channels, PATCH, stride=PATCH)
        self.decoder = nn.ConvTranspose2d(latent_channels, 3, PATCH, stride=PATCH)
        low, middle, high = decoder_widths
        self.detail = DetailDecoder(latent_channels, (low, middle, high))

    def encode(self, image: Tensor, return_dict: bool = True) -> AutoencoderTinyOutput:
        """Encode images `(N, 3, H, W)` in [-1, 1], H and W multiples of 8, to latents `(N, C, H/8, W/8)`."""
        del return_dict  # accepted for the sake of diffusers' signature
        return AutoencoderTinyOutput(latents=self.encoder(image))

    def decode(self, latents: Tensor, source: Tensor | None = None) -> DecoderOutput:
        """Decode latents `(N, C, h, w)` to images `(N, 3, 8h, 8w)` in [-1, 1].

        With `source`, the unedited images of the same shape, their detail is carried over; without it the result
        is the linear reconstruction alone, which is blurred.
        """
        linear = self.decoder(latents)
        if source is None:
            return DecoderOutput(sample=linear.clamp(-1, 1))
        if not self.config["source_skip"]:
            correction, _ = self.detail(latents, latents, linear, linear)
            return DecoderOutput(sample=(linear + correction).clamp(-1, 1))
        source_latents = self.encoder(source)
        residual = source - self.decoder(source_latents)
        correction, gate = self.detail(latents, source_latents, linear, source)
        return DecoderOutput(sample=(linear + gate * residual + correction).clamp(-1, 1))

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
