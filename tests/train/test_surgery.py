import pytest
import torch
from diffusers import UNet2DConditionModel

from movie_cli.errors import ModelError
from movie_cli.export.graph_sources import LogScaleEmbedding
from movie_cli.models.denoiser import GuidedUNet2DConditionModel
from movie_cli.train import surgery

SMALL = {
    "in_channels": 8,
    "out_channels": 4,
    "block_out_channels": (16, 24),
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    "layers_per_block": 1,
    "cross_attention_dim": 12,
    "attention_head_dim": 2,
    "norm_num_groups": 4,
}


def network(**changes):
    torch.manual_seed(0)
    return UNet2DConditionModel(**(SMALL | changes)).eval()


def call(unet, channels=8, blind=False, **extra):
    generator = torch.Generator().manual_seed(1)
    sample, tokens = torch.randn(2, channels, 8, 8, generator=generator), torch.randn(2, 3, 12, generator=generator)
    if blind:
        sample = torch.cat([sample[:, :4], torch.zeros_like(SOURCE)], dim=1)
    with torch.inference_mode():
        return unet(sample, torch.tensor([10, 900]), tokens, **extra).sample


SOURCE = torch.randn(2, 8, 8, 8, generator=torch.Generator().manual_seed(1))[:, 4:]
"""The source latents that `call` gives."""


@pytest.mark.parametrize("changes", [{}, {"addition_embed_type": "text", "addition_embed_type_num_heads": 2}])
def test_a_student_starts_as_the_teachers_conditional_pass(changes):
    teacher = network(**changes)
    student = surgery.with_scales(teacher, 8).eval()
    for scales in ([[7.5, 1.5], [2.0, 3.0]], [[14.0, 1.0], [2.0, 1.0]]):
        found = call(student, timestep_cond=torch.tensor(scales))
        torch.testing.assert_close(found, call(teacher), atol=1e-5, rtol=1e-5)


def test_a_students_scales_can_be_learnt_from_the_first_step():
    student = surgery.with_scales(network(), 8)
    sample, tokens = torch.randn(2, 8, 8, 8), torch.randn(2, 3, 12)
    student(sample, 10, tokens, timestep_cond=torch.tensor([[7.5, 1.5], [2.0, 3.0]])).sample.square().mean().backward()
    weight = student.down_blocks[0].resnets[0].time_emb_proj.weight
    assert weight[:, -16:].abs().sum() == 0
    assert (weight.grad[:, -16:].abs() > 0).any()


def test_scales_are_added_once(tmp_path):
    student = surgery.with_scales(network(addition_embed_type="text", addition_embed_type_num_heads=2), 8).eval()
    student.save_pretrained(tmp_path)
    again = type(student).from_pretrained(tmp_path).eval()
    scales = torch.tensor([[7.5, 1.5]] * 2)
    assert torch.equal(call(again, timestep_cond=scales), call(student, timestep_cond=scales))
    with pytest.raises(ModelError):
        surgery.with_scales(student, 8)


def guided(**changes):
    torch.manual_seed(0)
    shape = SMALL | {"scale_embedding_dim": 8, "time_embedding_dim": 32, "source_residual": True}
    return GuidedUNet2DConditionModel(**(shape | changes)).eval()


def test_held_scales_are_the_guided_network_at_those(tmp_path):
    velocity = guided()
    held = surgery.with_held_scales(velocity, 2.0, 3.0, "v_prediction", "sample").eval()
    there = torch.tensor([[2.0, 3.0]] * 2)
    # At zero signal a velocity is the negative picture.
    torch.testing.assert_close(call(held), -call(velocity, timestep_cond=there))
    held.save_pretrained(tmp_path)
    again = type(held).from_pretrained(tmp_path).eval()
    torch.testing.assert_close(call(again), call(held))
    released = surgery.with_plain_residual(surgery.with_scales(again, 8)).eval()
    # Many guided steps come to the change over the image scale, and there a one-step student begins.
    for scales in ((2.0, 3.0), (9.0, 1.5)):
        given = torch.tensor([scales] * 2)
        change = -call(velocity, timestep_cond=given) - SOURCE
        torch.testing.assert_close(call(released, timestep_cond=given), SOURCE + change / scales[1])
    with pytest.raises(ValueError, match="needs its scales"):
        call(released)


def test_a_chain_can_begin_with_what_a_chain_made():
    """A student that predicts the picture, its change divided by the image scale, is held as one that never was."""
    first = surgery.with_held_scales(guided(), 2.0, 3.0, "v_prediction", "sample").eval()
    student = surgery.with_plain_residual(surgery.with_scales(first, 8)).eval()
    there = torch.tensor([[7.5, 1.5]] * 2)
    held = surgery.with_held_scales(student, 7.5, 1.5, "sample", "sample").eval()
    torch.testing.assert_close(call(held), call(student, timestep_cond=there))
    assert list(held.config["blank_betas"]) == list(surgery.BETAS)
    released = surgery.with_plain_residual(surgery.with_scales(held, 8)).eval()
    torch.testing.assert_close(call(released, timestep_cond=there), call(student, timestep_cond=there))


def test_a_share_of_the_held_change_is_taken_where_the_source_is_seen():
    velocity = guided()
    whole, fifth = (surgery.with_held_scales(velocity, 7.5, 1.5, "v_prediction", "sample", share) for share in (1, 0.2))
    torch.testing.assert_close(call(fifth.eval()) - SOURCE, 0.2 * (call(whole.eval()) - SOURCE))
    torch.testing.assert_close(call(fifth, blind=True), call(whole, blind=True))
    # Released, it is the whole of it again.
    given = torch.tensor([[7.5, 1.5]] * 2)
    released = surgery.with_plain_residual(surgery.with_scales(fifth, 8)).eval()
    torch.testing.assert_close(call(released, timestep_cond=given), SOURCE + (call(whole) - SOURCE) / 1.5)


def test_a_damped_change_knows_logarithms_of_scales():
    damped = guided(damped=True)
    given = torch.tensor([[7.5, 1.5]] * 2)
    plain = call(damped, timestep_cond=given)
    damped.residual.log_scales = True
    for name in ("text_scale", "image_scale"):
        embedding = getattr(damped.time_embedding, name)
        setattr(damped.time_embedding, name, LogScaleEmbedding(embedding))
    torch.testing.assert_close(call(damped, timestep_cond=given.log()), plain)


def test_scales_are_held_of_guided_networks_alone():
    with pytest.raises(ModelError, match="takes no scales"):
        surgery.with_held_scales(network(), 2.0, 3.0, "epsilon", "epsilon")
    with pytest.raises(ModelError, match="v_prediction cannot"):
        surgery.with_held_scales(guided(), 2.0, 3.0, "v_prediction", "epsilon")


def test_dropped_attention_leaves_the_rest_alone():
    whole = network()
    smaller = surgery.drop_top_attention(whole)
    assert list(smaller.config["down_block_types"]) == ["DownBlock2D", "CrossAttnDownBlock2D"]
    assert list(smaller.config["up_block_types"]) == ["CrossAttnUpBlock2D", "UpBlock2D"]
    gone = set(whole.state_dict()) - set(smaller.state_dict())
    assert gone
    assert all(name.startswith(("down_blocks.0.attentions.", "up_blocks.1.attentions.")) for name in gone)
    assert all(torch.equal(value, whole.state_dict()[name]) for name, value in smaller.state_dict().items())
    # Where the dropped blocks did nothing, nothing changes.
    for block in (whole.down_blocks[0], whole.up_blocks[1]):
        for attention in block.attentions:
            torch.nn.init.zeros_(attention.proj_out.weight)
            torch.nn.init.zeros_(attention.proj_out.bias)
    torch.testing.assert_close(call(smaller), call(whole))


def test_new_input_channels_start_without_effect():
    plain = network(in_channels=4)
    wider = surgery.with_input_channels(plain, 4, at=4)
    assert wider.config["in_channels"] == 8
    generator = torch.Generator().manual_seed(1)
    sample, tokens = torch.randn(2, 8, 8, 8, generator=generator), torch.randn(2, 3, 12, generator=generator)
    with torch.inference_mode():
        torch.testing.assert_close(wider(sample, 10, tokens).sample, plain(sample[:, :4], 10, tokens).sample)
    # In between: noisy latents, the frame before, the source.
    recurrent = surgery.with_input_channels(wider, 4, at=4)
    with torch.inference_mode():
        both = recurrent(torch.cat([sample[:, :4], torch.randn(2, 4, 8, 8), sample[:, 4:]], dim=1), 10, tokens).sample
        torch.testing.assert_close(both, wider(sample, 10, tokens).sample)


def test_other_networks_are_refused():
    unet = network(
        down_block_types=("AttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "AttnUpBlock2D"),
    )
    with pytest.raises(ModelError, match="AttnDownBlock2D"):
        surgery.drop_top_attention(unet)
