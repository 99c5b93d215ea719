"""Frames that run beside each other on a CPU: the same frames as one after the other, in their order."""

from __future__ import annotations

import dataclasses
import threading

import numpy as np
import pytest
import torch

from movie_cli.backends.torch_backend import Team, TorchBackend
from movie_cli.backends.torch_devices import choose_torch
from movie_cli.checkpoints.store import open_model
from movie_cli.editing.editor import Editor
from movie_cli.recipe import Recipe

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
