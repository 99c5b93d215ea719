"""The backends there are, and the one that runs a checkpoint.

| checkpoint | `--backend auto` |
|---|---|
| an export of `movie export onnx` | OpenVINO on a CPU where it is installed, else ONNX Runtime |
| an export of `movie export qnn` | qnn |
| any other, one-step, on a CPU | OpenVINO where it is installed and measured to be faithful and faster; else torch |
| any other | torch |

To add one: a module with a class as `backends.Runtime` says, and its place in `RUNTIMES` (see CONTRIBUTING.md).
"""

from __future__ import annotations

from dataclasses import replace

from movie_cli.backends import Backend, DeviceInfo, Runtime, RuntimeConfig, RuntimeRequest
from movie_cli.backends.onnx_backend import OnnxRuntime
from movie_cli.backends.openvino_backend import OpenVinoRuntime
from movie_cli.backends.qnn_backend import QnnRuntime
from movie_cli.backends.torch_devices import TorchRuntime
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.errors import DeviceError, ModelError, UsageError

RUNTIMES: dict[str, Runtime] = {
    runtime.name: runtime for runtime in (OpenVinoRuntime(), OnnxRuntime(), QnnRuntime(), TorchRuntime())
}
"""By name, in the order in which `auto` asks them."""


def list_devices() -> list[DeviceInfo]:
    """Every backend and device that this version knows of, usable or not; torch's first."""
    found = [device for runtime in RUNTIMES.values() for device in runtime.available()]
    return sorted(found, key=lambda device: device.backend != "torch")


def choose_runtime(descriptor: Descriptor, asked: RuntimeRequest = RuntimeRequest()) -> RuntimeConfig:  # noqa: B008 - frozen
    """Pick what runs a checkpoint.

    Raises:
        DeviceError: backend, provider, device or number type is unknown or not there.
        ModelError: the backend does not run this kind of checkpoint.
        UsageError: options contradict each other.
    """
    export, backend = descriptor.export, asked.backend
    if backend not in ("auto", *RUNTIMES):
        raise DeviceError(f"there is no backend {backend}", f"known are auto, {', '.join(sorted(RUNTIMES))}")
    if asked.provider != "auto" and backend not in ("auto", "onnx", "qnn"):
        raise UsageError(f"--provider is for --backend onnx and qnn, not {backend}", "leave it out")
    if asked.provider != "auto" and backend == "auto" and export is None:
        raise UsageError("--provider is for exports", "make one: movie export onnx -o FOLDER, then --model FOLDER")
    if export is not None and backend != "auto" and export.kind not in RUNTIMES[backend].exports:
        raise ModelError(
            f"{descriptor.folder} is an export for {export.kind}, which the backend {backend} does not run",
            "leave out --backend" if backend != "torch" else "name the checkpoint itself with --model",
        )
    for runtime in RUNTIMES.values() if backend == "auto" else (RUNTIMES[backend],):
        config = runtime.choose(descriptor, asked)
        if config is not None:
            return replace(config, threads=asked.threads or 0)
    raise DeviceError(f"no backend runs {descriptor.name} here", "see `movie devices`")


def open_backend(descriptor: Descriptor, config: RuntimeConfig) -> Backend:
    """Load a checkpoint or an export on what was chosen for it.

    Raises:
        ModelError: it is damaged.
        DeviceError: the device or the runtime cannot take it.
    """
    return RUNTIMES[config.backend].open(descriptor, config)
