"""Source latents on disk, so that a second edit of a clip decodes and encodes nothing.

Promises that a hit is the same clip, range, size, autoencoder and number type, read by the same software; that any
number of processes may share the cache; and that a damaged entry is a miss. It may fail at any time with OSError, and
an edit must go on without it. Knows nothing of videos.

On disk: `root/<key>/` with `entry.json` and shards, `root/identities.json`, and `root/tmp-*` while a clip is written.
"""

from __future__ import annotations

import functools
import hashlib
import json
import uuid
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import av

import movie_cli
from movie_cli.editing.cache_entry import CachedClip, CacheWriter
from movie_cli.editing.cache_folder import (
    IDENTITIES_NAME,
    LIMIT_BYTES,
    TEMPORARY_PREFIX,
    CacheFolder,
    CacheFull,
    CacheInfo,
)
from movie_cli.editing.folder_lock import remove_unless_held
from movie_cli.editing.identity import content_identity

__all__ = ["LIMIT_BYTES", "CacheFull", "CacheInfo", "CacheWriter", "CachedClip", "LatentCache"]


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


class LatentCache:
    """The cache in `root`, by default this machine's. Making one touches no disk.

    `on_message` gets one sentence for each thing a user may want to know, such as a damaged entry.
    """

    def __init__(
        self,
        root: Path | None = None,
        limit_bytes: int = LIMIT_BYTES,
        on_message: Callable[[str], None] | None = None,
    ) -> None:
        self._folder = CacheFolder(root, limit_bytes)
        self.root = self._folder.root
        self._on_message = on_message or (lambda text: None)

    def key_of(self, path: Path, start: str, end: str, size: tuple[int, int], autoencoder_id: str, dtype: str) -> str:
        """The key of a clip: `path`'s content, the range in any spelling, width and height, autoencoder, number type.

        What makes pixels of the file is part of it, too (`reading_identity`).

        Raises:
            OSError: the source cannot be read.
        """
        identity = content_identity(path, self.root / IDENTITIES_NAME)
        parts = [identity, start, end, [int(side) for side in size], autoencoder_id, dtype, *reading_identity()]
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
        self._folder.sweep()
        self._folder.make_room(0)
        temporary = self.root / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
        return CacheWriter(temporary, self.root / key, self._folder.make_room)

    def info(self) -> CacheInfo:
        """Count what is there."""
        return self._folder.info()

    def clear(self) -> int:
        """Remove every clip that no process is reading or writing; returns how many.

        Raises:
            OSError: the folder may not be written.
        """
        return self._folder.clear()
