"""What every runtime of graphs can do: open one by name and run it. Knows no network."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

Feeds = Mapping[str, NDArray[Any]]


class Graph(Protocol):
    """One graph, ready to run."""

    def run(self, feeds: Feeds) -> Mapping[str, NDArray[Any]]:
        """Outputs by name. Of `feeds` the graph takes what it has inputs for."""
        ...


class Graphs(Protocol):
    """The graphs of one export on one runtime."""

    folder: Path

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each graph that does not run wholly where it was asked to."""
        ...

    def open(self, name: str) -> Graph:
        """A graph by its name in the manifest; opened once.

        Raises:
            ModelError: the file is no graph, or not one for this runtime.
            DeviceError: the runtime cannot take it.
        """
        ...


def threads() -> int:
    """Threads that `OMP_NUM_THREADS` allows, which torch heeds too; 0 for the runtime's own choice."""
    value = os.environ.get("OMP_NUM_THREADS", "")
    return int(value) if value.isdecimal() else 0
