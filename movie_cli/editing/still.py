"""Frames in a row, and what each takes over from the one before.

A frame that shows what the one before showed takes over its edit: films drawn on twos, screen recordings and converted
frame rates are full of them. Of others a recurrent network sees the edit before. Promises that the frames' batches do
not matter, and that a `FrameRun` depends on nothing that came before it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from movie_cli.backends.base import Carry, FetchFrames, Pixels

BLOCK = 16
"""Side of the squares that are compared: what moves in a corner must count as much as what fills the picture."""


class FrameRun:
    """Edits frames that follow one another, and gives those that hardly differ from the last edited one its result.

    Make another at each division: where a segment begins, or frames attend to other anchors. `threshold` is the mean
    difference in code values (of 255) that a square of 16 pixels may have; 0 takes equal frames alone.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._source: Pixels | None = None
        self._edited: FetchFrames | None = None
        self._carry = Carry()
        self.reused = 0

    def edit(self, frames: Pixels, edit: Callable[[list[int], Carry], FetchFrames]) -> FetchFrames:
        """Edited frames for `(N, H, W, 3)`; `edit` is called once with the numbers of those that must be edited."""
        fresh: list[int] = []
        use: list[int] = []
        for number, frame in enumerate(frames):
            if self._source is None or not self._is_still(frame, self._source):
                self._source = frame.copy()
                fresh.append(number)
            use.append(len(fresh) - 1)
        self.reused += len(frames) - len(fresh)
        before, edited = self._edited, edit(fresh, self._carry) if fresh else None
        if edited is not None:
            self._edited = edited
            if len(fresh) == len(frames):
                return edited
        return lambda: np.stack([_at(before, -1) if index < 0 else _at(edited, index) for index in use])

    def _is_still(self, frame: Pixels, before: Pixels) -> bool:
        if not self._threshold:
            return bool(np.array_equal(frame, before))
        change = np.abs(frame.astype(np.int16) - before).mean(axis=2, dtype=np.float32)
        rows, columns = (np.arange(0, side, BLOCK) for side in change.shape)
        sums = np.add.reduceat(np.add.reduceat(change, rows, axis=0), columns, axis=1)
        areas = np.diff(np.append(rows, change.shape[0]))[:, None] * np.diff(np.append(columns, change.shape[1]))
        return bool((sums / areas).max() <= self._threshold)


def _at(edited: FetchFrames | None, index: int) -> Pixels:
    assert edited is not None
    found: Pixels = edited()[index]
    return found
