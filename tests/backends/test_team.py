"""Frames that run beside each other on a CPU: the same frames as one after the other, in their order."""

import dataclasses
import threading

import numpy as np
import pytest
import torch

from movie_cli.backends.team import Team
from movie_cli.backends.torch_backend import TorchBackend
from movie_cli.backends.torch_devices import choose_torch
from movie_cli.checkpoints.store import open_model
from movie_cli.editing.editor import Editor
from movie_cli.recipe import Recipe

FRAMES = np.random.default_rng(0).integers(0, 256, (5, 32, 48, 3), dtype=np.uint8)


def test_results_keep_their_order_and_threads_their_share():
    shares, together = [], threading.Barrier(2)
    team = Team(4, shares.append)

    def call(numbers, others):
        together.wait(10)  # passes only if two run at once
        return int(numbers[0] + others[0])

    made = team.later(call, np.arange(6), np.arange(6))
    assert [future.result() for future in made] == list(range(0, 12, 2))
    assert shares == [2, 2]


def test_an_error_of_one_call_reaches_the_caller():
    team = Team(2, int)
    fine, wrong = team.later(lambda numbers: 1 // int(numbers[0]), np.array([1, 0]))
    team.settle()
    assert fine.done()
    assert wrong.done()
    with pytest.raises(ZeroDivisionError):
        wrong.result()


def test_what_has_not_begun_is_dropped():
    begun, going_on = threading.Semaphore(0), threading.Event()
    team = Team(2, int)

    def call(numbers):
        begun.release()
        going_on.wait(10)
        return int(numbers[0])

    made = team.later(call, np.arange(6))
    for _ in range(2):
        begun.acquire()
    threading.Timer(0.1, going_on.set).start()
    team.drop()
    assert [future.cancelled() for future in made] == [False, False, True, True, True, True]
    assert [future.result() for future in made[:2]] == [0, 1]
    assert team.later(call, np.array([7]))[0].result() == 7


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


def test_frames_on_their_way_keep_what_they_attend_to(tiny):
    before = torch.get_num_threads()
    try:
        editor = Editor(TorchBackend(open_model(str(tiny)), dataclasses.replace(choose_torch("cpu"), threads=2)))
        editor.set_recipe(Recipe("make it winter"))
        latents = editor.encode_later(FRAMES)()
        assert torch.equal(latents, editor.encode(FRAMES))
        editor.set_anchors(latents[:1])
        wanted = editor.edit(FRAMES, latents)
        later = editor.edit_later(FRAMES, latents)
        editor.set_anchors(latents[-1:])
        others = editor.edit_later(FRAMES, latents)
        editor.set_recipe(Recipe("sepia"))
        assert np.array_equal(later(), wanted)
        assert np.abs(others().astype(int) - wanted).max() > 0
    finally:
        torch.set_num_threads(before)
