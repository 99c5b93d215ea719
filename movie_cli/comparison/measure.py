"""What a comparison measures of every frame: how far it is from the first film, and how it flickers.

Difference: mean absolute difference to the first film, in [0, 1] of sRGB values. Warp error: mean absolute difference
to the frame before, brought along by the first film's optical flow (see `movie_cli.evaluate.flow`); needs OpenCV.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from movie_cli.errors import UsageError
from movie_cli.media import Frame


@dataclass
class Curves:
    """Per film and frame: `times` in seconds of the film, `differences` to the first film, `warp_errors`.

    `differences` has no row for the first film; a warp error is NaN for a first frame and where nothing is certain,
    and `warp_errors` is empty where OpenCV is missing.
    """

    times: list[list[float]]
    differences: list[list[float]]
    warp_errors: list[list[float]] = field(default_factory=list)


def measure(frames: Iterable[tuple[Frame, ...]], films: int) -> tuple[Curves, str]:
    """Measure frames in step (see `films.in_step`); also a sentence on what could not be measured, or an empty one."""
    curves = Curves([[] for _ in range(films)], [[] for _ in range(films - 1)])
    flow, note = _Flow.open()
    if flow is not None:
        curves.warp_errors = [[] for _ in range(films)]
    for shown in frames:
        small = [_small(frame) for frame in shown]
        for times, frame in zip(curves.times, shown, strict=True):
            times.append(frame.time)
        first = small[0].astype(np.int16)
        for row, other in zip(curves.differences, small[1:], strict=True):
            row.append(float(np.abs(other - first).mean()) / 255)
        if flow is not None:
            for row, error in zip(curves.warp_errors, flow.errors(small), strict=True):
                row.append(error)
    return curves, note


class _Flow:
    """The first film's motion from frame to frame, and all films' errors along it."""

    def __init__(self) -> None:
        self._before: list[NDArray[np.uint8]] | None = None

    @classmethod
    def open(cls) -> tuple[_Flow | None, str]:
        from movie_cli.evaluate.flow import require_cv2

        try:
            require_cv2()
        except UsageError as error:
            return None, f"warp errors are left out: {error.hint} adds OpenCV"
        return cls(), ""

    def errors(self, small: list[NDArray[np.uint8]]) -> Iterator[float]:
        from movie_cli.evaluate.flow import steps_of, warp_error

        before, self._before = self._before, small
        if before is None:
            yield from (float("nan") for _ in small)
            return
        steps = steps_of(np.stack([before[0], small[0]]))
        for earlier, later in zip(before, small, strict=True):
            yield warp_error(np.stack([earlier, later]), steps)


def _small(frame: Frame) -> NDArray[np.uint8]:
    return frame.pixels if frame.small is None else frame.small
