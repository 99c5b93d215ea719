"""Source latents on disk, so that a second edit of a clip decodes and encodes nothing.

A hit is the same clip, range, size, autoencoder, regions and number type, read by the same software; any number of
processes may share the cache; a damaged entry is a miss. It may fail at any time, and an edit goes on without it:
`ClipCache` is the cache as one edit uses it.

On disk: `root/<key>/` with `entry.json` and shards (`cached_clip`), `root/identities.json`, and `root/tmp-*` while a
clip is written.
"""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import av

import movie_cli
from movie_cli.backends import Pixels
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.exported import MANIFEST, read_json
from movie_cli.editing import clip
from movie_cli.editing.cached_clip import CachedClip, CacheWriter
from movie_cli.editing.job import content_identity
from movie_cli.editing.plan import Plan
from movie_cli.files import LOCK_NAME, TRASH_PREFIX, latents_folder, remove_unless_held
from movie_cli.media import Damage
from movie_cli.options import STREAM

LIMIT_BYTES = 4 * 2**30
KEEP_FREE_BYTES = 2**30
"""What the cache leaves free on its disk: the output may need it."""
TEMPORARY_PREFIX = "tmp-"
IDENTITIES_NAME = "identities.json"

_YOUNG_SECONDS = 60.0
# A temporary folder younger than this may not be held yet by the process that has just made it.


class CacheFull(OSError):  # noqa: N818  (named like the standard library's OSErrors)
    """The clip does not fit: the cache's limit or the disk is too small for it."""


@dataclass(frozen=True)
class CacheInfo:
    """What the cache holds: clips, their bytes on disk, its folder, and its limit in bytes."""

    entries: int
    bytes: int
    root: Path
    limit: int


@dataclass(frozen=True)
class _Entry:
    folder: Path
    bytes: int
    used: int


@functools.cache
def reading_identity() -> tuple[str, ...]:
    """What a file's frames depend on beside its bytes: versions of this program, PyAV and ffmpeg's libraries.

    The code that times, converts and scales frames is among it, so that a change of it needs no new version.
    """
    digest = hashlib.blake2b(digest_size=16)
    for module in sorted(resources.files("movie_cli.media").iterdir(), key=lambda entry: entry.name):
        if module.name.endswith(".py"):
            digest.update(module.name.encode() + module.read_bytes())
    libraries = (f"{name} {version}" for name, version in sorted(av.library_versions.items()))
    return (movie_cli.__version__, av.__version__, *libraries, digest.hexdigest())


def condition_id(descriptor: Descriptor) -> str:
    """A digest of what makes a frame's source condition: those of other checkpoints must not be mistaken for its own.

    These are the autoencoder's files, those of the regions, and the denoiser's channels, which say whether the scene is
    among what is kept.
    """
    digest, folder = hashlib.blake2b(digest_size=8), descriptor.folder
    if descriptor.export:
        files = [folder / MANIFEST]
    else:
        files = [*sorted(descriptor.vae_folder.glob("*")), *sorted(descriptor.regions_folder.glob("*"))]
        digest.update(repr(read_json(folder / "unet" / "config.json").get("in_channels")).encode())
    for path in files:
        if path.is_file():
            digest.update(path.name.encode())
            with path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "blake2b").digest())
    return digest.hexdigest()


class LatentCache:
    """The cache in `root`, by default this machine's. Making one touches no disk.

    It stays under its limit, the least recently used clips go first, and nothing is removed that another process is
    reading or writing. `on_message` gets one sentence for each thing a user may want to know, such as a damaged entry.
    """

    def __init__(
        self,
        root: Path | None = None,
        limit_bytes: int = LIMIT_BYTES,
        on_message: Callable[[str], None] | None = None,
    ) -> None:
        self.root = latents_folder() if root is None else root
        self.limit_bytes = limit_bytes
        self._on_message = on_message or (lambda text: None)

    def key_of(self, path: Path, read: Mapping[str, str], size: tuple[int, int], condition_id: str, dtype: str) -> str:
        """The key of a clip: `path`'s content, what options `read` of it, width and height, checkpoint, number type.

        `condition_id` stands for the checkpoint. What makes pixels of the file is part of it, too (`reading_identity`).

        Raises:
            OSError: the source cannot be read.
        """
        identity = content_identity(path, self.root / IDENTITIES_NAME)
        parts = [identity, dict(read), [int(side) for side in size], condition_id, dtype, *reading_identity()]
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=20).hexdigest()

    def open(self, key: str) -> CachedClip | None:
        """The clip under `key`, checked whole and held against removal until it is closed; None if there is none.

        A damaged entry is removed, told of, and counts as none.
        """
        folder = self.root / key
        if not folder.is_dir():
            return None
        try:
            return CachedClip(folder)
        except ValueError as error:
            remove_unless_held(folder)
            self._on_message(f"the latents cached in {folder} are damaged and will be made again: {error}")
        except OSError as error:
            self._on_message(f"the latents cached in {folder} cannot be read and will be made again: {error}")
        return None

    def writer(self, key: str) -> CacheWriter:
        """A writer for the clip that will be found under `key`.

        Raises:
            OSError: the cache cannot be written.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        self.sweep()
        self.make_room(0)
        temporary = self.root / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
        return CacheWriter(temporary, self.root / key, self.make_room)

    def info(self) -> CacheInfo:
        """Count what is there."""
        entries = list(self._entries())
        return CacheInfo(len(entries), sum(entry.bytes for entry in entries), self.root, self.limit_bytes)

    def clear(self) -> int:
        """Remove every clip that no process is reading or writing; returns how many.

        Raises:
            OSError: the folder may not be written.
        """
        removed = sum(remove_unless_held(entry.folder) for entry in list(self._entries()))
        self.sweep()
        (self.root / IDENTITIES_NAME).unlink(missing_ok=True)
        return removed

    def make_room(self, needed: int) -> None:
        """Remove the least recently used clips until `needed` more bytes fit; those in use stay.

        Raises:
            CacheFull: they cannot fit.
            OSError: the folder is gone.
        """
        if needed > self.limit_bytes:
            raise CacheFull(f"the clip's latents outgrow the cache's limit of {self.limit_bytes / 2**30:.3g} GiB")
        entries = sorted(self._entries(), key=lambda entry: entry.used)
        total = sum(entry.bytes for entry in entries)
        for entry in entries:
            if total + needed <= self.limit_bytes and self._free() >= KEEP_FREE_BYTES:
                return
            if remove_unless_held(entry.folder):
                total -= entry.bytes
        if self._free() < KEEP_FREE_BYTES:
            raise CacheFull(f"the disk of {self.root} has only {self._free() / 2**20:.0f} MiB left")
        if total + needed > self.limit_bytes:
            raise CacheFull("the latent cache is full of clips that are in use")

    def sweep(self) -> None:
        """Remove what processes that died have left."""
        for folder in self._folders():
            if not folder.name.startswith((TEMPORARY_PREFIX, TRASH_PREFIX)):
                continue
            try:
                age = time.time() - folder.stat().st_mtime
            except OSError:
                continue  # removed by another process meanwhile
            if age > _YOUNG_SECONDS:
                remove_unless_held(folder)

    def _entries(self) -> Iterator[_Entry]:
        for folder in self._folders():
            if folder.name.startswith((TEMPORARY_PREFIX, TRASH_PREFIX)):
                continue
            try:
                files = {path.name: path.stat() for path in folder.iterdir()}
            except OSError:
                continue  # removed by another process meanwhile
            used = files[LOCK_NAME].st_mtime_ns if LOCK_NAME in files else 0
            yield _Entry(folder, sum(file.st_size for file in files.values()), used)

    def _folders(self) -> list[Path]:
        try:
            return [path for path in self.root.iterdir() if path.is_dir() and not path.is_symlink()]
        except OSError:
            return []

    def _free(self) -> int:
        return shutil.disk_usage(self.root).free


class ClipCache:
    """The latents of one clip as one edit uses them: found or not, filled on the way, given up at the first trouble.

    No failure of the cache is a failure of the edit: a sentence says so. Leave it, as a context manager, when the edit
    is done or has failed. `clip` is the clip if it was there whole.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self.clip: CachedClip | None = None
        self._writer: CacheWriter | None = None

    def open(self, plan: Plan, path: Path, fill: bool) -> None:
        """Look for the clip; with `fill`, and without one, whatever `store` gets is kept for the next edit."""
        request = plan.request
        if not request.use_cache or request.source == STREAM or not path.is_file():  # numbered pictures are no file
            return
        cache = LatentCache(on_message=self._warn)
        try:
            key = cache.key_of(
                path,
                request.told("source"),
                plan.working,
                condition_id=condition_id(plan.descriptor),
                dtype=plan.runtime.latents_type,
            )
            self.clip = cache.open(key)
            if self.clip is None:
                self._writer = cache.writer(key) if fill else None
            elif request.strict and clip.damage_from_text(self.clip.meta):
                self.clip.close()
                self.clip = None
        except OSError as error:
            self._give_up(error)

    def store(self, latents: Any, frames: Pixels, times: list[tuple[int, int | None]]) -> None:
        """Keep one piece."""
        if self._writer is None:
            return
        try:
            self._writer.add(latents, frames, times)
        except OSError as error:
            self._give_up(error)

    def commit(self, damage: Damage | None) -> None:
        """All pieces are stored."""
        if self._writer is None:
            return
        try:
            self._writer.commit(clip.damage_to_text(damage))
        except OSError as error:
            self._give_up(error)

    @property
    def fills(self) -> bool:
        """Whether `store` keeps anything."""
        return self._writer is not None

    def _give_up(self, error: OSError) -> None:
        if self._writer is not None:
            self._writer.discard()
            self._writer = None
        reason = error.strerror or str(error)
        self._warn(f"source latents are not kept for a second edit: {reason}")

    def __enter__(self) -> ClipCache:
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer is not None:
            self._writer.discard()
        if self.clip is not None:
            self.clip.close()
