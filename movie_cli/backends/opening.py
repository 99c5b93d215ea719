"""From a choice to the backend it means. Imports the one runtime that was chosen, and no other."""

from __future__ import annotations

from pathlib import Path

from movie_cli.backends.base import Backend
from movie_cli.backends.select import Choice
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.exported import read_export


def open_backend(descriptor: Descriptor, choice: Choice) -> Backend:
    """Load a checkpoint or an export on what was chosen for it.

    Raises:
        ModelError: it is damaged.
        DeviceError: the device or the runtime cannot take it.
    """
    if choice.backend == "torch":
        from movie_cli.backends.torch_backend import TorchBackend

        return TorchBackend(descriptor, choice)
    from movie_cli.backends.graph_backend import GraphBackend
    from movie_cli.backends.runtimes import open_graphs

    folder = Path(choice.graphs) if choice.graphs else descriptor.folder
    export = read_export(folder)
    return GraphBackend(descriptor, choice, export, open_graphs(folder, export, choice))
