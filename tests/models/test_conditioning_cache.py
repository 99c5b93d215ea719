"""What is the same for every frame is computed once an edit, and nothing changes by that."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from diffusers import EulerDiscreteScheduler, UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

from movie_cli.models.attention import ConditioningCache, attach
from movie_cli.models.sampling import Guidance, sample


@pytest.fixture
def unet():
    torch.manual_seed(0)
    return UNet2DConditionModel(
        in_channels=8,
        out_channels=4,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=24,
        attention_head_dim=4,
        norm_num_groups=4,
    ).eval()


def guidance(seed=0):
    generator = torch.Generator().manual_seed(seed)
    tokens, null = torch.randn(2, 1, 5, 24, generator=generator).unbind()
    return Guidance(tokens, null, 7.5, 1.5, passes=3, steps=2)


def test_the_same_latents_for_less(unet):
    scheduler = EulerDiscreteScheduler()
    frames = torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    store, asked = attach(unet), guidance()
    plain = [sample(unet, scheduler, part, 0, asked, store) for part in frames.split((2, 1, 1))]
    conditioning = ConditioningCache(unet)
    counts = []
    for part, expected in zip(frames.split((2, 1, 1)), plain, strict=True):
        with FlopCounterMode(display=False) as counter:
            found = sample(unet, scheduler, part, 0, asked, store, conditioning=conditioning)
        counts.append(counter.get_total_flops())
        assert torch.equal(found, expected)
    assert counts[2] < counts[1]  # of as many frames, the first of that number


def test_another_edit_forgets(unet):
    scheduler = EulerDiscreteScheduler()
    frames = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    store = attach(unet)
    edits = [guidance(0), guidance(1), dataclasses.replace(guidance(1), text_scale=3.0)]
    plain = [sample(unet, scheduler, frames, 0, asked, store) for asked in edits]
    conditioning = ConditioningCache(unet)
    for _ in range(2):
        for asked, expected in zip(edits, plain, strict=True):
            assert torch.equal(sample(unet, scheduler, frames, 0, asked, store, conditioning=conditioning), expected)


def test_names_of_weights_stay(unet):
    before = set(unet.state_dict())
    ConditioningCache(unet)
    assert set(unet.state_dict()) == before
