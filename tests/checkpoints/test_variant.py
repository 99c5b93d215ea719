"""Other autoencoders, schedulers and low-rank layers for a checkpoint of many steps."""

from __future__ import annotations

import dataclasses
import json
from functools import partial

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline
from safetensors.torch import save_file

from movie_cli.backends import torch_backend
from movie_cli.backends.torch_backend import TorchBackend
from movie_cli.backends.torch_devices import choose_torch
from movie_cli.checkpoints.load import load_checkpoint
from movie_cli.checkpoints.store import open_model, open_variant
from movie_cli.editing.editor import Editor
from movie_cli.errors import ModelError, UsageError
from movie_cli.models.sampling import OneStep
from movie_cli.models.unet import UNet
from movie_cli.recipe import Recipe
from tests import tiny

SHARED = tiny.NANO.parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("variant") / "ip2p"
    tiny.instruct_pix2pix(folder)
    return folder


def edited(recipe):
    frames = np.random.default_rng(0).integers(0, 255, (1, 64, 64, 3), dtype=np.uint8)
    editor = Editor(TorchBackend(open_variant(recipe), choose_torch("cpu", "float32")))
    editor.set_recipe(recipe)
    return editor.edit(frames)


def test_another_autoencoder(base, tmp_path):
    tiny.tiny_autoencoder(tmp_path / "taesd")
    recipe = Recipe("sepia", model=str(base), vae=str(tmp_path / "taesd"), steps=2)
    descriptor = open_variant(recipe)
    assert descriptor.vae_folder == tmp_path / "taesd"
    assert isinstance(load_checkpoint(descriptor).autoencoder.module, AutoencoderTiny)
    assert edited(recipe).shape == (1, 64, 64, 3)


@pytest.mark.parametrize(
    ("name", "kind"), [("ddim", "DDIMScheduler"), ("dpm++", "DPMSolverMultistepScheduler"), ("lcm", "LCMScheduler")]
)
def test_another_scheduler(base, name, kind):
    recipe = Recipe("sepia", model=str(base), scheduler=name, steps=2)
    scheduler = load_checkpoint(open_variant(recipe)).scheduler
    assert type(scheduler).__name__ == kind
    assert scheduler.config["beta_schedule"] == "scaled_linear"  # the checkpoint's own
    assert edited(recipe).shape == (1, 64, 64, 3)


@pytest.mark.parametrize("steps", [1, 3])
def test_the_embedded_family_edits_as_diffusers_does(steps, tmp_path, monkeypatch):
    recipe = Recipe("sepia", model=str(tiny.one_step(tmp_path / "tiny")), steps=steps)
    parts = load_checkpoint(open_variant(recipe))
    assert isinstance(parts.unet, UNet)
    assert isinstance(parts.scheduler, OneStep)  # of the checkpoint's own number of steps
    ours = edited(recipe)
    monkeypatch.setattr(torch_backend, "load_checkpoint", partial(load_checkpoint, as_diffusers=True))
    assert np.abs(ours.astype(int) - edited(recipe)).max() <= 1


def lora(folder, base, scale=1.0):
    """Rank 2 for one layer, in diffusers' layout; and the change of its weight."""
    generator = torch.Generator().manual_seed(0)
    weight = load_checkpoint(open_model(str(base))).unet.down_blocks[0].attentions[0].transformer_blocks[0].attn1.to_q
    rows, columns = weight.weight.shape
    down, up = torch.randn(2, columns, generator=generator), scale * torch.randn(rows, 2, generator=generator)
    name = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    layers = {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}
    StableDiffusionPipeline.save_lora_weights(folder, unet_lora_layers=layers)
    return weight.weight.detach() + up @ down


def test_a_lora_is_merged(base, tmp_path):
    pytest.importorskip("peft", reason="peft, which reads LoRAs, is not installed (the extra `train`)")
    expected = lora(tmp_path / "lora", base)
    parts = load_checkpoint(open_variant(Recipe("sepia", model=str(base), lora=str(tmp_path / "lora"))))
    found = parts.unet.down_blocks[0].attentions[0].transformer_blocks[0].attn1.to_q.weight
    assert torch.allclose(found, expected, atol=1e-5)
    assert set(parts.unet.state_dict()) == set(load_checkpoint(open_model(str(base))).unet.state_dict())


def test_what_does_not_fit(base, tmp_path):
    plain = Recipe("sepia", model=str(base))

    def refused(kind, said, **changes):
        with pytest.raises(kind, match=said):
            load_checkpoint(open_variant(dataclasses.replace(plain, **changes)))

    refused(UsageError, "many steps", model="nano", scheduler="ddim")
    refused(UsageError, "no scheduler plms", scheduler="plms")
    refused(ModelError, "there is no nothing", vae="nothing")
    refused(ModelError, "does not describe", vae=str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": "AutoencoderKL", "latent_channels": 16}))
    refused(ModelError, "16 channels", vae=str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": "AutoencoderTiny"}))
    (tmp_path / "diffusion_pytorch_model.bin").write_bytes(b"x")
    refused(ModelError, "no safetensors", vae=str(tmp_path))
    refused(ModelError, "a pickle", lora=str(tmp_path / "lora.pt"))
    refused(ModelError, "no safetensors", lora=str(tmp_path))
    save_file({"unet.nothing.lora_A.weight": torch.zeros(2, 2)}, tmp_path / "pytorch_lora_weights.safetensors")
    refused(ModelError, "does not fit|no low-rank", lora=str(tmp_path))
    save_file({"text_model.x": torch.zeros(2)}, tmp_path / "pytorch_lora_weights.safetensors")
    refused(ModelError, "does not fit|no low-rank", lora=str(tmp_path))


@pytest.mark.parametrize(
    ("kind", "channels", "latents", "said"),
    [
        ("StableDiffusionXLInstructPix2PixPipeline", 8, 4, "SDXL"),
        ("StableDiffusionInstructPix2PixPipeline", 4, 4, "takes 4 channels"),
        ("StableDiffusionInstructPix2PixPipeline", 32, 16, "latents have 16"),
        ("FluxKontextPipeline", 64, 16, "not an editor"),
    ],
)
def test_other_families_are_refused_in_words(base, tmp_path, kind, channels, latents, said):
    import shutil

    folder = tmp_path / "other"
    shutil.copytree(base, folder)
    for name, change in {
        "model_index.json": {"_class_name": kind},
        "unet/config.json": {"in_channels": channels},
        "vae/config.json": {"latent_channels": latents},
    }.items():
        values = json.loads((folder / name).read_text()) | change
        (folder / name).write_text(json.dumps(values))
    with pytest.raises(ModelError, match=said):
        open_model(str(folder))


@torch.no_grad()
def test_taesd_works_in_scaled_latents():
    """InstructPix2Pix sees unscaled latents, TAESD's own are scaled: its real weights tell both apart."""
    weights = SHARED / "taesd"
    if not weights.is_dir():
        pytest.skip("../shared/data/taesd is absent")
    from movie_cli.models.autoencoder import SD_SCALING, TinyAdapter
    from tests.taesd import photograph, real_taesd

    codec = TinyAdapter(real_taesd(weights))
    picture = photograph(SHARED)
    latents = codec.encode(picture)
    # Of natural pictures SD's latents have about unit variance once they are scaled, and 1 / 0.18215 before.
    assert 0.5 < float((latents * SD_SCALING).std()) < 2
    back = codec.decode(latents * codec.scaling, picture)
    wrong = codec.decode(latents, picture)
    error, worse = (float((image - picture).square().mean()) for image in (back, wrong))
    assert 10 * np.log10(4 / error) > 20
    assert worse > 10 * error
