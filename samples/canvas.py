"""A layer of a picture: colour and coverage, drawn at twice the size so that edges come out smooth. Plain numpy.

Coordinates are pixels of the finished picture, x to the right and y down; a layer reaches `MARGIN` pixels further on
either side, for the camera to pan over.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from noise import Plane, smoothstep
from numpy.typing import NDArray

WIDTH, HEIGHT = 512, 384
MARGIN = 20
SCALE = 2
Colour = tuple[float, float, float]
Region = tuple[slice, slice]


class Layer:
    """Premultiplied colour `(h, w, 3)` and coverage `(h, w, 1)`, float32, and the coordinates of its pixels."""

    def __init__(self) -> None:
        high, wide = SCALE * HEIGHT, SCALE * (WIDTH + 2 * MARGIN)
        self.colour = np.zeros((high, wide, 3), np.float32)
        self.cover = np.zeros((high, wide, 1), np.float32)
        self._stack: NDArray[np.float32] | None = None
        self.x = ((np.arange(wide, dtype=np.float32) + 0.5) / SCALE - MARGIN)[None, :]
        self.y = ((np.arange(high, dtype=np.float32) + 0.5) / SCALE)[:, None]

    def region(self, left: float, top: float, right: float, bottom: float) -> Region:
        """The part of the layer that holds a box."""
        high, wide = self.cover.shape[:2]
        columns = [int(np.clip((value + MARGIN) * SCALE, 0, wide)) for value in (left - 1, right + 2)]
        rows = [int(np.clip(value * SCALE, 0, high)) for value in (top - 1, bottom + 2)]
        return slice(*rows), slice(*columns)

    def coordinates(self, region: Region) -> tuple[Plane, Plane]:
        """X and y of a region's pixels, each of the region's full shape."""
        y, x = np.broadcast_arrays(self.y[region[0]], self.x[:, region[1]])
        return x, y

    def paint(
        self, colour: NDArray[np.float32] | Colour, cover: Plane, region: Region = (slice(None), slice(None))
    ) -> None:
        """Lay `colour`, one or `(h, w, 3)`, over a region where `cover` `(h, w)` in [0, 1] says so."""
        amount = cover[..., None].astype(np.float32)
        value = np.asarray(colour, np.float32)
        self.colour[region] += amount * (value - self.colour[region])
        self.cover[region] += amount * (1 - self.cover[region])

    def seen(self, offset: float, sway: Plane | None = None) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Colour and coverage of the finished layer with the camera `offset` pixels to the right; `sway` moves rows."""
        wide = SCALE * WIDTH
        start = SCALE * (MARGIN + offset)
        if self._stack is None:
            self._stack = np.concatenate([self.colour, self.cover], axis=-1)
        stack = self._stack
        if sway is None:
            first = int(np.floor(start))
            part = np.float32(start - first)
            moved = (1 - part) * stack[:, first : first + wide] + part * stack[:, first + 1 : first + 1 + wide]
        else:
            starts = start - SCALE * sway
            firsts = np.floor(starts).astype(np.int64)
            parts = (starts - firsts).astype(np.float32)[:, None, None]
            rows = np.arange(len(starts))[:, None]
            columns = np.clip(firsts[:, None] + np.arange(wide + 1)[None], 0, stack.shape[1] - 1)
            taken = stack[rows, columns]
            moved = (1 - parts) * taken[:, :-1] + parts * taken[:, 1:]
        return moved[..., :3], moved[..., 3:]


def over(below: NDArray[np.float32], colour: NDArray[np.float32], cover: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lay what a layer shows over a finished picture."""
    result: NDArray[np.float32] = below * (1 - cover) + colour * cover
    return result


def shrink(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """From `SCALE` times the size to the finished size."""
    high, wide = picture.shape[0] // SCALE, picture.shape[1] // SCALE
    result: NDArray[np.float32] = picture.reshape(high, SCALE, wide, SCALE, -1).mean(axis=(1, 3))
    return result


def mix(
    first: Colour | NDArray[np.float32], second: Colour | NDArray[np.float32], amount: Plane
) -> NDArray[np.float32]:
    """Between two colours by a plane in [0, 1]: `(h, w, 3)`."""
    share = amount[..., None]
    result: NDArray[np.float32] = np.asarray(first, np.float32) * (1 - share) + np.asarray(second, np.float32) * share
    return result


def convex(x: Plane, y: Plane, corners: Sequence[tuple[float, float]]) -> Plane:
    """Coverage of a convex polygon whose corners run clockwise on the screen."""
    inside = np.ones(np.broadcast(x, y).shape, np.float32)
    for (ax, ay), (bx, by) in zip(corners, [*corners[1:], corners[0]], strict=True):
        length = float(np.hypot(bx - ax, by - ay))
        distance = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / length
        inside = np.minimum(inside, np.clip(0.5 + SCALE * distance, 0, 1)).astype(np.float32)
    return inside


def disc(x: Plane, y: Plane, centre: tuple[float, float], radius: float, soft: float = 0.7) -> Plane:
    """Coverage of a disc with an edge `2 * soft` pixels wide."""
    distance = np.hypot(x - centre[0], y - centre[1]).astype(np.float32)
    return smoothstep(radius + soft, radius - soft, distance)
