"""Which backend runs a checkpoint, beside the device and number type that `backends.select` picks for torch.

| checkpoint | `--backend auto` |
|---|---|
| an export of `movie export onnx` | OpenVINO on a CPU where it is installed, else ONNX Runtime |
| an export of `movie export qnn` | qnn |
| any other, one-step, on a CPU | OpenVINO where it is installed, has been found faithful, and pays; else torch |
| any other | torch |

Promises a reason in words with each choice, and that what cannot be is refused before work is done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from movie_cli.backends.runtimes import has_nncf, is_installed, require, require_nncf, require_torch
from movie_cli.backends.select import BACKENDS, Choice, choose, cpu_dtype
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.exported import Export
from movie_cli.errors import DeviceError, ModelError, UsageError

PAYS_FROM = 1000
"""Frames from which on `auto` makes graphs for OpenVINO: from about there they have saved the time that makes them."""
FAITHFUL = 45.0
"""PSNR in dB, against torch in float32, that a backend must have for `auto` to take it."""

Tell = Callable[[str], None]


def choose_for(
    descriptor: Descriptor,
    device: str = "auto",
    dtype: str = "auto",
    backend: str = "auto",
    *,
    provider: str = "auto",
    size: tuple[int, int] | None = None,
    frames: int | None = None,
    tell: Tell | None = None,
) -> Choice:
    """Pick what runs a checkpoint.

    `size` is the working size, `frames` how many there will be; both matter to OpenVINO alone, whose graphs are of one
    size and made once for each. `tell` hears of what takes long; without it nothing is made, and the choice says what
    would be.

    Raises:
        DeviceError: backend, provider, device or number type is unknown or not there.
        ModelError: the backend does not run this kind of checkpoint.
        UsageError: options contradict each other.
    """
    if backend not in ("auto", *BACKENDS):
        raise DeviceError(f"there is no backend {backend}", f"known are auto, {', '.join(BACKENDS)}")
    if provider != "auto" and backend not in ("auto", "onnx", "qnn"):
        raise UsageError(f"--provider is for --backend onnx and qnn, not {backend}", "leave it out")
    if descriptor.export is not None:
        return _for_export(descriptor, descriptor.export, device, dtype, backend, provider)
    if backend in ("onnx", "qnn"):
        require(backend)
        raise ModelError(
            f"{descriptor.name} is not exported, and the backend {backend} runs exports",
            f"make one: movie export {backend} -o FOLDER --model {descriptor.name}, then --model FOLDER",
        )
    if provider != "auto":
        raise UsageError("--provider is for exports", "make one: movie export onnx -o FOLDER, then --model FOLDER")
    if backend == "openvino" or (backend == "auto" and dtype == "int8"):
        return _openvino(descriptor, device, dtype, size, tell)
    require_torch()
    chosen = choose(device, dtype)
    if backend == "torch" or chosen.device != "cpu" or dtype != "auto" or not is_installed("openvino"):
        return chosen
    return _openvino_if_it_pays(descriptor, chosen, size, frames, tell)


def _for_export(descriptor: Descriptor, export: Export, device: str, dtype: str, backend: str, provider: str) -> Choice:
    if backend == "auto":
        backend = export.kind
        if backend == "onnx" and provider == "auto" and device in ("auto", "cpu") and _takes_openvino(export):
            backend = "openvino"
    if backend == "torch" or (backend == "qnn") != (export.kind == "qnn"):
        raise ModelError(
            f"{descriptor.folder} is an export for {export.kind}, which the backend {backend} does not run",
            "leave out --backend" if backend != "torch" else "name the checkpoint itself with --model",
        )
    require(backend)
    if backend == "openvino":
        if device not in ("auto", "cpu"):
            raise DeviceError(f"OpenVINO runs on the CPU here, not on {device}", "leave out --device")
        if dtype == "int8":
            raise UsageError(
                f"{descriptor.folder} is an export, and int8 decoders are made of checkpoints",
                "name the checkpoint itself with --model",
            )
        chosen, why = cpu_dtype(dtype)
        return Choice("cpu", chosen, f"openvino on cpu in {chosen}: {why}", "openvino")
    if dtype not in ("auto", export.precision):
        raise UsageError(
            f"--dtype is {dtype}, and the graphs are in {export.precision}", "leave it out, or export with --precision"
        )
    if backend == "qnn":
        from movie_cli.backends.qnn_graphs import choose_device

        found, why = choose_device(export, provider)
        return Choice(found, export.precision, f"qnn in {export.precision}: {why}", "qnn", found)
    from movie_cli.backends.onnx_graphs import choose_provider

    asked = device.partition(":")[0] if provider == "auto" and device not in ("auto", "mps") else provider
    name = choose_provider("coreml" if device == "mps" else asked)
    return Choice(name, export.precision, f"ONNX Runtime on {name} in {export.precision}", "onnx", name)


def _takes_openvino(export: Export) -> bool:
    return export.precision == "float32" and is_installed("openvino")


def _openvino(
    descriptor: Descriptor, device: str, dtype: str, size: tuple[int, int] | None, tell: Tell | None
) -> Choice:
    require("openvino")
    if device not in ("auto", "cpu"):
        raise DeviceError(f"OpenVINO runs on the CPU here, not on {device}", "leave out --device")
    int8 = dtype == "int8"
    if int8:
        require_nncf()
    chosen, why = (dtype, "as asked, the decoder") if int8 else cpu_dtype(dtype)
    if size is None:
        raise UsageError(
            f"OpenVINO's graphs are of one size, and none is known for {descriptor.name}",
            "export it: movie export onnx -o FOLDER, then open FOLDER",
        )
    require_torch()
    choice = Choice("cpu", chosen, f"openvino on cpu in {chosen}: {why}", "openvino")
    from movie_cli.export.prepared import prepare, prepare_int8

    choice = replace(choice, graphs=str(prepare(descriptor, size, tell)))
    if int8:
        prepare_int8(descriptor, size, tell)
    return choice


def _openvino_if_it_pays(
    descriptor: Descriptor, otherwise: Choice, size: tuple[int, int] | None, frames: int | None, tell: Tell | None
) -> Choice:
    """OpenVINO where its graphs are there or long enough use of them is ahead, and they are faithful; else torch."""
    from movie_cli.export.prepared import can_prepare, fidelity, find, has_int8, prepare, prepare_int8

    if size is None or not can_prepare(descriptor):
        return otherwise
    dtype, _ = cpu_dtype("auto")
    if find(descriptor, size) is None:
        if (frames or 0) < PAYS_FROM or tell is None:
            return otherwise
        prepare(descriptor, size, tell)
    if dtype == "float32" and has_nncf():
        # Half of a frame's time is the decoder's, and int8 is instructions that most CPUs have.
        prepare_int8(descriptor, size, tell)
        found = fidelity(descriptor, size, "int8", tell) if has_int8(descriptor, size) else 0.0
        if found >= FAITHFUL:
            return _faithful(descriptor, size, "int8", found)
    found = fidelity(descriptor, size, dtype, tell)
    if found < FAITHFUL:
        return replace(otherwise, reason=f"{otherwise.reason}; openvino is only {found:.0f} dB near to torch float32")
    return _faithful(descriptor, size, dtype, found)


def _faithful(descriptor: Descriptor, size: tuple[int, int], dtype: str, found: float) -> Choice:
    from movie_cli.export.prepared import find

    why = f"openvino on cpu in {dtype}: faster than torch, and {found:.0f} dB near to its float32"
    return Choice("cpu", dtype, why, "openvino", graphs=str(find(descriptor, size)))
