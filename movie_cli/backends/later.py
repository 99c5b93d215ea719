"""Edited frames that the device may still be making. Knows no device."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from movie_cli.backends.base import Pixels


class Later:
    """Frames `(N, H, W, 3)` that `fetch` waits for, once; for one thread at a time."""

    def __init__(self, fetch: Callable[[], Pixels]) -> None:
        self._fetch: Callable[[], Pixels] | None = fetch
        self._pixels: Pixels | None = None

    @classmethod
    def now(cls, pixels: Pixels) -> Later:
        """Frames that are there."""
        return cls(lambda: pixels)

    @classmethod
    def joined(cls, parts: Sequence[Later]) -> Later:
        """All frames of the parts, in their order."""
        return parts[0] if len(parts) == 1 else cls(lambda: np.concatenate([part.get() for part in parts]))

    def get(self) -> Pixels:
        """The frames; waits for them."""
        if self._pixels is None:
            assert self._fetch is not None
            self._pixels, self._fetch = self._fetch(), None  # what it waited for may go
        return self._pixels
