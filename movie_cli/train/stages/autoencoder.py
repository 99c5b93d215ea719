"""`autoencoder`: the linear patch code is fitted to photographs, then the detail decoder is trained on edits.

The checkpoint that comes out edits nothing yet: its denoiser gives the source back, so that `movie edit` with it shows
what the autoencoder keeps of a video. With `fit = false` the starting checkpoint's code and denoiser stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from diffusers import LCMScheduler, SchedulerMixin
from torch import Tensor, nn

from movie_cli.errors import ModelError
from movie_cli.models.autoencoder import PatchAdapter, PatchAutoencoder
from movie_cli.models.denoiser import GuidedUNet2DConditionModel
from movie_cli.train.bank_samples import BankSamples
from movie_cli.train.conditioning import conditioning_of
from movie_cli.train.objectives import decoded_loss
from movie_cli.train.samples import Draws, SampleBatch, SampleSource
from movie_cli.train.settings import AutoencoderSettings
from movie_cli.train.stages import EditorStage, Loss
from movie_cli.train.start import Start, open_start

DECODER = "decoder"


class AutoencoderStage(EditorStage):
    """Trains the detail decoder to give edited pictures from edited latents and the source."""

    AVERAGED = (DECODER,)
    settings: AutoencoderSettings

    def __init__(self, settings: AutoencoderSettings, start: Start) -> None:
        super().__init__(settings, start, conditioning_of(start.text, settings.seed))
        self.vae: PatchAutoencoder = start.codec.module
        self.vae.detail.requires_grad_(True).train()
        self.parts[DECODER] = self.vae
        if not settings.fit:
            self.frozen["unet"] = start.unet

    def stored(self, part: str) -> dict[str, Tensor]:
        """All weights: the fitted code belongs to the state as well."""
        return dict(self.parts[part].named_parameters())

    def losses(self, batch: SampleBatch, draws: Draws, step: int) -> Iterator[Loss]:
        """Distance of the decoded picture from the edited one; latents carry noise, as a denoiser's errors."""
        del step
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            latents = self.vae.encode(batch.edited).latents
            amount = draws.uniform(0, self.settings.latent_noise).view(-1, 1, 1, 1)
            latents = latents + amount * draws.normal(*latents.shape[1:])
        picture = self.vae.decode(latents, batch.source).sample.float()
        loss = decoded_loss(picture, batch.edited, self.settings.loss)
        error = (picture - batch.edited).detach().square().mean() / 4
        yield Loss(loss, {"reconstruction": loss, "psnr": -10 * error.clamp_min(1e-10).log10()})

    def denoiser(self) -> tuple[nn.Module, SchedulerMixin, dict[str, Any]]:
        """The starting checkpoint's, or one that gives the source back."""
        known = self.start.descriptor
        if not self.settings.fit:
            return (
                self.start.unet,
                self.start.scheduler,
                {
                    "stage": known.stage,
                    "steps": known.steps,
                    "text_scale_range": list(known.text_scale_range),
                    "image_scale_range": list(known.image_scale_range),
                    "description": known.description,
                    "source_skip": self.settings.source_skip,
                },
            )
        unet = identity_unet(self.vae.config["latent_channels"], self.conditioning.null(1).shape[-1])
        scheduler = LCMScheduler(prediction_type="v_prediction", rescale_betas_zero_snr=True, clip_sample=False)
        facts = {
            "stage": "one-step",
            "steps": 1,
            "source_skip": self.settings.source_skip,
            "description": "an autoencoder alone: gives the source back as it can be coded",
        }
        return unet.to(self.device), scheduler, facts


def identity_unet(latent_channels: int, prompt_dim: int) -> GuidedUNet2DConditionModel:
    """A one-step network that predicts the source: its own output is zero and the source is taken off."""
    unet = GuidedUNet2DConditionModel(
        scale_embedding_dim=4,
        time_embedding_dim=16,
        source_residual=True,
        in_channels=2 * latent_channels,
        out_channels=latent_channels,
        block_out_channels=(8,),
        down_block_types=("DownBlock2D",),
        mid_block_type=None,
        up_block_types=("UpBlock2D",),
        layers_per_block=1,
        cross_attention_dim=prompt_dim,
        use_linear_projection=True,
        norm_num_groups=4,
    )
    nn.init.zeros_(unet.conv_out.weight)
    nn.init.zeros_(unet.conv_out.bias)
    return unet.eval()


def autoencoder_stage(settings: AutoencoderSettings, data: SampleSource) -> AutoencoderStage:
    """`movie train autoencoder`.

    Raises:
        ModelError: the starting checkpoint cannot be used, or fitting was asked for without photographs of the bank.
    """
    start = open_start(settings.start, "autoencoder", ("base", "guided", "one-step"))
    if not settings.fit:
        if not isinstance(start.codec, PatchAdapter):
            raise ModelError(
                f"{start.descriptor.folder / 'vae'} is not a PatchAutoencoder, the only one that is trained here",
                "start from an embedded model, or swap it with fit = true",
            )
        start.codec.module.register_to_config(source_skip=settings.source_skip)
        if settings.new_decoder:
            torch.manual_seed(settings.seed)
            start.codec.module.renew_detail(*_decoder(settings))
        return AutoencoderStage(settings, start)
    if not isinstance(data, BankSamples):
        raise ModelError("the patch code is fitted to a folder of photographs", 'set data.kind = "bank"')
    torch.manual_seed(settings.seed)
    vae = PatchAutoencoder(settings.latent_channels, source_skip=settings.source_skip)
    vae.renew_detail(*_decoder(settings))
    vae.fit(data.patches(settings.patches_per_photo))
    return AutoencoderStage(settings, start.replace(codec=PatchAdapter(vae)))


def _decoder(settings: AutoencoderSettings) -> tuple[tuple[int, int, int], int, bool]:
    return settings.decoder_widths, settings.decoder_blocks, settings.decoder_sees_quarter
