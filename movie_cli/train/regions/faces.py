"""Where faces are: a detector's boxes, and in each the outline that a mesh of 468 points gives.

BlazeFace (arXiv 1907.05047) sees faces of any size but tiny; the mesh (arXiv 1907.06724) is fitted on a square 1.5
times the box, turned so that the eyes are level.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Run = Callable[[NDArray[Any]], list[NDArray[Any]]]
DETECTOR_SIDE, MESH_SIDE = 256, 192
SURE = 0.6
"""Probability at which a box counts as a face, of the detector and of the mesh."""
SAME = 0.3
"""Overlap (intersection over union) at which two boxes are one face."""
MARGIN = 1.5
OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
"""The mesh's points along the face's outline, in order."""
Box = tuple[float, float, float, float]


class Faces:
    """Finds the outlines of faces with the two networks."""

    def __init__(self, detector: Run, mesh: Run) -> None:
        self._detector, self._mesh = detector, mesh
        self._anchors = np.concatenate([_anchors(16, 2), _anchors(8, 6)])

    def outlines(self, image: Image.Image, grid: int) -> NDArray[np.float32]:
        """The share of each cell that faces fill, `(grid, grid)` in [0, 1], the picture brought to a square."""
        mask = Image.new("L", (4 * grid, 4 * grid))
        scale = np.array([4 * grid / image.width, 4 * grid / image.height])
        for box, tilt in self._boxes(image):
            outline = self._outline(image, box, tilt)
            if outline is not None:
                ImageDraw.Draw(mask).polygon([tuple(point) for point in outline * scale], fill=255)
        small = mask.resize((grid, grid), Image.Resampling.BOX)
        covered: NDArray[np.float32] = np.asarray(small, np.float32) / np.float32(255)
        return covered

    def _boxes(self, image: Image.Image) -> list[tuple[Box, float]]:
        """Faces as boxes (centre and size in pixels) and the angle of the eyes in radians, the surest first."""
        side = max(image.size)
        square = Image.new("RGB", (side, side))
        square.paste(image)
        pixels = np.asarray(square.resize((DETECTOR_SIDE, DETECTOR_SIDE), Image.Resampling.BILINEAR), np.float32)
        regressors, scores = self._detector(pixels[None] / 127.5 - 1)
        if regressors.shape[-1] == 1:
            regressors, scores = scores, regressors
        sure = 1 / (1 + np.exp(-scores[0, :, 0].clip(-50, 50)))
        found: list[tuple[Box, float]] = []
        for index in np.argsort(-sure):
            if sure[index] < SURE:
                break
            values = regressors[0, index].reshape(-1, 2) / DETECTOR_SIDE
            centre, size = values[0] + self._anchors[index], values[1]
            right, left = values[2] + self._anchors[index], values[3] + self._anchors[index]
            x, y, width, height = (float(value) * side for value in (*centre, *size))
            box = (x, y, width, height)
            if min(width, height) > 4 and all(_overlap(box, other) < SAME for other, _ in found):
                found.append((box, math.atan2(left[1] - right[1], left[0] - right[0])))
        return found

    def _outline(self, image: Image.Image, box: Box, tilt: float) -> NDArray[np.float64] | None:
        x, y, width, height = box
        scale = MARGIN * max(width, height) / MESH_SIDE
        cos, sin = math.cos(tilt) * scale, math.sin(tilt) * scale
        half = MESH_SIDE / 2
        turn = np.array([[cos, -sin], [sin, cos]])
        left, top = np.array([x, y]) - turn @ np.array([half, half])
        data = (cos, -sin, left, sin, cos, top)
        part = image.transform((MESH_SIDE, MESH_SIDE), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
        points, score = self._mesh(np.asarray(part, np.float32)[None] / 255)
        if points.size == 1:
            points, score = score, points
        if 1 / (1 + math.exp(-float(score.reshape(-1)[0]))) < SURE:
            return None
        flat = points.reshape(-1, 3)[list(OVAL), :2].astype(np.float64)
        return flat @ turn.T + np.array([left, top])


def _anchors(cells: int, count: int) -> NDArray[np.float64]:
    """Centres of the detector's boxes of one size, in [0, 1]: `count` at each of `cells` by `cells` places."""
    middle = (np.arange(cells) + 0.5) / cells
    places = np.stack(np.meshgrid(middle, middle), axis=-1).reshape(-1, 2)
    return np.repeat(places, count, axis=0)


def _overlap(one: Box, other: Box) -> float:
    sides = []
    for axis in (0, 1):
        low = max(one[axis] - one[axis + 2] / 2, other[axis] - other[axis + 2] / 2)
        high = min(one[axis] + one[axis + 2] / 2, other[axis] + other[axis + 2] / 2)
        sides.append(max(0.0, high - low))
    both = sides[0] * sides[1]
    return both / (one[2] * one[3] + other[2] * other[3] - both)
