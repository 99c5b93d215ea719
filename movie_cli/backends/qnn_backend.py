"""Graphs on Qualcomm's HTP: on a Snapdragon itself, or on the simulator that x86-64 packages of `onnxruntime-qnn` hold.

No node ever falls back to the CPU without a word: a graph that the HTP does not take whole is an error.
The simulator computes bit by bit what its HTP would, at none of its speed.
"""

from __future__ import annotations

import functools
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from movie_cli.backends import DeviceInfo, RuntimeConfig, RuntimeRequest, list_package, version_of
from movie_cli.backends.graph_backend import GraphBackend
from movie_cli.backends.onnx_backend import (
    PROVIDERS,
    OnnxGraph,
    export_for,
    open_graph,
    session_options,
)
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.exported import TEXT_ENCODER, Export, check_digests, read_export
from movie_cli.errors import DeviceError, ModelError

if TYPE_CHECKING:
    import onnxruntime

EP = PROVIDERS["qnn"]
SIMULATOR, HTP = "simulator", "htp"
_ARM = frozenset({"aarch64", "arm64"})


@dataclass(frozen=True)
class Soc:
    """A chip. `model` is QNN's `soc_model`, `arch` its HTP's architecture."""

    name: str
    model: int
    arch: str
    sold_as: str


SOCS = (
    Soc("sm8550", 43, "v73", "Snapdragon 8 Gen 2"),
    Soc("sm8650", 57, "v75", "Snapdragon 8 Gen 3"),
    Soc("sm8750", 69, "v79", "Snapdragon 8 Elite"),
    Soc("sm8850", 87, "v81", "Snapdragon 8 Elite Gen 5"),
    Soc("sc8380xp", 60, "v73", "Snapdragon X Elite and X Plus"),
)


class QnnRuntime:
    """Runs what `movie export qnn` made."""

    name = "qnn"
    exports: tuple[str, ...] = ("qnn",)

    def available(self) -> list[DeviceInfo]:
        """The chip's HTP, or its simulator."""
        return list_package(self.name, _described)

    def choose(self, descriptor: Descriptor, asked: RuntimeRequest) -> RuntimeConfig | None:
        """The HTP, or by `--provider simulator` that. The number type is the export's."""
        export = export_for(self.name, descriptor, asked)
        if export is None:
            return None
        found, why = choose_device(export, asked.provider)
        return RuntimeConfig(found, export.precision, f"qnn in {export.precision}: {why}", self.name, provider=found)

    def open(self, descriptor: Descriptor, config: RuntimeConfig) -> GraphBackend:
        """Refuses binaries of another toolchain or that have changed."""
        export = read_export(descriptor.folder)
        return GraphBackend(descriptor, config, export, QnnGraphs(descriptor.folder, export, config.provider))


def soc_named(name: str) -> Soc:
    """The chip of a name, in either case.

    Raises:
        DeviceError: it is not among `SOCS`.
    """
    for soc in SOCS:
        if soc.name == name.strip().lower():
            return soc
    known = "; ".join(f"{soc.name} ({soc.sold_as})" for soc in SOCS)
    raise DeviceError(f"there is no chip {name} that graphs are compiled for", f"known are {known}")


def present_devices() -> tuple[str, ...]:
    """What there is here: `htp`, `simulator`, or nothing."""
    import onnxruntime_qnn

    if platform.machine().lower() in _ARM:
        return (HTP,) if platform.system() in {"Linux", "Windows", "Android"} else ()
    return (SIMULATOR,) if platform.system() == "Linux" and Path(onnxruntime_qnn.get_qnn_htp_path()).is_file() else ()


def choose_device(export: Export, provider: str) -> tuple[str, str]:
    """`htp` or `simulator`, and why.

    Raises:
        DeviceError: it is not here, or is slow and was not asked for.
    """
    present = present_devices()
    if provider not in ("auto", HTP, SIMULATOR):
        raise DeviceError(f"the backend qnn has no provider {provider}", f"known are auto, {HTP} and {SIMULATOR}")
    if provider == "auto" and HTP in present:
        return HTP, f"on this chip's HTP, compiled for {export.soc}"
    if provider in present:
        why = "slow and exact" if provider == SIMULATOR else "as asked"
        return provider, f"on the {provider} of {export.soc}, {why}"
    if SIMULATOR in present:
        raise DeviceError(
            "this machine has no Qualcomm HTP", "--provider simulator runs the same graphs here, exactly and slowly"
        )
    raise DeviceError("this machine has neither a Qualcomm HTP nor its simulator", "run the export on a Snapdragon")


def _described() -> DeviceInfo:
    found = present_devices()
    why = "runs exports for Qualcomm's HTP, --model FOLDER" if found else "it has no Qualcomm HTP, nor its simulator"
    return DeviceInfo("qnn", ", ".join(found), bool(found), why, "", "")


@functools.cache
def device() -> Any:
    """The device of the QNN plugin, which is registered at the first call.

    Raises:
        DeviceError: it does not load.
    """
    import onnxruntime
    import onnxruntime_qnn

    try:
        with _silent():
            onnxruntime.register_execution_provider_library(EP, onnxruntime_qnn.get_library_path())
    except Exception as error:  # ONNX Runtime's errors have no base of their own
        raise DeviceError(f"the plugin of onnxruntime-qnn does not load: {error}", "install it again") from error
    found = [each for each in onnxruntime.get_ep_devices() if each.ep_name == EP]
    if not found:
        raise DeviceError(
            "onnxruntime-qnn finds no device here", "it runs on Snapdragon, and simulates on x86-64 Linux"
        )
    return next((each for each in found if each.device.type.name == "NPU"), found[0])


def htp_session(
    path: Path, soc_model: int, entries: dict[str, str] | None = None, **options: str
) -> onnxruntime.InferenceSession:
    """A session that runs on the HTP wholly or not at all.

    Args:
        path: A context binary's ONNX file, or a graph to compile in place.
        soc_model: QNN's number of the chip.
        entries: Further entries of the session's configuration.
        options: Further options of the provider.

    Raises:
        ModelError: the context binary is damaged, or of another chip or version.
        DeviceError: a node is not for the HTP.
    """
    import onnxruntime
    import onnxruntime_qnn

    settings = session_options()
    settings.log_severity_level = 4
    settings.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    for key, value in (entries or {}).items():
        settings.add_session_config_entry(key, value)
    provider = {"backend_path": onnxruntime_qnn.get_qnn_htp_path(), "soc_model": str(soc_model), **options}
    settings.add_provider_for_devices([device()], provider)
    try:
        with _silent():
            return onnxruntime.InferenceSession(path, settings)
    except Exception as error:  # ONNX Runtime's errors have no base of their own
        raise _explained(path, str(error)) from error


def _explained(path: Path, said: str) -> ModelError | DeviceError:
    first = (said.strip() or "no reason given").splitlines()[0][:300]
    if "fallback to CPU EP has been explicitly disabled" in said:
        return DeviceError(f"{path} has nodes that the HTP does not take", "a fallback to the CPU would be slow")
    if "INVALID_CONFIG" in said:
        return DeviceError(f"{path} does not run: QNN does not know the chip", "update onnxruntime-qnn")
    return ModelError(
        f"{path} cannot be run on the HTP: {first}",
        "it may be damaged, or compiled for another chip or by another version of onnxruntime-qnn: export it again",
    )


class QnnGraphs:
    """The context binaries of one export. The instruction's graph runs on the CPU: it runs once."""

    def __init__(self, folder: Path, export: Export, provider: str) -> None:
        self.folder, self._export, self._provider = folder, export, provider
        self._soc = soc_named(export.soc)
        self._open: dict[str, OnnxGraph] = {}
        _check_toolchain(folder, export)
        # QNN may run a binary that was compiled for another chip, and nobody would know why it is slow or wrong.
        check_digests(folder)

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing ever falls back."""
        return ()

    def open(self, name: str) -> OnnxGraph:
        """A graph by its name in the manifest."""
        if name not in self._open:
            path = self.folder / self._export.graphs[name]
            self._open[name] = (
                open_graph(path) if name == TEXT_ENCODER else OnnxGraph(htp_session(path, self._soc.model))
            )
        return self._open[name]


def _check_toolchain(folder: Path, export: Export) -> None:
    """Refuse what another major version of the toolchain has compiled: QNN reads its own and older ones alone."""
    made, here = export.tools.get("onnxruntime-qnn", ""), version_of("onnxruntime_qnn")
    if _version(made) > _version(here):
        raise ModelError(
            f"{folder} was compiled by onnxruntime-qnn {made}, newer than the {here} that is installed",
            "update onnxruntime-qnn, or export it again here",
        )


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdecimal())


@contextmanager
def _silent() -> Iterator[None]:
    """Keep the HTP's library from writing to the terminal, which it does without asking."""
    if os.environ.get("MOVIE_DEBUG") == "1":
        yield
        return
    kept = [os.dup(number) for number in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in (1, 2):
            os.dup2(nowhere, number)
        yield
    finally:
        for number, handle in zip((1, 2), kept, strict=True):
            os.dup2(handle, number)
            os.close(handle)
        os.close(nowhere)
