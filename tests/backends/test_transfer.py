"""Copies to and from a device: in which order streams wait for each other, without the device."""

from __future__ import annotations

import contextlib
import functools

import numpy as np
import pytest
import torch

from movie_cli.backends.torch_backend import TorchBackend, Transfers
from movie_cli.backends.torch_devices import choose_torch
from movie_cli.checkpoints.store import open_model
from movie_cli.editing.editor import Editor, joined
from movie_cli.recipe import Recipe

CPU = torch.device("cpu")
FRAMES = np.random.default_rng(0).integers(0, 256, (3, 32, 48, 3), dtype=np.uint8)


class Streams:
    """Stands for `torch.cuda`: notes what is asked of it, and computes at once."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.made = 0
        log = self.log

        class Stream:
            def __init__(self, name: str) -> None:
                self.name = name

            def wait_stream(self, other: Stream) -> None:
                log.append(f"{self.name} waits for {other.name}")

        class Event:
            def record(self, stream: Stream) -> None:
                log.append(f"event on {stream.name}")

            def synchronize(self) -> None:
                log.append("host waits")

        self._stream, self.Event = Stream, Event
        self._kernels = Stream("kernels")

    def Stream(self, device: torch.device) -> object:  # noqa: N802 - torch's name
        self.made += 1
        return self._stream(("up", "down")[self.made - 1])

    def current_stream(self, device: torch.device) -> object:
        return self._kernels

    @contextlib.contextmanager
    def stream(self, stream: object):
        self.log.append(f"on {stream.name}")
        yield


def test_plain_copies_where_there_are_no_streams():
    transfers = Transfers.of(CPU)
    assert not transfers.overlap
    there = transfers.upload(FRAMES)
    assert np.array_equal(transfers.download(there)(), FRAMES)


def test_streams_wait_for_what_they_need():
    cuda = Streams()
    transfers = Transfers(CPU, cuda)
    assert transfers.overlap
    there = transfers.upload(FRAMES)
    assert cuda.log == ["on up", "kernels waits for up"]
    cuda.log.clear()
    wait = transfers.download(there.permute(0, 3, 1, 2))
    assert cuda.log == ["down waits for kernels", "on down", "event on down"]
    found = wait()
    assert cuda.log[-1] == "host waits"
    assert np.array_equal(found, FRAMES.transpose(0, 3, 1, 2))


def test_what_is_uploaded_does_not_follow_the_callers_buffer():
    buffer = FRAMES.copy()
    there = Transfers(CPU, Streams()).upload(buffer)
    buffer[:] = 0
    assert np.array_equal(there.numpy(), FRAMES)


@pytest.mark.parametrize("latents_known", [True, False])
def test_edits_that_come_later_are_the_same(tiny, monkeypatch, latents_known):
    edited = []
    cuda = Streams()
    for transfers in (Transfers(CPU, None), Transfers(CPU, cuda)):
        monkeypatch.setattr(Transfers, "of", lambda device, transfers=transfers: transfers)
        editor = Editor(TorchBackend(open_model(str(tiny)), choose_torch("cpu", "float32")))
        editor.set_recipe(Recipe("make it winter"))
        later = editor.edit_later(FRAMES, editor.encode(FRAMES) if latents_known else None)
        assert "host waits" not in cuda.log
        edited.append(later())
    assert cuda.log[-1] == "host waits"
    assert np.array_equal(*edited)


def test_parts_are_fetched_once():
    asked = []

    def part(number: int):
        return functools.cache(lambda: asked.append(number) or np.full((1, 2, 2, 3), number, np.uint8))

    whole = joined([part(1), part(2)])
    assert asked == []
    assert [int(frame.max()) for frame in whole()] == [1, 2]
    assert whole() is whole()
    assert asked == [1, 2]
