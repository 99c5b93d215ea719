"""Clips whose pictures say which frame they are."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

FRAMES, RATE, SIZE = 48, 24, (160, 96)
LEAST, STEP = 20, 4
"""The grey of frame 0, and what each further frame adds."""


def grey_of(frame: int) -> int:
    return LEAST + STEP * frame


def frame_of(grey: float) -> int:
    return round((grey - LEAST) / STEP)


def counting(
    path: Path, first: int = 0, count: int = FRAMES, *, rate: int = RATE, codec: str = "libx264", more: int = 0
):
    """A clip whose frames are grey by their number, `more` brighter, with some texture below."""
    texture = np.random.default_rng(0).integers(0, 256, (SIZE[1] // 4, SIZE[0], 3), dtype=np.uint8)
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
        for number in range(count):
            pixels = np.full((SIZE[1], SIZE[0], 3), min(255, grey_of(first + number) + more), dtype=np.uint8)
            pixels[-len(texture) :] = np.roll(texture, number, axis=1)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path
