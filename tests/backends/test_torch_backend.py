"""The torch backend with the embedded model: what half precision may cost."""

import numpy as np
import pytest
import torch

from movie_cli.backends import Pixels
from movie_cli.backends.torch_backend import TorchBackend
from movie_cli.backends.torch_devices import choose_torch
from movie_cli.checkpoints.store import open_model
from movie_cli.editing.editor import Editor
from movie_cli.recipe import Recipe


def pictures() -> Pixels:
    """Two neighbouring frames of smooth blobs; the second is one code value brighter in a hundredth of its pixels."""
    generator = torch.Generator().manual_seed(3)
    blobs = torch.nn.functional.interpolate(torch.rand(1, 3, 6, 8, generator=generator), (96, 128), mode="bicubic")
    first = (blobs[0].clamp(0, 1) * 250).permute(1, 2, 0).to(torch.uint8).numpy()
    sparkle = torch.rand(96, 128, 1, generator=generator).numpy() < 0.01
    return np.stack([first, first + sparkle.astype(np.uint8)])


def edited(dtype: str, instruction: str) -> Pixels:
    editor = Editor(TorchBackend(open_model("nano"), choose_torch("cpu", dtype)))
    editor.set_recipe(Recipe(instruction))
    result: Pixels = editor.edit(pictures())
    return result


@pytest.mark.parametrize("instruction", ["make it winter", "make it night"])
def test_bfloat16_stays_near_float32(instruction: str) -> None:
    exact, half = edited("float32", instruction).astype(int), edited("bfloat16", instruction).astype(int)
    assert np.abs(exact - half).mean() < 0.2


@pytest.mark.parametrize("instruction", ["make it winter", "make it night"])
def test_rounding_in_bfloat16_does_not_flicker(instruction: str) -> None:
    first, second = edited("bfloat16", instruction).astype(int)
    assert np.abs(second - first).mean() < 0.09


def test_source_latents_are_exact_enough_to_cache() -> None:
    backend = TorchBackend(open_model("nano"), choose_torch("cpu", "bfloat16"))
    latents = backend.encode_frames(pictures())
    assert latents.dtype == torch.float16
    assert torch.equal(backend.from_cache(backend.to_cache(latents)), latents)
