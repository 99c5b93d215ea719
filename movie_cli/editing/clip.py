"""The part of a source that is edited: its range in seconds, its working frames, its latents from cache or network.

Promises the same frames and latents whether they are decoded or come from the latent cache.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from movie_cli.backends.base import Pixels
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.exported import MANIFEST
from movie_cli.editing.request import EditRequest
from movie_cli.errors import SourceError
from movie_cli.media import Damage, Frame, FrameReader, SourceInfo
from movie_cli.media.reader import check_range
from movie_cli.media.scan import frame_times


@dataclass(frozen=True)
class Span:
    """The range to edit in seconds on the file's timeline, None for an open end, and how many frames to expect."""

    start: float | None
    end: float | None
    frames: int | None
    middle: float | None


@dataclass(frozen=True)
class Piece:
    """A batch on its way: frames at the working size, the frames they came from, and source latents if known.

    `full` is None where the output has the working size. `times` holds `(pts, duration)` of each frame.
    """

    small: Pixels
    full: list[Pixels] | None
    times: list[tuple[int, int | None]]
    latents: Any | None = None


def span_of(request: EditRequest, info: SourceInfo) -> Span:
    """Resolve `--start`, `--end` and `--duration`, which count from the first picture.

    Frames are counted, not timed: by the packets, or by decoding where these do not tell.

    Raises:
        UsageError: the range is empty.
        SourceError: the range is longer than `info.reading` allows, or begins after the last frame.
    """
    begin, rate = float(info.video.begin), info.video.average_rate
    start = end = count = None
    if request.start is not None:
        start = begin + float(request.start.seconds or 0)
        if request.start.frames is not None:
            start = _nth(info, request.start.frames)
    if request.end is not None:
        end = begin + float(request.end.seconds or 0)
        if request.end.frames is not None:
            end = _until(info, None, request.end.frames)[0]
    if request.duration is not None:
        end = (begin if start is None else start) + float(request.duration.seconds or 0)
        if request.duration.frames is not None:
            end, count = _until(info, start, request.duration.frames)
    check_range(info, start, end)
    length = info.length
    ends = [value for value in (end, None if length is None else begin + length) if value is not None]
    first = begin if start is None else start
    if start is None and end is None and info.video.frames:
        count = info.video.frames
    elif count is None and rate is not None and length is not None:
        count = max(1, round((min(ends) - first) * rate))
    return Span(start, end, count, (first + min(ends)) / 2 if ends else None)


def _nth(info: SourceInfo, number: int) -> float:
    """When the frame is shown that has so many before it, in seconds on the file's timeline."""
    times = _shown(info, None, number + 1)
    if len(times) <= number:
        raise SourceError(f"{info.path} has only {len(times)} frames", "the first one is 0f: choose an earlier one")
    return times[number]


def _until(info: SourceInfo, start: float | None, number: int) -> tuple[float | None, int]:
    """When so many frames from `start` on have been shown, and how many of them there are."""
    times = _shown(info, start, number + 1)
    if len(times) > number:
        return times[number], number
    rate = info.video.average_rate
    return (times[-1] + (number + 1 - len(times)) / float(rate) if rate and times else None), len(times)


def _shown(info: SourceInfo, start: float | None, most: int) -> list[float]:
    """Times of the first frames from `start` on, in seconds on the file's timeline."""
    times = frame_times(info.path, info, start, None, most=most)
    if times is None:
        with FrameReader(info.path, start=start, info=info) as reader:
            times = [frame.pts for frame in itertools.islice(reader, most)]
    return [float((pts - info.video.origin) * info.video.time_base) for pts in times]


def batches(frames: Iterator[Frame], size: int, keep_full: bool, cut: int | None = None) -> Iterator[Piece]:
    """Gather frames into pieces of `size`; the last one, and one that ends at a multiple of `cut`, may be shorter."""
    pending: list[Frame] = []
    for count, frame in enumerate(frames, 1):
        pending.append(frame)
        if len(pending) == size or (cut is not None and count % cut == 0):
            yield _piece(pending, keep_full)
            pending = []
    if pending:
        yield _piece(pending, keep_full)


def _piece(frames: list[Frame], keep_full: bool) -> Piece:
    small = np.stack([frame.pixels if frame.small is None else frame.small for frame in frames])
    full = [frame.pixels for frame in frames] if keep_full else None
    return Piece(small, full, [(frame.pts, frame.duration) for frame in frames])


def frame_at(path: Path, info: SourceInfo, span: Span, seconds: float | None, size: tuple[int, int]) -> Pixels | None:
    """The first frame at or after `seconds`, at the working size, `(1, h, w, 3)`; None where none can be read."""
    also = None if size == info.video.display_size else size
    try:
        with FrameReader(path, start=seconds, end=span.end, info=info, also_size=also, threads=1) as reader:
            frame = next(iter(reader))
            return (frame.pixels if frame.small is None else frame.small)[None]
    except (SourceError, StopIteration):
        return None


def autoencoder_id(descriptor: Descriptor) -> str:
    """A digest of the autoencoder's files: latents of another autoencoder must not be mistaken for its own."""
    digest = hashlib.blake2b(digest_size=8)
    files = [descriptor.folder / MANIFEST] if descriptor.export else descriptor.vae_folder.glob("*")
    for path in sorted(files):
        if path.is_file():
            digest.update(path.name.encode())
            with path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "blake2b").digest())
    return digest.hexdigest()


def damage_to_text(damage: Damage | None) -> dict[str, str]:
    """Damage as cache metadata, so that a second edit warns as the first did."""
    if damage is None:
        return {}
    return {"damage_time": repr(damage.time), "damage": damage.message, "damage_fatal": str(int(damage.fatal))}


def damage_from_text(meta: dict[str, str]) -> Damage | None:
    """What `damage_to_text` wrote."""
    if "damage" not in meta:
        return None
    return Damage(float(meta["damage_time"]), meta["damage"], 0, meta["damage_fatal"] == "1")
