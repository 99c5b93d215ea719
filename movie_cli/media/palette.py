"""RGB pictures to pictures of 256 colours, for GIF: a palette for each, with one entry for what is transparent."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.filter import Graph
from numpy.typing import NDArray

_OPAQUE = 128
"""From this transparency value (of 255) on a pixel is drawn; GIF knows only seen and unseen."""


class ToPalette:
    """Converts RGB arrays to `pal8` frames.

    Ordered dithering, because error diffusion makes resting places crawl from frame to frame and the file bigger.
    """

    def __init__(self) -> None:
        self._graph: Graph | None = None

    def __call__(self, pixels: NDArray[np.uint8]) -> av.VideoFrame:
        """`(H, W, 3)` uint8 RGB, or `(H, W, 4)` with transparency, all of one kind and size."""
        layout = "rgba" if pixels.shape[-1] == 4 else "rgb24"
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=layout)
        if self._graph is None:
            self._graph = _graph(frame)
        self._graph.vpush(frame)
        return self._graph.vpull()


def _graph(frame: av.VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1))
    both = graph.add("split")
    palette = graph.add("palettegen", stats_mode="single", reserve_transparent=str(int(frame.format.name == "rgba")))
    use = graph.add("paletteuse", new="1", dither="bayer", bayer_scale="4", alpha_threshold=str(_OPAQUE))
    source.link_to(both)
    both.link_to(use, 0, 0)
    both.link_to(palette, 1, 0)
    palette.link_to(use, 0, 1)
    use.link_to(graph.add("buffersink"))
    graph.configure()
    return graph
