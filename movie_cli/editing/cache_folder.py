"""The folder that the latent cache lives in: what is there, how much room it takes, what goes first.

Promises that the folder stays under its limit, least recently used clips out first, that nothing is removed which
another process is reading or writing, and that what dead processes have left is swept up. Knows nothing of what a
clip holds, and needs no torch.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from movie_cli.editing.folder_lock import LOCK_NAME, TRASH_PREFIX, remove_unless_held
from movie_cli.places import latents_folder

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


class CacheFolder:
    """The cache's folder, by default this machine's. Making one touches no disk."""

    def __init__(self, root: Path | None = None, limit_bytes: int = LIMIT_BYTES) -> None:
        self.root = latents_folder() if root is None else root
        self.limit_bytes = limit_bytes

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
