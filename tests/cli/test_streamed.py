"""A clip from a file or from a pipe that fills piece by piece, frame by frame or many at once: the same output."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest

from tests.media.clips import make_clip

FRAMES = 24


@pytest.fixture
def feed(monkeypatch):
    """Make a file come through standard input, a little at a time."""
    threads = []

    def start(path: Path) -> None:
        data = path.read_bytes()
        out, into = os.pipe()

        def fill() -> None:
            with os.fdopen(into, "wb", buffering=0) as pipe:
                for first in range(0, len(data), 1 + len(data) // 50):
                    pipe.write(data[first : first + 1 + len(data) // 50])
                    time.sleep(0.001)

        threads.append(threading.Thread(target=fill))
        threads[-1].start()
        monkeypatch.setattr("sys.stdin", os.fdopen(out, "r"))

    yield start
    for thread in threads:
        thread.join()


def pictures(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.fixture
def edit(movie, tiny, tmp_path):
    make_clip(tmp_path / "in.mp4", frames=FRAMES, size=(96, 64), audio=True)
    usual = ["--model", str(tiny), "--device", "cpu", "--no-cache", "--anchors", "first", "-q"]

    def run(source: str, output: str, *options: str) -> Path:
        done = movie("edit", source, "make it winter", "-o", output, *usual, *options)
        assert done.returncode == 0, done.stderr
        return tmp_path / output

    return run


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_pipe_gives_the_file_that_a_file_gives(edit, feed, tmp_path, dtype):
    from_file = edit("in.mp4", "file.mp4", "--dtype", dtype, "--batch-size", "4")
    feed(tmp_path / "in.mp4")
    from_pipe = edit("-", "pipe.mp4", "--dtype", dtype, "--batch-size", "4")
    assert from_pipe.read_bytes() == from_file.read_bytes()
    assert len(pictures(from_pipe)) == FRAMES


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_frame_by_frame_gives_the_pictures_of_all_at_once(edit, feed, tmp_path, dtype):
    lossless = ["--codec", "ffv1", "--pix-fmt", "bgr0", "--dtype", dtype]
    whole = edit("in.mp4", "whole.mkv", *lossless, "--batch-size", str(FRAMES))
    feed(tmp_path / "in.mp4")
    singly = edit("-", "singly.mkv", *lossless, "--batch-size", "1", "--segment-frames", "15")
    one, other = pictures(singly), pictures(whole)
    assert len(one) == len(other) == FRAMES
    assert np.abs(one.astype(int) - other).max() <= 1
