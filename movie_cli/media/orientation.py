"""The eight ways a picture can lie in a file, and how to stand it up.

A display matrix that is none of the eight (an odd angle, garbage) counts as upright.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ONE = 1 << 16
"""1.0 in the 16.16 fixed point of a display matrix."""


@dataclass(frozen=True)
class Orientation:
    """Stored picture to upright picture: swap the axes, then mirror left-right (`flip_x`), then top-bottom (`flip_y`).

    `matrix` keeps the file's own nine integers, translations included, to write them back unchanged.
    """

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False
    matrix: tuple[int, ...] | None = None

    @property
    def is_upright(self) -> bool:
        """Whether nothing has to be done."""
        return not (self.transpose or self.flip_x or self.flip_y)

    @property
    def mirrored(self) -> bool:
        """Whether writing in the stored picture reads backwards whatever way it is turned."""
        return (self.transpose + self.flip_x + self.flip_y) % 2 == 1

    @property
    def degrees(self) -> int:
        """Clockwise turn, in degrees; for a mirrored picture the turn that follows a left-right mirroring."""
        if self.transpose:
            return 90 if self.flip_x else 270
        return 180 if self.flip_y else 0

    def upright(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """`(H, W, C)` as stored to `(H', W', C)` as shown, contiguous."""
        return np.ascontiguousarray(self.turn(pixels))

    def undo(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """The inverse of `upright`, of any kind, contiguous."""
        return np.ascontiguousarray(self.undone(pixels))

    def turn(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """As `upright`, of any kind, as a view."""
        return self._flipped(pixels.swapaxes(0, 1) if self.transpose else pixels)

    def undone(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """As `undo`, of any kind, as a view."""
        pixels = self._flipped(pixels)
        return pixels.swapaxes(0, 1) if self.transpose else pixels

    def turned(self, size: tuple[int, int]) -> tuple[int, int]:
        """(width, height) on the other side of `upright` or `undo`."""
        return (size[1], size[0]) if self.transpose else size

    def display_matrix(self, keep_translation: bool) -> tuple[int, ...]:
        """Nine integers, row by row, for the container. The file's own where the size has not changed."""
        if self.matrix is not None and keep_translation:
            return self.matrix
        x, y = -ONE if self.flip_x else ONE, -ONE if self.flip_y else ONE
        row1, row2 = ((0, y), (x, 0)) if self.transpose else ((x, 0), (0, y))
        return (*row1, 0, *row2, 0, 0, 0, 1 << 30)

    def _flipped(self, pixels: NDArray[Any]) -> NDArray[Any]:
        if self.flip_x:
            pixels = pixels[:, ::-1]
        if self.flip_y:
            pixels = pixels[::-1]
        return pixels


UPRIGHT = Orientation()


def from_matrix(matrix: Sequence[int]) -> Orientation | None:
    """Read a display matrix `[a b u; c d v; x y w]`, which maps (p, q) to (a p + c q + x, b p + d q + y).

    Returns None where it is not one of the eight orientations, up to scale.
    """
    a, b, _, c, d, _ = matrix[:6]
    tolerance = 1 / 64
    if a and d and abs(b) <= abs(a) * tolerance and abs(c) <= abs(d) * tolerance:
        found = Orientation(False, a < 0, d < 0, tuple(matrix))
    elif b and c and abs(a) <= abs(b) * tolerance and abs(d) <= abs(c) * tolerance:
        found = Orientation(True, c < 0, b < 0, tuple(matrix))
    else:
        return None
    return UPRIGHT if found.is_upright else found


def rotation_matrix(counterclockwise: int) -> tuple[int, ...]:
    """The display matrix of a plain turn, in degrees as ffmpeg reports them; all zero where it is no quarter turn."""
    turns = {0: (ONE, 0, 0, ONE), 90: (0, -ONE, ONE, 0), 180: (-ONE, 0, 0, -ONE), 270: (0, ONE, -ONE, 0)}
    a, b, c, d = turns.get(counterclockwise % 360, (0, 0, 0, 0))
    return (a, b, 0, c, d, 0, 0, 0, 1 << 30)
