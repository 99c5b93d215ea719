"""Graphs on OpenVINO: the fastest there is on Intel and AMD CPUs. Imports openvino alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from movie_cli.backends.graphs import Feeds, threads
from movie_cli.checkpoints.exported import TEXT_ENCODER, Export, int8_file
from movie_cli.errors import ModelError

PRECISIONS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16", "int8": "f32"}
"""What OpenVINO calls the number types; beside an int8 decoder all else is in float32."""


class OpenVinoGraphs:
    """An export's ONNX graphs on OpenVINO's CPU device, computed in `dtype`.

    The instruction runs in float32 whatever `dtype` is: it runs once.
    """

    def __init__(self, folder: Path, export: Export, dtype: str) -> None:
        self.folder, self._export, self._dtype = folder, export, dtype
        self._core = openvino.Core()
        self._open: dict[str, _OpenVinoGraph] = {}
        self.notes: tuple[str, ...] = ()

    def open(self, name: str) -> _OpenVinoGraph:
        """A graph by its name in the manifest.

        Raises:
            ModelError: OpenVINO cannot read it.
        """
        if name not in self._open:
            dtype = "float32" if name == TEXT_ENCODER else self._dtype
            config: dict[str, Any] = {"INFERENCE_PRECISION_HINT": PRECISIONS[dtype], "PERFORMANCE_HINT": "LATENCY"}
            if threads():
                config["INFERENCE_NUM_THREADS"] = threads()
            path = self.folder / self._export.graphs[name]
            if self._dtype == "int8" and name.endswith("/decode"):
                path = int8_file(path)
            try:
                self._open[name] = _OpenVinoGraph(self._core.compile_model(path, "CPU", config))
            except RuntimeError as error:
                first = (str(error).strip() or type(error).__name__).splitlines()[0]
                raise ModelError(f"{path} cannot be run by OpenVINO: {first}", "export it again") from error
        return self._open[name]


class _OpenVinoGraph:
    def __init__(self, compiled: Any) -> None:
        self._inputs = [port.any_name for port in compiled.inputs]
        self._outputs = [port.any_name for port in compiled.outputs]
        self._request = compiled.create_infer_request()

    def run(self, feeds: Feeds) -> Mapping[str, NDArray[Any]]:
        """Outputs by name, in memory of their own."""
        found = self._request.infer({name: np.ascontiguousarray(feeds[name]) for name in self._inputs})
        return {name: found[index].copy() for index, name in enumerate(self._outputs)}
