"""Checkpoints that are loaded already, so that many edits load one only once."""

from __future__ import annotations

from movie_cli.backends import registry
from movie_cli.backends.base import RuntimeConfig
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.editing.editor import Editor


class Editors:
    """Gives editors and keeps the one that was used last, with the texts it has embedded."""

    def __init__(self) -> None:
        self._key: tuple[Descriptor, RuntimeConfig] | None = None
        self._editor: Editor | None = None

    def get(self, descriptor: Descriptor, choice: RuntimeConfig) -> Editor:
        """An editor for a checkpoint on a device.

        Raises:
            ModelError: the checkpoint is damaged.
            DeviceError: the device has too little memory.
        """
        key = (descriptor, choice)
        if self._editor is None or self._key != key:
            self._editor = None  # two models at once may be too much for the device
            self._editor = Editor(registry.open_backend(descriptor, choice))
            self._key = key
        return self._editor
