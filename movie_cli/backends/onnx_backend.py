"""Exports on ONNX Runtime, on any of its execution providers. Says what a provider left to the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from movie_cli.backends import DeviceInfo, RuntimeConfig, RuntimeRequest, list_package, require
from movie_cli.backends.graph_backend import Feeds, GraphBackend, env_threads, threads_of
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.exported import TEXT_ENCODER, Export, read_export
from movie_cli.errors import DeviceError, ModelError, UsageError, first_line

if TYPE_CHECKING:
    import onnxruntime

PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "rocm": "MIGraphXExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "qnn": "QNNExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""What `--provider` takes, best first, and what ONNX Runtime calls it."""
AUTO = ("cuda", "rocm", "coreml", "directml", "cpu")
"""What `auto` picks from, in this order."""


class OnnxRuntime:
    """Runs what `movie export onnx` made."""

    name = "onnx"
    exports: tuple[str, ...] = ("onnx",)

    def available(self) -> list[DeviceInfo]:
        """One line with all execution providers."""
        why = "runs exports, --model FOLDER"
        return list_package(self.name, lambda: DeviceInfo(self.name, ", ".join(present_providers()), True, why, "", ""))

    def choose(self, descriptor: Descriptor, asked: RuntimeRequest) -> RuntimeConfig | None:
        """An execution provider, by `--provider` or `--device`. The number type is the export's."""
        export = export_for(self.name, descriptor, asked)
        if export is None:
            return None
        device = "coreml" if asked.device == "mps" else asked.device.partition(":")[0]
        name = choose_provider(device if asked.provider == "auto" or asked.device == "mps" else asked.provider)
        return RuntimeConfig(
            name, export.precision, f"ONNX Runtime on {name} in {export.precision}", self.name, provider=name
        )

    def open(self, descriptor: Descriptor, config: RuntimeConfig) -> GraphBackend:
        """Sessions are started when they are first used."""
        export = read_export(descriptor.folder)
        return GraphBackend(
            descriptor, config, export, OnnxGraphs(descriptor.folder, export, config.provider, threads_of(config))
        )


def export_for(backend: str, descriptor: Descriptor, asked: RuntimeRequest) -> Export | None:
    """The export that a checkpoint is, for a backend that runs exports alone; None where `auto` asks and it is not its.

    Raises:
        DeviceError: the backend is not installed.
        ModelError: the checkpoint is no export.
        UsageError: another number type is asked for than the export's own.
    """
    export = descriptor.export
    if asked.backend == "auto" and (export is None or export.kind != backend):
        return None
    require(backend)
    if export is None:
        raise ModelError(
            f"{descriptor.name} is not exported, and the backend {backend} runs exports",
            f"make one: movie export {backend} -o FOLDER --model {descriptor.name}, then --model FOLDER",
        )
    if asked.dtype not in ("auto", export.precision):
        raise UsageError(
            f"--dtype is {asked.dtype}, and the graphs are in {export.precision}",
            "leave it out, or export with --precision",
        )
    return export


def present_providers() -> tuple[str, ...]:
    """The providers that this ONNX Runtime has, best first."""
    import onnxruntime

    available = set(onnxruntime.get_available_providers())
    return tuple(name for name, long in PROVIDERS.items() if long in available)


def choose_provider(asked: str) -> str:
    """The provider to use for what was asked.

    Raises:
        DeviceError: it is unknown, or this ONNX Runtime was built without it.
    """
    present = present_providers()
    if asked == "auto":
        return next(name for name in AUTO if name in present)
    if asked in present:
        return asked
    have = f"this ONNX Runtime has {', '.join(present)}"
    if asked in PROVIDERS:
        raise DeviceError(
            f"the provider {asked} is not in this ONNX Runtime", f"{have}; other builds of it have other ones"
        )
    raise DeviceError(f"there is no provider {asked}", f"known are auto, {', '.join(PROVIDERS)}; {have}")


class OnnxGraphs:
    """An export's graphs in ONNX Runtime sessions on one provider, with the CPU for what that leaves."""

    def __init__(self, folder: Path, export: Export, provider: str, threads: int = 0) -> None:
        self.folder, self._export, self._provider, self._threads = folder, export, provider, threads
        self._open: dict[str, OnnxGraph] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each graph of which the CPU runs a part that it was not asked to run."""
        return tuple(
            f"{graph.on_cpu} of {graph.nodes} nodes of {name} run on the CPU: {self._provider} does not take them"
            for name, graph in self._open.items()
            if self._provider != "cpu" and graph.on_cpu
        )

    def open(self, name: str) -> OnnxGraph:
        """A graph by its name in the manifest. The instruction's runs on the CPU: it runs once."""
        if name not in self._open:
            provider = "cpu" if name == TEXT_ENCODER else self._provider
            self._open[name] = open_graph(self.folder / self._export.graphs[name], provider, self._threads)
        return self._open[name]


def open_graph(path: Path, provider: str = "cpu", threads: int = 0) -> OnnxGraph:
    """An ONNX file on a provider.

    Raises:
        ModelError: ONNX Runtime cannot read it.
        DeviceError: the provider does not start.
    """
    options = session_options()
    options.intra_op_num_threads = threads or env_threads()
    providers = list(dict.fromkeys([PROVIDERS[provider], PROVIDERS["cpu"]]))
    return OnnxGraph(start_session(path, options, provider, providers=providers))


def session_options() -> onnxruntime.SessionOptions:
    """Options that all sessions have."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = env_threads()
    options.log_severity_level = 3
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return options


def start_session(
    path: Path, options: onnxruntime.SessionOptions, provider: str, **rest: Any
) -> onnxruntime.InferenceSession:
    """A session, with the runtime's many errors as two of ours.

    Raises:
        ModelError: the file cannot be read as a graph.
        DeviceError: the provider does not start or does not take it.
    """
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(path, options, **rest)
    except Exception as error:  # ONNX Runtime's errors have no base of their own
        first = first_line(error)
        if type(error).__name__ in {"InvalidProtobuf", "NoSuchFile", "InvalidGraph", "NoModel"}:
            raise ModelError(f"{path} is not a graph that ONNX Runtime reads: {first}", "export it again") from error
        raise DeviceError(f"{path} does not run on {provider}: {first}", "try --provider cpu") from error
    wanted = rest.get("providers")
    if wanted and session.get_providers()[0] != wanted[0]:
        raise DeviceError(f"the provider {provider} does not start here", "is its driver installed? try --provider cpu")
    return session


class OnnxGraph:
    """One session. `on_cpu` of its `nodes` run on the CPU."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._inputs = {value.name: _dtype(value.type) for value in session.get_inputs()}
        self._outputs = [value.name for value in session.get_outputs()]
        parts = session.get_provider_graph_assignment_info()
        self.nodes = sum(len(part.get_nodes()) for part in parts)
        self.on_cpu = sum(len(part.get_nodes()) for part in parts if part.ep_name == PROVIDERS["cpu"])

    def run(self, feeds: Feeds) -> Mapping[str, NDArray[Any]]:
        """Outputs by name, floats as float32."""
        given = {name: feeds[name].astype(dtype, copy=False) for name, dtype in self._inputs.items()}
        found = self._session.run(self._outputs, given)
        return {name: _as_float(value) for name, value in zip(self._outputs, found, strict=True)}


def _dtype(name: str) -> Any:
    return {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(int64)": np.int64}.get(name, np.int32)


def _as_float(value: NDArray[Any]) -> NDArray[Any]:
    return value.astype(np.float32) if value.dtype == np.float16 else value
