"""Which runtimes of graphs this installation has, and graphs opened on one of them.

Promises that a missing extra is one line that names it. Imports no runtime before it is used.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from movie_cli.backends.graphs import Graphs
from movie_cli.backends.select import Choice
from movie_cli.checkpoints.exported import Export
from movie_cli.errors import DeviceError

MODULES = {"onnx": "onnxruntime", "openvino": "openvino", "qnn": "onnxruntime_qnn"}
"""Backends beside torch, and the module that shows whether the extra of the same name is installed."""


def is_installed(backend: str) -> bool:
    """Whether a backend's extra is installed."""
    return importlib.util.find_spec(MODULES[backend]) is not None


def require(backend: str) -> None:
    """Refuse a backend whose extra is not installed.

    Raises:
        DeviceError: it is not.
    """
    if not is_installed(backend):
        raise DeviceError(
            f"the backend {backend} is not part of this installation", f'pip install "movie-cli[{backend}]"'
        )


def has_nncf() -> bool:
    """Whether int8 decoders can be made for OpenVINO."""
    return importlib.util.find_spec("nncf") is not None


def require_nncf() -> None:
    """Refuse int8 where nothing can make it.

    Raises:
        DeviceError: NNCF is not installed.
    """
    if not has_nncf():
        raise DeviceError("int8 needs NNCF, which is not part of this installation", 'pip install "movie-cli[int8]"')


def require_torch() -> None:
    """Refuse what only torch can do where only exports are run.

    Raises:
        DeviceError: it is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise DeviceError("torch is not part of this installation", "pip install torch diffusers transformers")


def open_graphs(folder: Path, export: Export, choice: Choice) -> Graphs:
    """The graphs of an export on the runtime that was chosen.

    Raises:
        DeviceError: the runtime is not installed or does not start.
    """
    require(choice.backend)
    if choice.backend == "openvino":
        from movie_cli.backends.openvino_graphs import OpenVinoGraphs

        return OpenVinoGraphs(folder, export, choice.dtype)
    if choice.backend == "qnn":
        from movie_cli.backends.qnn_graphs import QnnGraphs

        return QnnGraphs(folder, export, choice.provider)
    from movie_cli.backends.onnx_graphs import OnnxGraphs

    return OnnxGraphs(folder, export, choice.provider)
