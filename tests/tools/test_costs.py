"""Parameters and operations at Stable Diffusion 1.5 scale, on the meta device, against the paper's table."""

import pytest
import torch
from torch import nn

from movie_cli.bench.shapes import count
from tools import costs


@pytest.fixture(scope="module")
def found():
    return costs.networks()


def test_parameters(found):
    assert costs.parameters(found.base) == pytest.approx(859.5e6, rel=0.001)
    assert costs.parameters(found.mobile) == pytest.approx(846.8e6, rel=0.001)
    assert all(value.is_meta for value in found.guided.parameters())


def test_operations_are_those_of_the_table(found):
    table = {stage: (denoiser, coded, total) for stage, denoiser, coded, total in costs.inference_table(found)}
    expected = {
        "base, 10 steps x 3": (0.600, 3.13, 21.14),
        "mobile, 10 steps x 3": (0.526, 0.232, 16.02),
        "guidance, 10 x 1": (0.526, 0.232, 5.50),
        "adversarial, 1 x 1": (0.526, 0.232, 0.758),
    }
    for stage, numbers in expected.items():
        assert table[stage] == pytest.approx(numbers, rel=0.01)
    # Ten steps of three passes against one of one.
    assert table["base, 10 steps x 3"][2] / table["adversarial, 1 x 1"][2] > 25


@pytest.mark.parametrize(("height", "width", "total"), [(480, 480, 0.771e12), (384, 512, 0.653e12)])
def test_attention_products(found, height, width, total):
    step = costs.denoiser_cost(found.mobile, height, width).total
    coded = costs.autoencoder_cost(found.small_autoencoder, height, width).total
    assert step + coded == pytest.approx(total, rel=0.01)


def test_layers_by_hand():
    with torch.device("meta"):
        layers = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ConvTranspose2d(5, 2, 2, stride=2))
        picture = torch.zeros(1, 3, 4, 4)
    cost = count(lambda: layers(picture))
    assert cost.total == 2 * (16 * 5 * 9 * 3) + 2 * (16 * 5 * 4 * 2)


def test_training_costs_more_the_further_the_stage(found):
    table = dict(costs.training_table(found))
    assert table["mobile"] < table["guidance"] < table["adversarial"]


def test_low_rank_training_fits_a_smaller_card(found):
    for stage in ("mobile", "guidance", "adversarial"):
        assert costs.memory(found, stage, low_rank=True) < 14e9 < costs.memory(found, stage, low_rank=False)
    one, _, eight = (dict(costs.hours(found, machine)) for machine in costs.MACHINES)
    assert eight["guidance"] < one["guidance"]


def test_low_rank_weights_are_those_that_peft_makes():
    pytest.importorskip("peft")
    from movie_cli.train import surgery
    from movie_cli.train.surgery import train_low_rank

    torch.manual_seed(0)
    shape = costs.INSTRUCT_PIX2PIX | {"block_out_channels": (16, 16, 32, 32), "norm_num_groups": 8}
    unet = surgery.with_scales(costs.UNet2DConditionModel(**shape), 16)
    expected = costs.low_rank_weights(unet, 4)
    train_low_rank(unet, 4)
    assert sum(value.numel() for value in unet.parameters() if value.requires_grad) == expected
