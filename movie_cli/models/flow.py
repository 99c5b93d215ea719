"""Optical flow of a source clip, and how far another clip of the same motion strays from it.

Dense inverse search (Kroeger et al. 2016; OpenCV's DIS, medium preset) both ways between neighbouring frames. A pixel
counts where both flows agree, by the criterion of Sundaram, Brox and Keutzer (2010), and where its origin lies inside
the picture: occlusions are left out. Needs OpenCV, and knows nothing of edits.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from movie_cli.errors import UsageError

Frames = NDArray[np.uint8]
"""A clip `(N, H, W, 3)`, RGB."""
RELATIVE_SLACK, ABSOLUTE_SLACK = 0.01, 0.5
"""Flows agree where `|f + b|^2 < RELATIVE_SLACK (|f|^2 + |b|^2) + ABSOLUTE_SLACK`, in pixels squared."""


@dataclass(frozen=True)
class Step:
    """The motion to a frame from the one before.

    `origin` `(H, W, 2)` is where each pixel was, in x and y; `valid` `(H, W)` where that is certain.
    """

    origin: NDArray[np.float32]
    valid: NDArray[np.bool_]


def require_cv2() -> ModuleType:
    """OpenCV.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise UsageError(
            "flicker is measured with OpenCV, which is not installed", 'pip install "movie-cli[eval]"'
        ) from error
    module: ModuleType = cv2
    return module


def steps_of(frames: Frames) -> list[Step]:
    """The motion between neighbouring frames of a clip `(N, H, W, 3)`; one step fewer than frames.

    Raises:
        UsageError: OpenCV is not installed.
    """
    cv2 = require_cv2()
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    return [_step(cv2, flow, earlier, later) for earlier, later in itertools.pairwise(grey)]


def warp_error(frames: Frames, steps: Sequence[Step | None]) -> float:
    """Mean absolute difference, in [0, 1], between each frame and the one before it brought along by `steps`.

    A step of None stands between frames that do not follow one another, and counts for nothing.
    The mean is over certain pixels, channels and frames; not a number if no pixel is certain.
    """
    total, count = 0.0, 0
    for earlier, later, step in zip(frames[:-1], frames[1:], steps, strict=True):
        if step is None:
            continue
        brought = _bring(require_cv2(), earlier.astype(np.float32), step.origin)
        difference = np.abs(later.astype(np.float32) - brought)[step.valid]
        total += float(difference.sum(dtype=np.float64))
        count += difference.size
    return total / count / 255 if count else float("nan")


def _step(cv2: ModuleType, flow: Any, earlier: NDArray[np.uint8], later: NDArray[np.uint8]) -> Step:
    forward = flow.calc(earlier, later, None)
    backward = flow.calc(later, earlier, None)
    height, width = later.shape[:2]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    origin = grid + backward
    inside = ((origin >= 0) & (origin <= np.array([width - 1, height - 1]))).all(axis=-1)
    there = _bring(cv2, forward, origin)
    strayed = np.square(there + backward).sum(axis=-1)
    moved = np.square(there).sum(axis=-1) + np.square(backward).sum(axis=-1)
    agree = strayed < RELATIVE_SLACK * moved + ABSOLUTE_SLACK
    return Step(origin.astype(np.float32), np.asarray(inside & agree))


def _bring(cv2: ModuleType, plane: NDArray[np.float32], origin: NDArray[np.float32]) -> NDArray[np.float32]:
    brought: NDArray[np.float32] = cv2.remap(
        plane, origin[..., 0], origin[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return brought
