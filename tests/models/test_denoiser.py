import pytest
import torch
from diffusers import DDIMScheduler

from movie_cli.models.attention import attach
from movie_cli.models.denoiser import GuidedUNet2DConditionModel

CONFIG = {
    "scale_embedding_dim": 8,
    "time_embedding_dim": 32,
    "in_channels": 8,
    "out_channels": 4,
    "block_out_channels": (16, 16),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 1,
    "cross_attention_dim": 12,
    "attention_head_dim": 2,
    "norm_num_groups": 4,
}


def network(**changes):
    torch.manual_seed(0)
    return GuidedUNet2DConditionModel(**(CONFIG | changes)).eval()


def call(unet, sample, scales):
    tokens = torch.randn(len(sample), 3, 12, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return unet(sample, 999, tokens, timestep_cond=torch.tensor(scales)).sample


def test_every_resnet_block_sees_both_scales():
    unet = network()
    widths = [
        module.time_emb_proj.in_features
        for _, module in unet.named_modules()
        if type(module).__name__ == "ResnetBlock2D"
    ]
    assert len(widths) >= 6
    assert set(widths) == {16 + 8 + 8}


def test_each_scale_changes_the_result_smoothly():
    unet = network()
    sample = torch.randn(1, 8, 8, 8, generator=torch.Generator().manual_seed(2))
    usual = call(unet, sample, [[7.5, 1.5]])
    for other in ([[12.0, 1.5]], [[7.5, 2.5]]):
        far = (call(unet, sample, other) - usual).abs().mean()
        near = (
            (call(unet, sample, [[7.5 + (other[0][0] - 7.5) / 100, 1.5 + (other[0][1] - 1.5) / 100]]) - usual)
            .abs()
            .mean()
        )
        assert 0 < near < far


def test_save_and_load_give_the_same_network(tmp_path):
    unet = network(source_residual=True)
    unet.save_pretrained(tmp_path)
    again = GuidedUNet2DConditionModel.from_pretrained(tmp_path).eval()
    sample = torch.randn(1, 8, 8, 8)
    assert torch.equal(call(unet, sample, [[4.0, 2.0]]), call(again, sample, [[4.0, 2.0]]))


def test_source_residual_is_the_source_taken_off():
    sample = torch.randn(1, 8, 8, 8)
    plain, residual = network(), network(source_residual=True)
    difference = call(plain, sample, [[7.5, 1.5]]) - call(residual, sample, [[7.5, 1.5]])
    torch.testing.assert_close(difference, sample[:, 4:])


def test_an_anchor_equal_to_the_frame_changes_nothing():
    unet = network()
    store = attach(unet)
    sample = torch.randn(1, 8, 8, 8)
    alone = call(unet, sample, [[7.5, 1.5]])
    store.mode = "write"
    call(unet, sample, [[7.5, 1.5]])
    store.mode = "read"
    # Softmax over every key twice is softmax over the keys.
    torch.testing.assert_close(call(unet, sample, [[7.5, 1.5]]), alone, atol=1e-5, rtol=1e-4)
    other = torch.randn(3, 8, 8, 8)
    assert not torch.allclose(call(unet, other, [[7.5, 1.5]] * 3)[0], alone[0], atol=1e-3)


def test_a_network_of_pictures_adds_the_source():
    sample = torch.randn(1, 8, 8, 8)
    plain, residual = network(), network(source_residual=True, residual_sign=1)
    difference = call(residual, sample, [[7.5, 1.5]]) - call(plain, sample, [[7.5, 1.5]])
    torch.testing.assert_close(difference, sample[:, 4:])


def test_without_a_source_the_noisy_picture_is_the_residual():
    sample = torch.randn(2, 8, 8, 8)
    sample[1, 4:] = 0
    held = {"held_scales": [2.0, 3.0]}
    shape = held | {"source_residual": True, "residual_sign": 1, "blank_betas": [0.00085, 0.012]}
    cumulative = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", rescale_betas_zero_snr=True
    ).alphas_cumprod
    plain, residual = network(**held).bfloat16(), network(**shape).bfloat16()
    tokens, scales = torch.zeros(2, 3, 12).bfloat16(), torch.tensor([[7.5, 1.5]] * 2)
    guess = cumulative[500].sqrt() * sample[:, :4]
    for timestep in (torch.tensor([300, 500]), torch.tensor(500), 500):
        with torch.inference_mode():
            found, without = (unet(sample, timestep, tokens).sample for unet in (residual, plain))
            guided = residual(sample, 500, tokens, timestep_cond=scales).sample
            free = plain(sample, 500, tokens, timestep_cond=scales).sample
        torch.testing.assert_close(found[0], without[0] + sample[0, 4:])
        torch.testing.assert_close(found[1], without[1] + guess[1])
        torch.testing.assert_close(guided, free + guess + 1.5 * (sample[:, 4:] - guess))


def test_held_scales_stand_for_none():
    sample, tokens = torch.randn(2, 8, 8, 8), torch.zeros(2, 3, 12)
    held, free = network(held_scales=[2.0, 3.0]), network()
    with torch.inference_mode():
        found = held(sample, 10, tokens).sample
        expected = free(sample, 10, tokens, timestep_cond=torch.tensor([[2.0, 3.0]] * 2)).sample
    assert torch.equal(found, expected)
    with pytest.raises(ValueError, match="needs its scales"):
        free(sample, 10, tokens)
