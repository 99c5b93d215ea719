"""Graphs on OpenVINO, which is at home on Intel and AMD CPUs: those of exports, and those made of checkpoints.

`auto` takes it on a CPU where it is installed: for float32 exports; and for one-step checkpoints where it was measured
here to be faithful to torch and faster, once its graphs are there or the edit is long enough to gain from making them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from movie_cli.backends import (
    DeviceInfo,
    RuntimeConfig,
    RuntimeRequest,
    Say,
    is_installed,
    list_package,
    require,
)
from movie_cli.backends.fidelity import Comparison, nearness, times_as_fast
from movie_cli.backends.graph_backend import Feeds, GraphBackend, threads_of
from movie_cli.backends.prepared import PreparedGraphs, can_prepare
from movie_cli.backends.torch_devices import TorchRuntime, choose_torch, fastest_dtype
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.exported import TEXT_ENCODER, Export, int8_file, read_export
from movie_cli.errors import DeviceError, ModelError, UsageError, first_line

PAYS_FROM = 1000
"""Frames from which on `auto` makes graphs: from about there they have saved the time that makes them."""
FAITHFUL = 45.0
"""PSNR in dB, against torch in float32, that edits must have for `auto` to take OpenVINO."""
FASTER = 1.1
"""Times as fast as torch that it must be: graphs take time to make and room to keep."""
PRECISIONS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16", "int8": "f32"}
"""What OpenVINO calls the number types; beside an int8 decoder all else is in float32."""


class OpenVinoRuntime:
    """Runs float32 graphs on the CPU, in the number type that is fastest there."""

    name = "openvino"
    exports: tuple[str, ...] = ("onnx",)

    def available(self) -> list[DeviceInfo]:
        """The CPU."""

        def present() -> DeviceInfo:
            dtype, why = fastest_dtype("cpu")
            return DeviceInfo(self.name, "cpu", True, why, dtype, "")

        return list_package(self.name, present)

    def choose(self, descriptor: Descriptor, asked: RuntimeRequest) -> RuntimeConfig | None:
        """An export as it is; a checkpoint by graphs that are made where that was asked for, or pays."""
        export = descriptor.export
        if asked.backend == "auto" and not self._is_for(export, asked):
            return None
        if export is None and asked.backend == "auto" and asked.dtype == "auto":
            return self._where_it_pays(descriptor, asked)
        require(self.name)
        if asked.device not in ("auto", "cpu"):
            raise DeviceError(f"OpenVINO runs on the CPU here, not on {asked.device}", "leave out --device")
        if export is None:
            return self._by_graphs(descriptor, asked)
        if asked.dtype == "int8":
            raise UsageError(
                f"{descriptor.folder} is an export, and int8 decoders are made of checkpoints",
                "name the checkpoint itself with --model",
            )
        return _config(asked.dtype)

    def open(self, descriptor: Descriptor, config: RuntimeConfig) -> GraphBackend:
        """Graphs are compiled when they are first used."""
        folder = Path(config.graphs) if config.graphs else descriptor.folder
        export = read_export(folder)
        return GraphBackend(
            descriptor, config, export, OpenVinoGraphs(folder, export, config.dtype, threads_of(config))
        )

    def _is_for(self, export: Export | None, asked: RuntimeRequest) -> bool:
        """Whether `auto` looks here at all."""
        if export is None:
            return asked.dtype == "int8" or (asked.dtype == "auto" and is_installed(self.name))
        float32 = export.kind == "onnx" and export.precision == "float32"
        on_cpu = asked.provider == "auto" and asked.device in ("auto", "cpu")
        return float32 and on_cpu and is_installed(self.name)

    def _by_graphs(self, descriptor: Descriptor, asked: RuntimeRequest) -> RuntimeConfig:
        """By graphs of the working size, which are made now if need be."""
        int8 = asked.dtype == "int8"
        if int8:
            require("int8")
        config = _config(asked.dtype)
        if asked.size is None:
            raise UsageError(
                f"OpenVINO's graphs are of one size, and none is known for {descriptor.name}",
                "export it: movie export onnx -o FOLDER, then open FOLDER",
            )
        require("torch")
        graphs = PreparedGraphs(descriptor, asked.size)
        if asked.say is not None:
            graphs.make(asked.say)
            if int8:
                graphs.make_int8(asked.say)
        return replace(config, graphs=str(graphs.folder))

    def _where_it_pays(self, descriptor: Descriptor, asked: RuntimeRequest) -> RuntimeConfig | None:
        """By graphs that are there and known to be faithful, or are made for a long edit; None leaves it to torch."""
        require("torch")
        by_torch = otherwise = choose_torch(asked.device)
        if by_torch.device != "cpu" or asked.size is None or not can_prepare(descriptor):
            return None
        say = asked.say if (asked.frames or 0) >= PAYS_FROM else None
        graphs = PreparedGraphs(descriptor, asked.size)
        if not graphs.exist():
            if say is None:
                return None
            graphs.make(say)
        dtypes = [fastest_dtype("cpu")[0]]
        if dtypes == ["float32"] and is_installed("int8"):
            # Half of a frame's time is the decoder's, and int8 is instructions that most CPUs have.
            if say is not None:
                graphs.make_int8(say)
            if graphs.have_int8():
                dtypes.insert(0, "int8")
        for dtype in dtypes:
            found = self._compared(descriptor, graphs, dtype, asked.size, by_torch, say)
            if found is None:
                continue
            near, fast = f"{found.decibels:.0f} dB near to torch float32", f"{found.times:.2f} times as fast"
            if found.decibels < FAITHFUL:
                reason = f"{by_torch.reason}; openvino is only {near}"
            elif found.times < FASTER:
                reason = f"{by_torch.reason}; openvino in {dtype} is {fast}"
            else:
                why = f"openvino on cpu in {dtype}: {fast} as torch, and {near}"
                return RuntimeConfig("cpu", dtype, why, self.name, graphs=str(graphs.folder))
            otherwise = replace(by_torch, reason=reason)
        return otherwise

    def _compared(
        self,
        descriptor: Descriptor,
        graphs: PreparedGraphs,
        dtype: str,
        size: tuple[int, int],
        by_torch: RuntimeConfig,
        say: Say | None,
    ) -> Comparison | None:
        """How the graphs compare with torch, measured once for each version; None if unknown and nobody listens."""
        found = graphs.comparison(dtype)
        if found is None and say is not None:
            say("comparing OpenVINO with torch, once")
            opened = self.open(descriptor, RuntimeConfig("cpu", dtype, "", self.name, graphs=str(graphs.folder)))
            exact = usual = TorchRuntime().open(descriptor, RuntimeConfig("cpu", "float32", ""))
            if by_torch.dtype != exact.dtype:
                usual = TorchRuntime().open(descriptor, by_torch)
            found = Comparison(nearness(exact, opened, size), times_as_fast(usual, opened, size))
            graphs.keep(dtype, found)
        return found


def _config(dtype: str) -> RuntimeConfig:
    """OpenVINO in a number type; `auto` is the fastest safe one."""
    if dtype == "auto":
        dtype, why = fastest_dtype("cpu")
    elif dtype in ("float32", "bfloat16"):
        why = "as asked"
    elif dtype == "int8":
        why = "as asked, the decoder"
    else:
        raise DeviceError(
            f"OpenVINO does not compute in {dtype} on a CPU", "known are auto, float32, bfloat16 and int8"
        )
    return RuntimeConfig("cpu", dtype, f"openvino on cpu in {dtype}: {why}", "openvino")


class OpenVinoGraphs:
    """An export's ONNX graphs on OpenVINO's CPU device, computed in `dtype`.

    The instruction runs in float32 whatever `dtype` is: it runs once.
    """

    def __init__(self, folder: Path, export: Export, dtype: str, threads: int = 0) -> None:
        import openvino

        self.folder, self._export, self._dtype, self._threads = folder, export, dtype, threads
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
            if self._threads:
                config["INFERENCE_NUM_THREADS"] = self._threads
            path = self.folder / self._export.graphs[name]
            if self._dtype == "int8" and name.endswith("/decode"):
                path = int8_file(path)
            try:
                self._open[name] = _OpenVinoGraph(self._core.compile_model(path, "CPU", config))
            except RuntimeError as error:
                raise ModelError(f"{path} cannot be run by OpenVINO: {first_line(error)}", "export it again") from error
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
