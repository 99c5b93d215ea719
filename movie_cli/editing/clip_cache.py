"""The latent cache as one edit uses it: found or not, filled on the way, and given up at the first trouble.

Promises that no failure of the cache is a failure of the edit: a sentence says so, and the edit goes on without.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from movie_cli.backends.base import Pixels
from movie_cli.editing import clip
from movie_cli.editing.cache_entry import CachedClip, CacheWriter
from movie_cli.editing.latent_cache import LatentCache
from movie_cli.editing.request import EditRequest
from movie_cli.media import Damage


class ClipCache:
    """The cache of one clip. Leave it, as a context manager, when the edit is done or has failed."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._cached: CachedClip | None = None
        self._writer: CacheWriter | None = None

    def open(
        self, request: EditRequest, path: Path, working: tuple[int, int], autoencoder: str, dtype: str, fill: bool
    ) -> CachedClip | None:
        """The clip, if it is there whole; else, with `fill`, whatever `store` gets will be kept for the next edit."""
        cache = LatentCache(on_message=self._warn)
        if not path.is_file():
            # Numbered pictures.
            return None
        try:
            key = cache.key_of(
                path,
                str(request.start),
                f"{request.end} {request.duration}",
                working,
                autoencoder_id=autoencoder,
                dtype=dtype,
            )
            self._cached = cache.open(key)
            if self._cached is not None and not (request.strict and clip.damage_from_text(self._cached.meta)):
                return self._cached
            if self._cached is None and fill:
                self._writer = cache.writer(key)
        except OSError as error:
            self._give_up(error)
        return None

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
        if self._cached is not None:
            self._cached.close()
