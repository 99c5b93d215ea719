import math

import torch
from torch.nn.functional import interpolate

from movie_cli.models.autoencoder import PatchAutoencoder


def pictures(count=8, size=32):
    torch.manual_seed(0)
    return interpolate(torch.rand(count, 3, 5, 5), size=(size, size), mode="bicubic").clamp(0, 1) * 2 - 1


def fitted(channels=24):
    vae = PatchAutoencoder(channels, (8, 8, 8))
    windows = pictures().unfold(2, 8, 4).unfold(3, 8, 4)
    vae.fit(windows.permute(0, 2, 3, 1, 4, 5).flatten(0, 2))
    return vae.eval()


def psnr(a, b):
    return -10 * math.log10(((a - b) / 2).square().mean().item() + 1e-12)


@torch.inference_mode()
def test_the_linear_code_reconstructs_and_latents_are_white():
    vae, image = fitted(), pictures()
    latents = vae.encode(image).latents
    assert latents.shape == (8, 24, 4, 4)
    assert 0.8 < latents.std() < 1.2
    assert psnr(vae.decode(latents).sample, image) > 30


@torch.inference_mode()
def test_an_unedited_latent_returns_the_source_exactly():
    vae, image = fitted(8), pictures()
    latents = vae.encode(image).latents
    assert psnr(vae.decode(latents, image).sample, image) > 90
    assert psnr(vae.decode(latents).sample, image) < 60


@torch.inference_mode()
def test_more_channels_reconstruct_better():
    image = pictures()
    quality = []
    for channels in (4, 8, 16):
        vae = fitted(channels)
        quality.append(psnr(vae.decode(vae.encode(image).latents).sample, image))
    assert quality == sorted(quality)


def test_save_and_load(tmp_path):
    vae, image = fitted(), pictures(1)
    vae.save_pretrained(tmp_path)
    again = PatchAutoencoder.from_pretrained(tmp_path)
    assert torch.equal(again.encode(image).latents, vae.encode(image).latents)


@torch.inference_mode()
def test_a_decoder_that_does_not_see_the_quarter_is_smaller_and_gives_the_source_back():
    vae, image = fitted(), pictures(1)
    before = sum(map(torch.numel, vae.detail.parameters()))
    vae.renew_detail((8, 8, 4), 1, sees_quarter=False)
    assert sum(map(torch.numel, vae.detail.parameters())) < before
    assert vae.config["decoder_sees_quarter"] is False
    assert torch.allclose(vae.decode(vae.encode(image).latents, image).sample, image, atol=1e-5)


def test_a_renewed_decoder_gives_the_source_back_and_is_kept(tmp_path):
    vae, image = fitted(), pictures(1)
    vae.renew_detail((8, 8, 4), 1)
    vae.save_pretrained(tmp_path)
    again = PatchAutoencoder.from_pretrained(tmp_path)
    assert again.config["decoder_blocks"] == len(again.detail.high) == 1
    latents = again.encode(image).latents
    assert torch.allclose(again.decode(latents, image).sample, image, atol=1e-5)
