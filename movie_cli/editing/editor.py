"""The editor: set an instruction once, prepare anchors once, edit any number of frames.

Promises the same pixels for a frame whatever batch it comes in. Knows nothing of files and video containers.
"""

from __future__ import annotations

from typing import Any

from movie_cli.backends.base import Backend, Pixels, Settings, TextEmbedding
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.exported import nearest_size
from movie_cli.editing.size import working_size
from movie_cli.errors import UsageError
from movie_cli.recipe import Recipe


class Editor:
    """Edits frames `(N, H, W, 3)`, uint8 RGB, at the working size.

    Call `set_recipe` first, `set_anchors` if frames belong together, then `edit` as often as you like.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._settings: Settings | None = None
        self._texts: dict[str, TextEmbedding] = {}

    @property
    def settings(self) -> Settings:
        """What `set_recipe` set.

        Raises:
            UsageError: nothing was set yet.
        """
        if self._settings is None:
            raise UsageError("no instruction is set", "call set_recipe first")
        return self._settings

    @staticmethod
    def size_for(descriptor: Descriptor, width: int, height: int) -> tuple[int, int]:
        """The size that a picture shown at `width` x `height` is to be brought to before `encode` and `edit`.

        Raises:
            ModelError: the checkpoint is an export that has no size of that shape.
        """
        if descriptor.export is not None:
            return nearest_size(descriptor.export, width, height)
        return working_size(width, height, descriptor.native_area, descriptor.size_multiple)

    def set_recipe(self, recipe: Recipe) -> TextEmbedding:
        """Set instruction, scales, seed and steps; forgets the anchors. The text's embedding is kept for next time."""
        text = self._texts.get(recipe.instruction)
        if text is None:
            text = self._texts.setdefault(recipe.instruction, self.backend.embed_text(recipe.instruction))
        steps = recipe.steps or self.backend.descriptor.steps
        self._settings = Settings(text, recipe.text_scale, recipe.image_scale, recipe.seed, steps)
        self.backend.set_anchors(None, self._settings)
        return text

    def encode(self, frames: Pixels) -> Any:
        """Source latents, in the backend's own arrays; pass them to `edit` and `set_anchors` to encode only once."""
        return self.backend.encode_frames(frames)

    def set_anchors(self, latents: Any) -> None:
        """Let all frames edited from now on attend to these source latents."""
        self.backend.set_anchors(latents, self.settings)

    def edit(self, frames: Pixels, latents: Any | None = None) -> Pixels:
        """Edit frames at the working size; `latents` are their source latents if they are known already."""
        if latents is None:
            latents = self.encode(frames)
        edited = self.backend.denoise(latents, self.settings)
        return self.backend.decode_latents(edited, frames)
