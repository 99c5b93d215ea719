"""Frames that stand still share an edit, wherever a clip is divided."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from movie_cli.backends import torch_backend
from movie_cli.editing.pipeline import FrameRun
from movie_cli.editing.video import edit_video
from movie_cli.errors import InterruptedEdit, UsageError
from movie_cli.recipe import Recipe
from tests import tiny
from tests.editing.moving_scenes import Stop, pictures, request, scenes


def run(still, frames):
    asked = []

    def edit(fresh, carry):
        asked.append(list(fresh))
        return lambda: 255 - frames[fresh]

    return still.edit(frames, edit)(), asked


def test_equal_frames_are_edited_once():
    one, other = (np.full((40, 50, 3), value, np.uint8) for value in (10, 20))
    still = FrameRun(0.0)
    found, asked = run(still, np.stack([one, one, other, other, one]))
    assert asked == [[0, 2, 4]]
    assert np.array_equal(found, 255 - np.stack([one, one, other, other, one]))
    found, asked = run(still, np.stack([one, one]))
    assert asked == []
    assert np.array_equal(found, 255 - np.stack([one, one]))
    assert still.reused == 4


def test_a_small_thing_that_moves_counts():
    frame = np.zeros((1, 64, 100, 3), np.uint8)
    moved = frame.copy()
    moved[0, 60:64, 96:100] = 60  # in a corner, where a square is cut off
    still = FrameRun(2.0)
    run(still, frame)
    assert run(still, frame + np.uint8(1))[1] == []
    assert run(still, moved)[1] == [[0]]
    # Compared with what was edited, not with the frame before: slow changes add up.
    still = FrameRun(2.0)
    run(still, frame)
    assert [run(still, frame + np.uint8(step))[1] for step in (1, 2, 3)] == [[], [], [[0]]]


def test_out_of_range():
    with pytest.raises(UsageError, match="--still"):
        Recipe("sepia", still=-1)


def test_an_edit_of_a_still_clip(tmp_path, monkeypatch):
    monkeypatch.setenv("MOVIE_HOME", str(tmp_path / "home"))
    model = tiny.one_step(tmp_path / "model")
    source = scenes(tmp_path / "a.mkv", (20, 0, 0), move=3)
    more = {"use_cache": False, "segment_frames": 7}
    edited = []
    sample = torch_backend.sample

    def counted(unet, scheduler, latents, *rest):
        edited.append(len(latents))
        return sample(unet, scheduler, latents, *rest)

    monkeypatch.setattr(torch_backend, "sample", counted)
    edit_video(request(model, source, tmp_path / "o.mkv", "none", **more), Stop(10**9))
    assert sum(edited) == 9  # seven pictures, two of them on both sides of a division
    found = [pixels for _, pixels in pictures(tmp_path / "o.mkv")]
    assert all(np.array_equal(found[index], found[index - 1]) == (index % 3 != 0) for index in range(1, 20))
    asked = request(model, source, tmp_path / "r.mkv", "none", **more)
    with pytest.raises(InterruptedEdit):
        edit_video(asked, Stop(10))
    edit_video(dataclasses.replace(asked, resume=True), Stop(10**9))
    assert all(np.array_equal(a, b) for (_, a), b in zip(pictures(tmp_path / "r.mkv"), found, strict=True))
