"""The torch backend: what half precision may cost, and frames that run beside each other on a CPU, in their order."""

import dataclasses
import threading

import numpy as np
import pytest
import torch

from movie_cli.backends import Pixels
from movie_cli.backends.torch_backend import Team, TorchBackend
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


FRAMES = np.random.default_rng(0).integers(0, 256, (5, 32, 48, 3), dtype=np.uint8)


def test_results_keep_their_order_and_threads_their_share():
    shares, together = [], threading.Barrier(2)
    team = Team(4, shares.append)

    def call(number):
        together.wait(10)  # passes only if two run at once
        return number

    assert team.all([lambda number=number: call(number) for number in range(6)]) == list(range(6))
    assert shares == [2, 2]


def test_an_error_of_one_call_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        Team(2, int).all([lambda: 1, lambda: 1 // 0])


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("anchored", [True, False])
def test_frames_are_the_same_with_any_number_of_threads(tiny, steps, anchored):
    edited = []
    for threads, alone in ((1, False), (2, False), (5, False), (2, True)):
        before = torch.get_num_threads()
        try:
            config = dataclasses.replace(choose_torch("cpu", "float32"), threads=threads, alone=alone)
            editor = Editor(TorchBackend(open_model(str(tiny)), config))
            editor.set_recipe(Recipe("make it winter", steps=steps))
            latents = editor.encode(FRAMES)
            if anchored:
                editor.set_anchors(latents[:1])
            later = [editor.edit_later(FRAMES[at], latents[at]) for at in (slice(0, 2), slice(2, 5))]
            edited.append(np.concatenate([fetch() for fetch in later]))
            editor.set_recipe(Recipe("sepia", steps=steps))
            edited[-1] = np.concatenate([edited[-1], editor.edit(FRAMES, latents)])
        finally:
            torch.set_num_threads(before)
    assert np.abs(edited[0][:5].astype(int) - edited[0][5:]).max() > 1
    for other in edited[1:]:
        assert np.abs(edited[0].astype(int) - other).max() <= 1
