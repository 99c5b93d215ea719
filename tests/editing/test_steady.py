"""What a denoiser is told of a frame changes only as fast as the picture does."""

import numpy as np
import torch

from movie_cli.backends import Carry
from movie_cli.backends.steadiness import steadied
from movie_cli.backends.torch_backend import TorchBackend
from movie_cli.backends.torch_devices import choose_torch
from movie_cli.checkpoints.store import open_model
from movie_cli.editing.editor import Editor
from movie_cli.recipe import Recipe

SCENE, LATENTS = 16, 32


def conditions(frames, change=0.0, seed=0):
    """Conditions `(N, 48, 6, 8)` whose regions are new in each frame and whose latents grow by `change`."""
    generator = np.random.default_rng(seed)
    scene = generator.random((frames, SCENE, 6, 8), np.float32)
    latents = generator.standard_normal((1, LATENTS, 6, 8)).astype(np.float32)
    growth = np.arange(frames, dtype=np.float32).reshape(-1, 1, 1, 1)
    return np.concatenate([scene, latents + change * growth], axis=1)


def restless(found):
    return float(np.abs(np.diff(found[:, :SCENE], axis=0)).mean())


def test_regions_of_a_standing_picture_hardly_waver():
    given = conditions(12)
    found = steadied(given, LATENTS, Carry())
    assert restless(found) < 0.3 * restless(given)
    assert np.array_equal(found[:, SCENE:], given[:, SCENE:])
    assert np.array_equal(found[0], given[0])


def test_regions_of_a_changing_picture_are_its_own():
    given = conditions(4, change=1.1)
    np.testing.assert_allclose(steadied(given, LATENTS, Carry()), given, rtol=1e-5, atol=1e-6)


def test_batches_do_not_matter():
    given = conditions(7, change=0.3)
    whole, carry = steadied(given, LATENTS, Carry()), Carry()
    parts = [steadied(part, LATENTS, carry) for part in (given[:3], given[3:])]
    assert np.array_equal(np.concatenate(parts), whole)
    assert np.array_equal(carry.condition, whole[-1])


def test_latents_alone_are_as_they_were():
    given, carry = conditions(3)[:, SCENE:], Carry()
    assert steadied(given, LATENTS, carry) is given
    assert carry == Carry()


def test_tensors_are_steadied_as_arrays_are():
    given = conditions(5, change=0.3)
    ordered = torch.from_numpy(given.copy()).contiguous(memory_format=torch.channels_last)
    found = steadied(ordered, LATENTS, Carry())
    np.testing.assert_allclose(found.numpy(), steadied(given, LATENTS, Carry()), rtol=1e-6, atol=1e-6)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert np.array_equal(ordered.numpy(), given)  # what a cache keeps is as it was


def test_only_frames_in_a_row_are_steadied():
    editor = Editor(TorchBackend(open_model("nano"), choose_torch("cpu", "float32")))
    editor.set_recipe(Recipe("make it winter"))
    picture = np.random.default_rng(1).integers(0, 256, (1, 64, 96, 3), np.uint8)
    frames = np.concatenate([picture, (picture * 0.9 + 10).astype(np.uint8)])
    apart, carry = editor.edit(frames), Carry()
    assert np.array_equal(editor.edit(frames[1:]), apart[1:])
    in_a_row = np.concatenate([editor.edit(frame[None], carry=carry) for frame in frames])
    assert np.array_equal(in_a_row[0], apart[0])
    assert not np.array_equal(in_a_row[1], apart[1])
    assert np.array_equal(editor.edit(frames, carry=Carry()), in_a_row)
