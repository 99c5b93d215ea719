"""A clip to measure with: drifting noise, which an encoder finds neither empty nor impossible."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 24


def make_clip(path: Path, frames: int, size: tuple[int, int]) -> None:
    """Write an H.264 clip of `frames` frames of (width, height) `size`, at 24 frames a second."""
    width, height = size
    random = np.random.default_rng(1)
    coarse = random.random((height // 16 + 2, width // 8 + 2, 3))
    field = np.kron(coarse, np.ones((16, 16, 1))) + 0.15 * random.random(np.array(coarse.shape) * (16, 16, 1))
    pixels = (np.clip(field / 1.15, 0, 1) * 255).astype(np.uint8)
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            left = 2 * number % width
            view = np.ascontiguousarray(pixels[8 : 8 + height, left : left + width])
            frame = av.VideoFrame.from_ndarray(view, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
