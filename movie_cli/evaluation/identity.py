"""The whole command with the network left out: a backend that gives every frame back as it came.

Promises the real way of a frame from file to file (reading, detail, writing, all options and errors) at the speed of
the media code, for surveys and for fuzzing, where the picture does not matter and the files do. Latents are the
frames at an eighth of the size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from movie_cli.backends.base import Pixels, Settings, TextEmbedding
from movie_cli.backends.later import Later
from movie_cli.backends.select import Choice
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.models.detail import transfer

SMALL = (64, 48)
"""The working size: small, because it is only there to be passed through."""


class IdentityBackend:
    """A backend whose edit is the source."""

    def __init__(self, descriptor: Descriptor, choice: Choice) -> None:
        self.descriptor = descriptor
        self.device, self.dtype, self.reason = choice.device, choice.dtype, choice.reason
        self.notes: tuple[str, ...] = ()
        self.decode_later: Callable[[Any, Pixels], Later] | None = None

    def embed_text(self, instruction: str) -> TextEmbedding:
        """Nothing, as nothing is asked of the network."""
        return TextEmbedding(None, None)

    def encode_frames(self, frames: Pixels) -> Any:
        """Every eighth pixel."""
        return frames[:, ::8, ::8].transpose(0, 3, 1, 2).astype(np.float16)

    def denoise(self, latents: Any, settings: Settings) -> Any:
        """The latents themselves."""
        return latents

    def decode_latents(self, latents: Any, source: Pixels) -> Pixels:
        """The source frames."""
        return source

    def set_anchors(self, latents: Any | None, settings: Settings) -> None:
        """Nothing attends to them."""

    def to_cache(self, latents: Any) -> Any:
        """They are arrays already."""
        return latents

    def from_cache(self, latents: Any) -> Any:
        """The same."""
        return latents

    def transfer_detail(
        self, full: Pixels, source: Pixels, edited: Pixels, size: tuple[int, int], amount: float
    ) -> Pixels:
        """As the real backends do."""
        return transfer(full, source, edited, size, amount)


def run_without_network(arguments: Sequence[str]) -> int:
    """`movie_cli.cli.main` in a process of its own whose edits are the identity; returns the exit code.

    It changes the pipeline for good, which is why it must not run in a process that also edits.
    """
    from movie_cli.backends import opening
    from movie_cli.cli import main
    from movie_cli.editing.editor import Editor

    def small(descriptor: Descriptor, width: int, height: int) -> tuple[int, int]:
        return SMALL if width >= height else (SMALL[1], SMALL[0])

    vars(opening)["open_backend"] = IdentityBackend
    Editor.size_for = staticmethod(small)  # type: ignore[method-assign]
    return main(list(arguments))
