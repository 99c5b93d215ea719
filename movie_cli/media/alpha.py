"""The transparency of a source, beside its edited colours.

The networks see colours only, laid on black. A second reader of the source keeps step with the frames that are
written and gives each its transparency back, at the output's size.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from movie_cli.media.colour import off_black
from movie_cli.media.info import SourceInfo
from movie_cli.media.reader import Frame, FrameReader


class AlphaCopier:
    """Adds the source's transparency to edited frames of (width, height) `size`; the range is the reader's."""

    def __init__(self, source: SourceInfo, size: tuple[int, int], start: float | None, end: float | None) -> None:
        self._reader = FrameReader(source.path, start, end, info=source, threads=1, alpha_size=size)
        self._frames: Iterator[Frame] = iter(self._reader)
        self._waiting: Frame | None = None

    def add(self, pixels: NDArray[np.uint8], pts: int) -> NDArray[np.uint8]:
        """An edited frame `(H, W, 3)`, and its timestamp in the source, to `(H, W, 4)`. Timestamps must rise."""
        while self._waiting is None or self._waiting.pts < pts:
            following = next(self._frames, None)
            if following is None:
                break
            self._waiting = following
        assert self._waiting is not None
        return off_black(pixels, self._waiting.pixels)

    def close(self) -> None:
        """Let go of the source."""
        self._reader.close()
