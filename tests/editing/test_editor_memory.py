"""A device with room for two frames at once, and one with room for none."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from movie_cli.backends.torch_backend import TorchBackend
from movie_cli.backends.torch_devices import choose_torch
from movie_cli.checkpoints.store import open_model
from movie_cli.editing.editor import Editor
from movie_cli.errors import DeviceError, DeviceMemoryError
from movie_cli.recipe import Recipe
from tests import tiny
from tests.cli.conftest import movie  # noqa: F401 - a fixture
from tests.cli.running import assert_refused
from tests.media.clips import make_clip


class Small(TorchBackend):
    """Fails as torch does where more than `room` frames are denoised or encoded at once, as devices with batches do."""

    room = 2

    def __init__(self, descriptor, config):
        super().__init__(descriptor, dataclasses.replace(config, alone=True))

    def encode_frames(self, frames):
        if len(frames) > self.room + 1:
            raise DeviceMemoryError("cuda:0 has too little memory", "buy more")
        return super().encode_frames(frames)

    def denoise(self, latents, *rest):
        if len(latents) > self.room:
            raise DeviceMemoryError("cuda:0 has too little memory", "buy more")
        return super().denoise(latents, *rest)


@pytest.fixture
def model(tmp_path):
    return tiny.one_step(tmp_path / "model")


def test_the_batch_is_halved_and_the_frames_are_the_same(model):
    frames = np.random.default_rng(0).integers(0, 255, (7, 64, 64, 3), dtype=np.uint8)
    descriptor, config = open_model(str(model)), choose_torch("cpu", "float32")
    found = []
    for backend in (TorchBackend(descriptor, config), Small(descriptor, config)):
        editor = Editor(backend)
        editor.set_recipe(Recipe("sepia"))
        latents = editor.encode(frames)
        found.append(editor.edit(frames, latents))
        again = editor.edit(frames)
        assert np.abs(again.astype(int) - found[-1]).max() <= 1
    assert np.abs(found[0].astype(int) - found[1]).max() <= 1
    assert editor.notes == [
        "cuda:0 has too little memory: editing 3 frames at once instead of 7",
        "cuda:0 has too little memory: editing 1 frames at once instead of 3",
    ]


def test_one_frame_is_too_much(model):
    backend = Small(open_model(str(model)), choose_torch("cpu", "float32"))
    backend.room = 0
    editor = Editor(backend)
    editor.set_recipe(Recipe("sepia"))
    with pytest.raises(DeviceError, match="one frame of 64x64 needs more"):
        editor.edit(np.zeros((2, 64, 64, 3), np.uint8))


def test_the_command_goes_on_with_a_warning_or_says_why_not(movie, model, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr("movie_cli.backends.registry.open_backend", Small)
    make_clip(tmp_path / "in.mp4", frames=8, size=(96, 64))
    command = ["edit", "in.mp4", "sepia", "-o", "o.mp4", "--model", str(model), "--no-cache", "-q"]
    done = movie(*command, "--batch-size", "4")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("instead of") == 1
    monkeypatch.setattr(Small, "room", 0)
    assert_refused(movie(*command, "-y"), 5, "needs more")
