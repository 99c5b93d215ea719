"""Graphs whose weights lie in a file beside them, as protobuf ends at 2 GiB.

Promises that a graph keeps its weights when it is moved. Knows nothing of what a graph computes.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import onnx
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

ONE_FILE = 1_900_000_000
"""Bytes of weights up to which a graph is one file."""


def weights_file(path: Path) -> Path | None:
    """The file that a graph's weights lie in; None where they are in the graph's own."""
    model: Any = onnx.load(path, load_external_data=False)
    for value in model.graph.initializer:
        if uses_external_data(value):
            return path.parent / Path(ExternalDataInfo(value).location).name
    return None


def move(source: Path, target: Path) -> Path:
    """Move a graph and its weights, whose file keeps its name, into another folder; returns `target`.

    Raises:
        OSError: a file cannot be moved.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    weights = weights_file(source)
    if weights is not None and weights.parent != target.parent:
        shutil.move(weights, target.parent / weights.name)
    shutil.move(source, target)
    return target


def bytes_of(path: Path) -> int:
    """Bytes of a graph with its weights."""
    weights = weights_file(path)
    return path.stat().st_size + (weights.stat().st_size if weights is not None else 0)
