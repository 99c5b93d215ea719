"""Which frames the others attend to: one of the whole clip, the newest of a row, or one of each scene.

Promises a schedule that follows from the source alone, so that it is the same whether an edit runs in one go, is
continued, or is spread over machines. Knows nothing of networks.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from movie_cli.backends.base import Pixels
from movie_cli.editing.clip import Span
from movie_cli.media import FrameReader, SourceInfo
from movie_cli.media.scan import frame_times
from movie_cli.recipe import AnchorRule

BANK = 3
"""How many of the newest anchors `every:N` keeps; Fairy (arXiv 2312.13834) uses three."""
CUT = 27.0
"""Mean change of hue (of 180), saturation and value (of 255) between two frames of different scenes: the default of
PySceneDetect's content detector, whose measure this is."""
SHORTEST_SCENE = 15
"""Frames; PySceneDetect's default. Flashes are no scenes."""
_THUMBNAIL = 64


@dataclass(frozen=True)
class Schedule:
    """From which frame on (timestamps, rising) the frames attend to which others (timestamps)."""

    starts: tuple[int, ...]
    anchors: tuple[tuple[int, ...], ...]

    def at(self, pts: int) -> tuple[int, ...]:
        """What a frame attends to."""
        return self.anchors[max(0, bisect.bisect_right(self.starts, pts) - 1)]

    def parts(self, times: Sequence[int]) -> Iterator[tuple[slice, tuple[int, ...]]]:
        """Runs of frames that attend to the same anchors, with those anchors."""
        begin = 0
        for index in range(1, len(times) + 1):
            if index == len(times) or self.at(times[index]) != self.at(times[begin]):
                yield slice(begin, index), self.at(times[begin])
                begin = index

    def to_bytes(self) -> bytes:
        """As safetensors, for the work folder and other machines."""
        return save(
            {
                "starts": np.array(self.starts, np.int64),
                "counts": np.array([len(group) for group in self.anchors], np.int64),
                "anchors": np.array([pts for group in self.anchors for pts in group], np.int64),
            }
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Schedule:
        """What `to_bytes` wrote, loaded."""
        flat, groups, begin = arrays["anchors"].tolist(), [], 0
        for count in arrays["counts"].tolist():
            groups.append(tuple(flat[begin : begin + count]))
            begin += count
        return cls(tuple(arrays["starts"].tolist()), tuple(groups))


def make_schedule(rule: AnchorRule, path: Path, info: SourceInfo, span: Span) -> Schedule | None:
    """The anchors of a rule that moves, by one look through the part of the source that is edited; None without frames.

    Raises:
        SourceError: the source cannot be read.
    """
    if rule.kind == "every":
        times = frame_times(path, info, span.start, span.end)
        if times is None:
            times = [pts for pts, _ in _frames(path, info, span)]
        places = times[:: rule.every]
        groups = [tuple(places[max(0, index + 1 - BANK) : index + 1]) for index in range(len(places))]
        return Schedule(tuple(places), tuple(groups)) if places else None
    scenes = list(scenes_of(_frames(path, info, span)))
    if not scenes:
        return None
    return Schedule(tuple(scene[0] for scene in scenes), tuple((scene[len(scene) // 2],) for scene in scenes))


def scenes_of(frames: Iterator[tuple[int, Pixels]]) -> Iterator[list[int]]:
    """Timestamps of each scene's frames, by the content measure of PySceneDetect."""
    scene: list[int] = []
    before: NDArray[np.float32] | None = None
    for pts, pixels in frames:
        values = hue_saturation_value(_thumbnail(pixels))
        cut = before is not None and float(np.abs(values - before).mean()) >= CUT
        if cut and len(scene) >= SHORTEST_SCENE:
            yield scene
            scene = []
        scene.append(pts)
        before = values
    if scene:
        yield scene


def hue_saturation_value(pixels: Pixels) -> NDArray[np.float32]:
    """RGB `(H, W, 3)` to hue in [0, 180), saturation and value in [0, 255], as OpenCV counts them for 8 bits."""
    red, green, blue = (pixels[..., index].astype(np.float32) for index in range(3))
    value = np.maximum(np.maximum(red, green), blue)
    spread = value - np.minimum(np.minimum(red, green), blue)
    divisor = np.maximum(spread, 1)
    hue = np.where(
        value == red,
        (green - blue) / divisor,
        np.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    return np.stack([30 * (hue % 6), 255 * spread / np.maximum(value, 1), value], axis=-1).astype(np.float32)


def _thumbnail(pixels: Pixels) -> Pixels:
    """About 64 pixels wide: every so manieth, which is enough for a mean."""
    step = max(1, pixels.shape[1] // _THUMBNAIL)
    return pixels[::step, ::step]


def _frames(path: Path, info: SourceInfo, span: Span) -> Iterator[tuple[int, Pixels]]:
    with FrameReader(path, start=span.start, end=span.end, info=info) as reader:
        for frame in reader:
            yield frame.pts, frame.pixels
