"""Pictures plane by plane, as files store them: the luma of decoded frames, and frames of an output to be painted.

A picture of full size never becomes RGB on this way: it keeps the bits it has. Formulas are those of ITU-T H.273.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import av
import numpy as np
from numpy.typing import NDArray

from movie_cli.media.colour import FULL, SCALER_MATRICES, ColourTags, ToRgb, tag
from movie_cli.products import recombined, weighted

if TYPE_CHECKING:
    from movie_cli.media.encoder import VideoSetup

_PLANAR = re.compile(r"yuvj?4[0-9]{2}p(?:(9|1[0-6])le)?")
_LUMA_FIRST = re.compile(r"nv(?:12|16|21|24)|gray(?:(9|1[0-6])le)?")
"""Formats of three planes, and others whose first plane is all luma, of 8 bits or so many."""
_WEIGHTS = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 5: (0.299, 0.114), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
"""Shares of red and blue in luma, by the scaler's numbers."""


@dataclass(frozen=True)
class Coding:
    """How R'G'B' in [0, 255] is stored as three planes: codes are `matrix @ rgb + offset`, cut to `low` and `high`."""

    matrix: NDArray[np.float32]
    offset: NDArray[np.float32]
    low: tuple[float, float, float]
    high: tuple[float, float, float]

    @classmethod
    def of(cls, tags: ColourTags, bits: int) -> Self:
        """The coding that tags say, with so many bits."""
        red, blue = _WEIGHTS[SCALER_MATRICES[tags.effective_matrix]]
        luma = np.array((red, 1 - red - blue, blue))
        colours = np.stack([luma, (np.eye(3)[2] - luma) / (2 - 2 * blue), (np.eye(3)[0] - luma) / (2 - 2 * red)])
        unit, most = 2.0 ** (bits - 8), 2.0**bits - 1
        if tags.effective_range == FULL:
            low, high, spans = (0.0,) * 3, (most,) * 3, np.array((most,) * 3)
        else:
            low, high = (16 * unit,) * 3, (235 * unit, 240 * unit, 240 * unit)
            spans = np.array((219, 224, 224)) * unit
        offset = np.array((low[0], 128 * unit, 128 * unit), np.float32)
        return cls((colours * (spans / 255)[:, None]).astype(np.float32), offset, low, high)

    @property
    def gain(self) -> float:
        """Codes of luma for each step of grey."""
        return float(self.matrix[0].sum())

    @property
    def weights(self) -> Sequence[float]:
        """The shares of red, green and blue in luma."""
        return tuple(float(value) for value in self.matrix[0] / self.matrix[0].sum())

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Planes `(3, h, w)` of codes, not rounded, for RGB `(h, w, 3)`."""
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32)
        codes: NDArray[np.float32] = recombined(self.matrix, planes)
        codes += self.offset[:, None, None]
        return codes


@dataclass(frozen=True)
class Luma:
    """The luma of a frame as it is stored: `plane` `(H, W)`, uint8 or uint16, is a view of the decoder's own memory.

    `weights` are those of R'G'B' in it; grey of a value in [0, 255] has the code `gain * value + zero`.
    """

    plane: NDArray[Any]
    gain: float
    zero: float
    weights: Sequence[float]


class ToLuma(ToRgb):
    """Takes the luma of decoded frames of one size; of HDR, RGB and transparency that of the RGB shown."""

    def luma(self, frame: av.VideoFrame) -> Luma:
        """The luma as stored (not turned upright), for reading only."""
        named = _PLANAR.fullmatch(frame.format.name) or _LUMA_FIRST.fullmatch(frame.format.name)
        if named is None or self.tone_maps or (frame.width, frame.height) != self.size:
            coding = Coding.of(self.tags.shown, 8)
            plane = weighted(self(frame), coding.weights)
            return Luma(np.rint(plane, out=plane).astype(np.uint8), 1.0, 0.0, coding.weights)
        bits = int(named[1] or 8)
        coding = Coding.of(self.tags, bits)
        return Luma(_views(frame, bits)[0], coding.gain, float(coding.offset[0]), coding.weights)


class Canvas:
    """Makes an output's frames, to be painted plane by plane. `coding` says what codes mean."""

    def __init__(self, setup: VideoSetup) -> None:
        self._setup = setup
        named = _PLANAR.fullmatch(setup.plan.pix_fmt)
        assert named is not None
        self._bits = int(named[1] or 8)
        self.coding = Coding.of(setup.tags, self._bits)

    @classmethod
    def of(cls, setup: VideoSetup) -> Self | None:
        """None for outputs that are stored otherwise: in RGB, with a palette, with transparency, or as HDR."""
        planar = _PLANAR.fullmatch(setup.plan.pix_fmt) and not (setup.plan.deep and setup.tags.hdr)
        return cls(setup) if planar else None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as stored."""
        return self._setup.stored

    def stored(self, upright: NDArray[Any]) -> NDArray[Any]:
        """A picture as shown to one as it lies in the output, as a view."""
        return self._setup.orientation.undone(upright)

    def blank(self) -> tuple[av.VideoFrame, list[NDArray[Any]]]:
        """A tagged frame of whatever content, and its three planes to write to."""
        frame = av.VideoFrame(*self.size, self._setup.plan.pix_fmt)
        tag(frame, self._setup.tags)
        return frame, _views(frame, self._bits)


def _views(frame: av.VideoFrame, bits: int) -> list[NDArray[Any]]:
    """A frame's planes `(H, W)`."""
    kind = np.dtype(np.uint8 if bits == 8 else "<u2")
    views = []
    for plane in frame.planes:
        lines = np.frombuffer(memoryview(plane), np.uint8)[: plane.height * plane.line_size].reshape(
            plane.height, plane.line_size
        )
        views.append(lines[:, : plane.width * kind.itemsize].view(kind))
    return views
