"""What a denoiser is told beside latents: regions on their grid and the height, from the first frame to an export."""

import shutil

import numpy as np
import pytest
import torch

from movie_cli.backends.torch_backend import TorchBackend
from movie_cli.backends.torch_devices import choose_torch
from movie_cli.checkpoints.descriptor import read_descriptor
from movie_cli.checkpoints.load import load_checkpoint
from movie_cli.editing.editor import Editor
from movie_cli.errors import ModelError
from movie_cli.models.region_names import REGIONS
from movie_cli.models.scene import SCENE_CHANNELS, scene_of, sees_scene
from movie_cli.recipe import Recipe
from tests import tiny


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny.told(tmp_path_factory.mktemp("told") / "model")


def test_regions_and_height_lie_on_the_latents_grid():
    scene = scene_of(tiny.sees_sky().eval(), torch.rand(2, 3, 48, 80) * 2 - 1)
    assert scene.shape == (2, SCENE_CHANNELS, 6, 10)
    torch.testing.assert_close(scene[:, 0], torch.ones(2, 6, 10), atol=1e-4, rtol=0)
    assert scene[:, len(REGIONS), 0].eq(1).all()
    assert scene[:, len(REGIONS), -1].eq(0).all()
    assert sees_scene(2 * 8 + SCENE_CHANNELS, 8)
    assert not sees_scene(16, 8)
    assert not sees_scene(24, 8)


def test_the_scene_comes_before_the_latents(checkpoint):
    adapter = load_checkpoint(read_descriptor(checkpoint)).autoencoder
    picture = torch.rand(1, 3, 32, 32) * 2 - 1
    with torch.inference_mode():
        condition = adapter.condition(picture)
        assert torch.equal(condition[:, SCENE_CHANNELS:], adapter.encode(picture))
    assert condition.shape == (1, SCENE_CHANNELS + 8, 4, 4)


def test_an_edit_depends_on_what_is_seen(checkpoint, tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (2, 32, 48, 3), np.uint8)

    def edited(folder):
        editor = Editor(TorchBackend(read_descriptor(folder), choose_torch("cpu", "float32")))
        editor.set_recipe(Recipe("make it winter"))
        return editor.edit(frames)

    other = shutil.copytree(checkpoint, tmp_path / "other")
    tiny.save_regions(tiny.sees_sky(), other / "regions")
    assert edited(checkpoint).shape == frames.shape
    assert not np.array_equal(edited(checkpoint), edited(other))


def test_a_denoiser_that_needs_regions_says_that_they_are_missing(checkpoint, tmp_path):
    bare = shutil.copytree(checkpoint, tmp_path / "bare", ignore=shutil.ignore_patterns("regions"))
    with pytest.raises(ModelError, match="regions is missing, which the denoiser needs"):
        load_checkpoint(read_descriptor(bare))
