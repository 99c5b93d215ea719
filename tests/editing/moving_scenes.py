"""A clip of scenes, edits of it, and an interruption."""

from __future__ import annotations

import av
import numpy as np

from movie_cli.editing.request import EditRequest, SilentReporter
from movie_cli.media import FrameReader
from movie_cli.options import EncodeOptions
from movie_cli.recipe import Recipe

SIZE = (64, 48)


def scenes(path, lengths=(20, 16, 24), move=1):
    """Scenes of one colour each, with a square that moves with every so manieth frame."""
    colours = [(200, 60, 40), (40, 180, 90), (60, 70, 210)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "bgr0"
        number = 0
        for length, colour in zip(lengths, colours, strict=True):
            for _ in range(length):
                pixels = np.full((SIZE[1], SIZE[0], 3), colour, np.uint8)
                left = number // move % 50
                pixels[10:20, left : left + 10] = 255
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
                number += 1
        container.mux(stream.encode(None))
    return path


def pictures(path):
    with FrameReader(path) as reader:
        return [(frame.pts, frame.pixels) for frame in reader]


def request(model, source, output, anchors="middle", **more):
    recipe = Recipe("make it winter", model=str(model), anchors=anchors)
    encode = EncodeOptions(codec="ffv1", pix_fmt="bgr0")
    return EditRequest(str(source), str(output), recipe, dtype="float32", device="cpu", encode=encode, **more)


class Stop(SilentReporter):
    def __init__(self, after):
        self.left = after

    def advance(self, frames):
        self.left -= frames
        if self.left <= 0:
            raise KeyboardInterrupt


class Told(SilentReporter):
    """Keeps warnings."""

    def __init__(self):
        self.warnings = []

    def message(self, level, text):
        self.warnings += [text] if level == "warning" else []
