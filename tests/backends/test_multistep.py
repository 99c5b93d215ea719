"""The multi-step path against diffusers' own InstructPix2Pix pipeline, with the same small random weights."""

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

from movie_cli.backends.torch_backend import TorchBackend
from movie_cli.backends.torch_devices import choose_torch
from movie_cli.checkpoints.descriptor import read_descriptor
from movie_cli.editing.editor import Editor
from movie_cli.recipe import Recipe
from tests import tiny


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "ip2p"
    return folder, tiny.instruct_pix2pix(folder)


@pytest.mark.parametrize("scheduler", [None, DDIMScheduler, DPMSolverMultistepScheduler])
def test_latents_equal_those_of_diffusers(pipeline, scheduler):
    folder, theirs = pipeline
    if scheduler is not None:
        theirs.scheduler = scheduler.from_config(theirs.scheduler.config)
        theirs.scheduler.save_pretrained(folder / "scheduler")
    frame = np.random.default_rng(0).integers(0, 256, (1, 32, 48, 3), dtype=np.uint8)
    image = torch.from_numpy(frame).permute(0, 3, 1, 2).float() / 127.5 - 1
    expected = theirs(
        "make it winter",
        image=image,
        num_inference_steps=6,
        guidance_scale=7.5,
        image_guidance_scale=1.5,
        generator=torch.Generator().manual_seed(3),
        output_type="latent",
    ).images
    backend = TorchBackend(read_descriptor(folder), choose_torch("cpu", "float32"))
    editor = Editor(backend)
    editor.set_recipe(Recipe("make it winter", seed=3, steps=6))
    latents = backend.denoise(editor.encode(frame), editor.settings)
    torch.testing.assert_close(latents, expected, atol=1e-4, rtol=1e-4)


def test_frames_of_a_batch_share_their_noise(pipeline):
    folder, _ = pipeline
    backend = TorchBackend(read_descriptor(folder), choose_torch("cpu", "float32"))
    editor = Editor(backend)
    editor.set_recipe(Recipe("make it winter", steps=3))
    frame = np.random.default_rng(1).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    both = editor.edit(np.concatenate([frame, frame]))
    assert np.array_equal(both[0], both[1])
    assert np.abs(both[:1].astype(int) - editor.edit(frame)).max() <= 1


def test_anchors_change_the_result_and_can_be_forgotten(pipeline):
    folder, _ = pipeline
    backend = TorchBackend(read_descriptor(folder), choose_torch("cpu", "float32"))
    editor = Editor(backend)
    rng = np.random.default_rng(2)
    frame, anchor = rng.integers(0, 256, (2, 1, 32, 32, 3), dtype=np.uint8)
    recipe = Recipe("make it winter", steps=3)
    editor.set_recipe(recipe)
    alone = backend.denoise(editor.encode(frame), editor.settings)
    editor.set_anchors(editor.encode(anchor))
    anchored = backend.denoise(editor.encode(frame), editor.settings)
    assert (alone - anchored).abs().max() > 1e-4
    editor.set_recipe(recipe)
    torch.testing.assert_close(backend.denoise(editor.encode(frame), editor.settings), alone)
