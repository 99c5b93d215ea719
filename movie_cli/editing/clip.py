"""The part of a source that is edited: its range in seconds, its working frames, its latents from cache or network.

Promises the same frames and latents whether they are decoded or come from the latent cache.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from movie_cli.backends.base import Pixels
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.exported import MANIFEST
from movie_cli.editing.request import EditRequest, TimeValue
from movie_cli.errors import SourceError, UsageError
from movie_cli.media import Damage, Frame, FrameReader, SourceInfo


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
    """Resolve `--start`, `--end` and `--duration`.

    Raises:
        UsageError: frame counts are asked of a source whose rate is unknown.
    """
    start = _seconds(request.start, info)
    end = _seconds(request.end, info)
    if request.duration is not None:
        end = (start or 0.0) + (_seconds(request.duration, info) or 0.0)
        if request.start and request.start.frames and request.duration.frames and info.video.average_rate:
            # Both ends are half a frame early already: their distance is whole.
            end += 0.5 / float(info.video.average_rate)
    rate, whole = info.video.average_rate, info.video.duration or info.duration
    if start is None and end is None and info.video.frames:
        frames: int | None = info.video.frames
    elif rate is None or whole is None:
        frames = None
    else:
        frames = max(1, round((min(end if end is not None else whole, whole) - (start or 0.0)) * rate))
    last = min(value for value in (end, whole) if value is not None) if end is not None or whole is not None else None
    middle = None if last is None else ((start or 0.0) + last) / 2
    return Span(start, end, frames, middle)


def _seconds(value: TimeValue | None, info: SourceInfo) -> float | None:
    if value is None:
        return None
    if value.seconds is not None:
        return float(value.seconds)
    if info.video.average_rate is None:
        raise UsageError(f"{info.path} has no frame rate to count {value} by", "give the time in seconds")
    assert value.frames is not None
    # Half a frame early: rounding must not lose the frame that is meant.
    return max(0.0, float((value.frames - 0.5) / info.video.average_rate))


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
