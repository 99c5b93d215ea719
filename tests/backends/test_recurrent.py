"""A network that sees the edited frame before, from frame to frame and over batches."""

import json

import numpy as np
import torch

from movie_cli.backends.select import choose
from movie_cli.backends.torch_backend import TorchBackend
from movie_cli.checkpoints.descriptor import read_descriptor
from movie_cli.editing.editor import Editor
from movie_cli.models.denoiser import GuidedUNet2DConditionModel
from movie_cli.recipe import Recipe
from tests import tiny


def recurrent(folder):
    """A random one-step checkpoint whose denoiser has input channels for the frame before."""
    tiny.one_step(folder)
    config = json.loads((folder / "unet" / "config.json").read_text())
    torch.manual_seed(1)
    known = {key: value for key, value in config.items() if not key.startswith("_")}
    GuidedUNet2DConditionModel(**known | {"in_channels": 24}).save_pretrained(folder / "unet")
    return Editor(TorchBackend(read_descriptor(folder), choose("cpu", "float32")))


def test_each_frame_sees_the_edit_before(tmp_path):
    editor = recurrent(tmp_path / "model")
    frames = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    frames[1:] = frames[0]
    editor.set_recipe(Recipe("make it winter"))
    latents = editor.encode(frames)
    denoise = editor.backend.denoise
    at_once = denoise(latents, editor.settings)
    assert (at_once[1] - at_once[0]).abs().max() > 1e-4  # the same source after another frame
    editor.set_recipe(Recipe("make it winter"))
    one_by_one = torch.cat([denoise(frame, editor.settings) for frame in latents.split(1)])
    torch.testing.assert_close(one_by_one, at_once)
    # An anchor, and so a new scene or clip, begins anew.
    editor.set_anchors(latents[:1])
    torch.testing.assert_close(denoise(latents[:1], editor.settings), at_once[:1], atol=1e-5, rtol=1e-4)
