"""What every backend can do: four verbs. Knows no network and no file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from movie_cli.checkpoints.descriptor import Descriptor

if TYPE_CHECKING:
    from movie_cli.backends.later import Later

Pixels = NDArray[np.uint8]
"""Frames `(N, H, W, 3)`, RGB."""


@dataclass(frozen=True)
class TextEmbedding:
    """An embedded instruction, as the backend's own arrays.

    `nearest` names known edits, best first; `known` says whether the checkpoint was trained on something like the
    instruction. For an open vocabulary they are empty and true.
    """

    tokens: Any
    null_tokens: Any
    known: bool = True
    nearest: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """What an edit asks of the denoiser: scales in their own units, seed and number of steps."""

    text: TextEmbedding
    text_scale: float
    image_scale: float
    seed: int
    steps: int


@dataclass
class Carry:
    """What a run of frames takes from each to the next: the edited latents of the frame before, None before the first.

    Only a recurrent network looks at it. Make another where frames begin anew: another clip, segment or anchor.
    """

    edited: Any | None = None


class Backend(Protocol):
    """Runs one checkpoint's networks on one device. Latents are the backend's own arrays `(N, C, H/8, W/8)`."""

    descriptor: Descriptor
    device: str
    dtype: str
    reason: str
    decode_later: Callable[[Any, Pixels], Later] | None
    """As `decode_latents`, without waiting for the frames; None where the device does not work beside its caller."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be told of how the networks run, such as what fell back to the CPU."""
        ...

    def embed_text(self, instruction: str) -> TextEmbedding:
        """Embed one instruction and the empty text."""
        ...

    def encode_frames(self, frames: Pixels) -> Any:
        """Source latents of frames at the working size."""
        ...

    def denoise(self, latents: Any, settings: Settings, carry: Carry | None = None) -> Any:
        """Edited latents of source latents; attends to the anchors if there are any.

        Frames are in order and follow those that `carry` comes from, which is brought up to date. None for a first run.
        """
        ...

    def decode_latents(self, latents: Any, source: Pixels) -> Pixels:
        """Edited latents to frames; `source` holds the unedited frames of the same size."""
        ...

    def set_anchors(self, latents: Any | None, settings: Settings) -> None:
        """Run the anchors' source latents once and keep their keys and values; None forgets them."""
        ...

    def to_cache(self, latents: Any) -> NDArray[Any]:
        """Latents as an array for the latent cache."""
        ...

    def from_cache(self, latents: NDArray[Any]) -> Any:
        """What `to_cache` gave, back on the device."""
        ...

    def transfer_detail(
        self, full: Pixels, source: Pixels, edited: Pixels, size: tuple[int, int], amount: float
    ) -> Pixels:
        """One edited frame at `size`, with the source's detail; see `movie_cli.models.detail`. Any thread may call."""
        ...
