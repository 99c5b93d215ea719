"""A smaller checkpoint out of a trained one."""

import json

import pytest
import torch
from torch import nn

from movie_cli.checkpoints.descriptor import read_descriptor
from movie_cli.checkpoints.load import load_checkpoint
from tests.train import small
from tools import narrow
from tools.narrow import Cut, Moments, chosen

UNET = """
[unet]
block_out_channels = [24, 16]
down_block_types = ["DownBlock2D", "CrossAttnDownBlock2D"]
up_block_types = ["CrossAttnUpBlock2D", "UpBlock2D"]
layers_per_block = [2, 1]
cross_attention_dim = 192
attention_head_dim = 2
norm_num_groups = 4
addition_embed_type = "text"
addition_embed_type_num_heads = 2
scale_embedding_dim = 8
time_embedding_dim = 32
source_residual = true
"""


def test_of_channels_that_say_the_same_one_is_kept():
    mixing = torch.eye(4).repeat(2, 1)
    kept = chosen([mixing @ mixing.T], 4)
    assert sorted(channel % 4 for channel in kept) == [0, 1, 2, 3]


def test_as_many_channels_of_each_group_are_kept():
    # The first group says all that there is, and yet each gives two.
    covariance = torch.diag(torch.tensor([9.0, 8.0, 7.0, 6.0, 0.4, 0.3, 0.2, 0.1]))
    assert chosen([covariance], 4, groups=2) == [0, 1, 4, 5]


@torch.no_grad()
def test_kept_channels_stand_for_those_that_go():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(6, 3, 3, padding=1, padding_mode="replicate"))
    moments = Moments(network)
    pictures = torch.randn(4, 3, 16, 16)
    told = torch.cat([pictures, 2 * pictures.flip(1) - 1], dim=1)  # the last three follow from the first
    wanted = network(told)
    moments.end()
    cut = Cut(network, moments)
    cut.inputs(range(3), "0")
    smaller = nn.Conv2d(3, 3, 3, padding=1, padding_mode="replicate")
    smaller.load_state_dict({name.removeprefix("0."): value for name, value in cut.state.items()})
    torch.testing.assert_close(smaller(pictures), wanted, atol=0.02, rtol=0.02)


def test_a_narrowed_checkpoint_is_whole_and_edits(tmp_path, monkeypatch, capsys):
    decoder = "decoder_widths = [16, 8, 12]\ndecoder_sees_quarter = true"
    small.run_chain(tmp_path, [("autoencoder", "", decoder), ("direct", UNET, "")])
    config = small.config(tmp_path / "mine.toml", "direct")
    words = ["narrow", str(tmp_path / "direct" / "checkpoint"), "-c", str(config), "--data", str(tmp_path / "photos")]
    sizes = ["--width", "8", "--decoder", "8", "4", "--batches", "2", "-o", str(tmp_path / "less")]
    monkeypatch.setattr("sys.argv", [*words, *sizes])
    narrow.main()
    assert "gain in dB" in capsys.readouterr().out
    unet, vae = (json.loads((tmp_path / "less" / part / "config.json").read_text()) for part in ("unet", "vae"))
    assert (unet["block_out_channels"], unet["layers_per_block"]) == ([8, 16], [1, 1])
    assert (vae["decoder_widths"], vae["decoder_sees_quarter"]) == ([8, 8, 4], False)
    before, after = (load_checkpoint(read_descriptor(tmp_path / folder)) for folder in ("direct/checkpoint", "less"))
    assert sum(map(torch.numel, after.unet.parameters())) < sum(map(torch.numel, before.unet.parameters()))
    picture, latents = torch.rand(1, 3, 32, 32) * 2 - 1, torch.randn(1, 8, 4, 4)
    assert after.autoencoder.decode(latents, picture).shape == picture.shape


@pytest.mark.parametrize("down", [0, 1])
def test_fewer_blocks_are_blocks_of_the_whole(tmp_path, down):
    torch.manual_seed(0)
    small.run_chain(tmp_path, [("direct", UNET, "")])
    whole = load_checkpoint(read_descriptor(tmp_path / "direct" / "checkpoint"), as_diffusers=True).unet
    fewer = narrow.with_fewer_blocks(whole, down)
    kept = fewer.down_blocks[0].resnets[0].conv1.weight
    assert torch.equal(kept, whole.down_blocks[0].resnets[down].conv1.weight)
    assert torch.equal(fewer.up_blocks[1].resnets[1].conv1.weight, whole.up_blocks[1].resnets[2].conv1.weight)
