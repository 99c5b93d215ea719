"""One clip in the latent cache: a folder of safetensors shards, how it is written and how it is read.

A folder under its final name is whole, reading holds one shard in memory however long the clip is, and what is read is
what was written: every shard has a CRC-32 in `entry.json`.
"""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from movie_cli.files import FolderHold

FORMAT = 1
ENTRY_NAME = "entry.json"
SHARD_FRAMES = 32

Array = NDArray[Any]
Time = tuple[int, int | None]
"""A frame's pts and duration in the source's time base; None where the source does not tell the duration."""


@dataclass(frozen=True)
class Shard:
    """A shard's file name, its frames, its length in bytes and the CRC-32 of these."""

    name: str
    frames: int
    bytes: int
    crc: int


class CacheWriter:
    """Writes a clip under a temporary name. As a context manager it leaves nothing unless `commit` was called.

    Every method but `discard` raises OSError if the disk is full or not writable, and `CacheFull` if the clip
    outgrows what the cache may hold. The caller then discards the writer and goes on without a cache.
    """

    def __init__(self, folder: Path, target: Path, make_room: Callable[[int], None]) -> None:
        """`make_room` is called with the bytes that this clip is about to have, and raises `CacheFull`."""
        self._folder = folder
        self._target = target
        self._make_room = make_room
        self._latents: list[Array] = []
        self._frames: list[Array] = []
        self._waiting = 0
        self._times: list[Time] = []
        self._shards: list[Shard] = []
        folder.mkdir(parents=True)
        try:
            self._hold = FolderHold(folder)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._open = True

    def add(self, latents: Array, frames: Array, times: Sequence[Time]) -> None:
        """Append `latents` (n, C, h, w), `frames` (n, H, W, 3) in uint8, and n `times`.

        Raises:
            OSError: the cache cannot take them.
            ValueError: the three do not belong together.
        """
        if not (len(latents) == len(frames) == len(times)) or latents.ndim != 4 or frames.ndim != 4:
            raise ValueError(f"{latents.shape} latents, {frames.shape} frames, {len(times)} times")
        if frames.dtype != np.uint8:
            raise ValueError(f"frames are {frames.dtype}, not uint8")
        # Copies: the caller may reuse its buffers, and a view would keep the whole of them in memory.
        self._latents.append(latents.copy())
        self._frames.append(frames.copy())
        self._times += [(pts, duration) for pts, duration in times]
        self._waiting += len(latents)
        if self._waiting >= SHARD_FRAMES:
            self._flush()

    def commit(self, meta: Mapping[str, str] | None = None) -> None:
        """Make the clip visible under its key at once, with `meta` beside it.

        An entry that another process has committed meanwhile stays, and this one is discarded: they are equal.

        Raises:
            OSError: the cache cannot take it.
            ValueError: no frame was added, or the writer is closed.
        """
        if not self._open or not self._times:
            raise ValueError("a closed or empty writer cannot be committed")
        if self._waiting:
            self._flush()
        entry = {
            "format": FORMAT,
            "meta": dict(meta or {}),
            "times": self._times,
            "shards": [[shard.name, shard.frames, shard.bytes, shard.crc] for shard in self._shards],
        }
        (self._folder / ENTRY_NAME).write_text(json.dumps(entry), encoding="utf-8")
        self._hold.release()
        try:
            self._folder.rename(self._target)
        except OSError:
            if not (self._target / ENTRY_NAME).is_file():
                raise
            self.discard()
            return
        self._open = False

    def discard(self) -> None:
        """Remove all that was written; after `commit`, or a second time, nothing happens."""
        self._latents.clear()
        self._frames.clear()
        self._hold.release()
        if self._open:
            self._open = False
            shutil.rmtree(self._folder, ignore_errors=True)

    def _flush(self) -> None:
        parts = {"latents": self._latents, "frames": self._frames}
        tensors = {name: np.ascontiguousarray(np.concatenate(arrays)) for name, arrays in parts.items()}
        data = save(tensors)
        written = sum(shard.bytes for shard in self._shards)
        self._make_room(written + len(data))
        name = f"{len(self._shards):06d}.safetensors"
        (self._folder / name).write_bytes(data)
        self._shards.append(Shard(name, self._waiting, len(data), zlib.crc32(data)))
        self._latents.clear()
        self._frames.clear()
        self._waiting = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()


class CachedClip:
    """A clip read back from the cache. No other process removes it until `close`.

    Raises:
        ValueError: the entry is damaged; the sentence says how.
        OSError: it cannot be read, or is gone.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hold = FolderHold(folder)
        try:
            entry = _read_entry(folder)
            self.meta: dict[str, str] = entry["meta"]
            self.times: list[Time] = entry["times"]
            self._shards: list[Shard] = entry["shards"]
            for shard in self._shards:
                _check_shard(folder, shard)
        except BaseException:
            self._hold.release()
            raise
        self._loaded: tuple[int, Array, Array] | None = None

    @property
    def count(self) -> int:
        """The number of frames."""
        return len(self.times)

    def batches(self, size: int, start: int = 0, cut: int | None = None) -> Iterator[tuple[Array, Array, list[Time]]]:
        """Frames from number `start` on: latents (n, C, h, w), frames (n, H, W, 3) uint8 and n times.

        n is `size`, or what remains in the last batch and before each multiple of `cut`.

        Raises:
            OSError: the files vanished.
        """
        last = start
        while last < self.count:
            first, last = last, min(last + size, self.count)
            if cut is not None:
                last = min(last, (first // cut + 1) * cut)
            parts = list(self._pieces(first, last))
            latents, frames = (
                np.concatenate(column) if len(column) > 1 else column[0] for column in zip(*parts, strict=True)
            )
            yield latents, frames, self.times[first:last]

    def at(self, index: int) -> tuple[Array, Array, Time]:
        """Frame number `index`: latents (1, C, h, w), frame (1, H, W, 3) uint8 and its time."""
        if not 0 <= index < self.count:
            raise IndexError(index)
        latents, frames = next(self._pieces(index, index + 1))
        return latents.copy(), frames.copy(), self.times[index]

    def close(self) -> None:
        """Let the cache remove the clip if it must; more than once is the same as once."""
        self._loaded = None
        self._hold.release()

    def _pieces(self, first: int, last: int) -> Iterator[tuple[Array, Array]]:
        """Frames `first` to `last` (not included) as views into the shards that hold them."""
        begin = 0
        for number, shard in enumerate(self._shards):
            end = begin + shard.frames
            if begin < last and first < end:
                latents, frames = self._shard(number)
                inside = slice(max(first - begin, 0), last - begin)
                yield latents[inside], frames[inside]
            begin = end

    def _shard(self, number: int) -> tuple[Array, Array]:
        if self._loaded is None or self._loaded[0] != number:
            self._loaded = None  # two shards at once would double the memory
            # Read, not mapped: mapped pages would count as this process's memory for the whole clip.
            tensors = load((self._folder / self._shards[number].name).read_bytes())
            self._loaded = (number, tensors["latents"], tensors["frames"])
        return self._loaded[1], self._loaded[2]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _read_entry(folder: Path) -> dict[str, Any]:
    """The entry's JSON with its values in their types."""
    try:
        entry = json.loads((folder / ENTRY_NAME).read_text(encoding="utf-8"))
        version = int(entry["format"])
        times = [(int(pts), None if duration is None else int(duration)) for pts, duration in entry["times"]]
        shards = [Shard(Path(name).name, int(n), int(size), int(crc)) for name, n, size, crc in entry["shards"]]
        meta = {str(key): str(value) for key, value in entry["meta"].items()}
    except FileNotFoundError as error:
        raise ValueError(f"{ENTRY_NAME} is missing") from error
    except (KeyError, TypeError, AttributeError, RecursionError, ValueError) as error:
        raise ValueError(f"{ENTRY_NAME} is damaged ({error})") from error
    if version != FORMAT:
        raise ValueError(f"{ENTRY_NAME} has format {version}, not {FORMAT}")
    if not times or sum(shard.frames for shard in shards) != len(times):
        raise ValueError(f"{ENTRY_NAME} counts {len(times)} frames and its shards another number")
    return {"times": times, "shards": shards, "meta": meta}


def _check_shard(folder: Path, shard: Shard) -> None:
    """Compare the file with what was written, a block at a time."""
    crc = size = 0
    try:
        with (folder / shard.name).open("rb") as file:
            while block := file.read(2**20):
                crc = zlib.crc32(block, crc)
                size += len(block)
    except FileNotFoundError as error:
        raise ValueError(f"{shard.name} is missing") from error
    if size != shard.bytes or crc != shard.crc:
        raise ValueError(f"{shard.name} is damaged ({size} of {shard.bytes} bytes)")
