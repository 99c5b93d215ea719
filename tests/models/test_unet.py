"""The embedded model's denoiser in plain torch is diffusers' of the same configuration and weights."""

import json
from pathlib import Path

import pytest
import torch
from diffusers import LCMScheduler

from movie_cli.checkpoints.load import is_plain_unet
from movie_cli.models.attention import ConditioningCache, attach
from movie_cli.models.denoiser import GuidedUNet2DConditionModel
from movie_cli.models.sampling import OneStep
from movie_cli.models.unet import UNet
from tests.tiny import NANO

SHAPE = {
    "scale_embedding_dim": 8,
    "time_embedding_dim": 32,
    "in_channels": 12,
    "out_channels": 4,
    "block_out_channels": (16, 24, 16),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": (2, 1, 1),
    "cross_attention_dim": 12,
    "attention_head_dim": (1, 2, 4),
    "norm_num_groups": 4,
    "use_linear_projection": True,
    "addition_embed_type": "text",
    "addition_embed_type_num_heads": 3,
    "source_residual": True,
    "residual_sign": 1,
}
OTHERS = (
    {"damped": True, "layers_per_block": 1, "attention_head_dim": 2},
    {"addition_embed_type": None, "mid_block_type": None, "residual_sign": -1},
    {"padded_addition": True, "held_scales": [2.0, 3.0], "held_share": 0.25, "blank_betas": [0.00085, 0.012]},
    {"source_residual": False, "norm_eps": 1e-3},
)


def both(folder, **changes):
    """The same random network as diffusers has it and as it runs."""
    torch.manual_seed(0)
    theirs = GuidedUNet2DConditionModel(**SHAPE | changes).eval()
    for name, value in theirs.named_parameters():  # norms and biases begin without effect
        if value.dim() == 1:
            torch.nn.init.normal_(value, 1.0 if name.endswith("weight") else 0.0, 0.2)
    theirs.save_pretrained(folder)
    assert is_plain_unet(json.loads((folder / "config.json").read_text()))
    return theirs, UNet.from_pretrained(folder)


def given(unet, frames=2, size=(12, 10)):
    generator = torch.Generator().manual_seed(1)
    config = unet.config
    sample = torch.randn(frames, config["in_channels"], *size, generator=generator)
    tokens = torch.randn(frames, 5, config["cross_attention_dim"], generator=generator)
    return sample, tokens, torch.tensor([[7.5, 1.5], [3.0, 2.0]])[:frames]


@pytest.mark.parametrize("changes", [{}, *OTHERS])
def test_it_computes_what_diffusers_does(changes, tmp_path):
    theirs, ours = both(tmp_path, **changes)
    sample, tokens, scales = given(theirs)
    sample[1, -4:] = 0
    with torch.inference_mode():
        for timestep in (999, torch.tensor(500), torch.tensor([3, 400])):
            expected = theirs(sample, timestep, tokens, timestep_cond=scales).sample
            torch.testing.assert_close(ours(sample, timestep, tokens, scales)[0], expected, atol=1e-5, rtol=0)
            if changes.get("held_scales"):
                expected = theirs(sample, timestep, tokens).sample
                torch.testing.assert_close(ours(sample, timestep, tokens)[0], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_embedded_weights_give_what_diffusers_makes_of_them(dtype):
    theirs = GuidedUNet2DConditionModel.from_pretrained(NANO / "unet", torch_dtype=torch.float32).eval()
    ours = UNet.from_pretrained(NANO / "unet")
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    sample, tokens, scales = given(theirs, size=(16, 12))
    alone, stores, found = [], [], []
    for unet in (theirs, ours):
        unet.to(dtype)
        with torch.inference_mode():
            alone.append(unet(sample, 999, tokens.to(dtype), timestep_cond=scales, return_dict=False)[0])
            store = attach(unet)
            store.mode = "write"
            unet(sample[:1].flip(3), 999, tokens[:1].to(dtype), timestep_cond=scales[:1])
            store.mode = "read"
            found.append(unet(sample, 999, tokens.to(dtype), timestep_cond=scales, return_dict=False)[0])
        stores.append(store)
    near = {"atol": 1e-5, "rtol": 0} if dtype == torch.float32 else {"atol": 0.05, "rtol": 0.02}
    assert stores[0].entries[0].keys() == stores[1].entries[0].keys()
    torch.testing.assert_close(alone[1], alone[0], **near)
    torch.testing.assert_close(found[1], found[0], **near)
    assert not torch.allclose(found[1], alone[1], atol=1e-3)


def test_what_is_the_same_for_every_frame_is_kept(tmp_path):
    _, unet = both(tmp_path)
    sample, tokens, scales = given(unet)
    with torch.inference_mode():
        expected = unet(sample, 999, tokens, scales)[0]
        cache = ConditioningCache(unet)
        assert torch.equal(unet(sample, 999, tokens, scales)[0], expected)
        cache.begin("one")
        assert not cache.holds(2)
        assert torch.equal(unet(sample, 999, tokens, scales)[0], expected)
        assert cache.holds(2)
        assert torch.equal(unet(sample, 999, 0 * tokens, scales)[0], expected)  # of the same edit: not looked at again
        cache.begin("other")
        assert not torch.equal(unet(sample, 999, 0 * tokens, scales)[0], expected)


def test_diffusers_reads_what_it_writes(tmp_path):
    theirs, ours = both(tmp_path / "theirs")
    ours.save_pretrained(tmp_path / "ours")
    again = GuidedUNet2DConditionModel.from_pretrained(tmp_path / "ours", torch_dtype=torch.float32).eval()
    sample, tokens, scales = given(theirs)
    with torch.inference_mode():
        expected = theirs(sample, 999, tokens, timestep_cond=scales).sample
        assert torch.equal(again(sample, 999, tokens, timestep_cond=scales).sample, expected)


@pytest.mark.parametrize(
    "changes",
    [
        {"_class_name": "UNet2DConditionModel"},
        {"use_linear_projection": False},
        {"act_fn": "gelu"},
        {"time_embedding_type": "fourier"},
        {"transformer_layers_per_block": 2},
        {"down_block_types": ["SimpleCrossAttnDownBlock2D"]},
        {"down_block_types": 3},
        {"mid_block_type": "UNetMidBlock2D"},
        {"a_key_of_tomorrow": 1},
    ],
)
def test_other_configurations_are_left_to_diffusers(changes):
    config = json.loads((NANO / "unet" / "config.json").read_text())
    assert is_plain_unet(config)
    assert not is_plain_unet(config | changes)


@pytest.mark.parametrize("prediction", ["sample", "v_prediction"])
def test_one_step_is_diffusers_own(prediction):
    theirs = LCMScheduler(prediction_type=prediction, rescale_betas_zero_snr=True, clip_sample=False)
    config = {"_class_name": "LCMScheduler", **theirs.config}
    assert OneStep.knows(config)
    ours = OneStep(config)
    generator = torch.Generator().manual_seed(0)
    noise, made = torch.randn(2, 2, 4, 6, 5, generator=generator).unbind()
    for scheduler in (theirs, ours):
        scheduler.set_timesteps(1)
    assert torch.equal(theirs.timesteps, ours.timesteps)
    timestep = ours.timesteps[0]
    assert torch.equal(ours.scale_model_input(noise, timestep), noise)
    assert torch.equal(ours.step(made, timestep, noise)[0], theirs.step(made, timestep, noise, return_dict=False)[0])
    with pytest.raises(ValueError, match="not one"):
        ours.set_timesteps(2)


@pytest.mark.parametrize(
    "changes",
    [
        {"_class_name": "DDIMScheduler"},
        {"prediction_type": "epsilon"},
        {"rescale_betas_zero_snr": False},
        {"clip_sample": True},
        {"original_inference_steps": 33},
        {"original_inference_steps": "many"},
        {"num_train_timesteps": 0},
    ],
)
def test_other_steps_are_left_to_diffusers(changes):
    config = json.loads((Path(NANO) / "scheduler" / "scheduler_config.json").read_text())
    assert OneStep.knows(config)
    assert not OneStep.knows(config | changes)
