"""A network that sees the edited frame before, from frame to frame and over batches."""

import numpy as np
import torch

from movie_cli.backends import Carry
from movie_cli.backends.torch_backend import TorchBackend
from movie_cli.backends.torch_devices import choose_torch
from movie_cli.checkpoints.descriptor import read_descriptor
from movie_cli.editing.editor import Editor
from movie_cli.recipe import Recipe
from tests import tiny


def test_each_frame_sees_the_edit_before(tmp_path):
    editor = Editor(TorchBackend(read_descriptor(tiny.recurrent(tmp_path / "model")), choose_torch("cpu", "float32")))
    frames = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    frames[1:] = frames[0]
    editor.set_recipe(Recipe("make it winter"))
    latents = editor.encode(frames)
    denoise = editor.backend.denoise
    at_once = denoise(latents, editor.settings)
    assert (at_once[1] - at_once[0]).abs().max() > 1e-4  # the same source after another frame
    carry = Carry()
    one_by_one = torch.cat([denoise(frame, editor.settings, carry) for frame in latents.split(1)])
    torch.testing.assert_close(one_by_one, at_once)
    # Without what is carried, and so for a new scene or clip, it begins anew, whatever was edited before.
    torch.testing.assert_close(denoise(latents[2:], editor.settings), at_once[:1])
    assert np.array_equal(editor.edit(frames, carry=Carry()), editor.edit(frames))
