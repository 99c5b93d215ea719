"""Which device and number type torch runs on, and what else there is on this machine.

Promises a choice with its reason in words, never a silent fallback, and a `DeviceError` that says what exists.
Imports torch inside its functions only, and moves nothing to a device.

| device | dtype by `auto` |
|---|---|
| cuda | bfloat16 where the GPU computes in it, else float16 |
| mps | float16 |
| cpu | bfloat16 where the CPU has instructions for it (AMX or AVX512-BF16), else float32 |
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from movie_cli.errors import DeviceError

if TYPE_CHECKING:
    import torch

BACKENDS = ("torch", "openvino", "onnx", "qnn")
DTYPES = ("float32", "bfloat16", "float16")

_DEVICE = re.compile(r"auto|cpu|mps|cuda(?::(\d{1,4}))?", re.ASCII)


@dataclass(frozen=True)
class DeviceInfo:
    """One line of `movie devices`. `reason` says why it is not usable, or what is chosen on it and why."""

    backend: str
    device: str
    usable: bool
    reason: str
    dtype: str
    name: str


@dataclass(frozen=True)
class Choice:
    """A device (`cpu`, `cuda:N`, `mps`), the number type to compute in, and one phrase that says why.

    `backend` runs the networks, `provider` is what ONNX Runtime runs them on; `graphs` is the folder of the graphs that
    were made of a checkpoint, empty where the checkpoint is an export itself. `compiled` is the number of frames at
    once that torch compiles the networks for, 0 where it does not; `may_give_up` lets it go on where that fails.
    """

    device: str
    dtype: str
    reason: str
    backend: str = "torch"
    provider: str = ""
    graphs: str = ""
    compiled: int = 0
    may_give_up: bool = False

    @property
    def latents_type(self) -> str:
        """What latents of the cache depend on beside the autoencoder: the number type, and who computes in it."""
        runtime = f"{self._runtime} {version_of(self._runtime)}"
        if self.backend == "torch":
            return f"{self.dtype} {runtime}{' compiled' if self.compiled else ''}"
        return f"{self.backend} {self.provider} {self.dtype} {runtime}"

    @property
    def _runtime(self) -> str:
        return {"torch": "torch", "openvino": "openvino"}.get(self.backend, "onnxruntime")

    @property
    def version(self) -> dict[str, object]:
        """What else an edit's pixels depend on: the runtime's version and, on a CPU, the number of its threads."""
        if self.backend != "torch":
            runtime = {f"version of {self._runtime}": version_of(self._runtime)}
            return {"backend": self.backend, "provider": self.provider, **runtime}
        import torch

        threads = torch.get_num_threads() if self.device == "cpu" else None
        compiled = {"compiled": "yes"} if self.compiled else {}
        return {"CPU threads": threads, "version of torch": torch.__version__, **compiled}

    @property
    def torch_dtype(self) -> torch.dtype:
        """The number type as torch knows it."""
        import torch

        return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[self.dtype]


def list_devices() -> list[DeviceInfo]:
    """Every backend and device that this version knows of, usable or not, best first."""
    devices = _torch_devices() if importlib.util.find_spec("torch") is not None else []
    return devices + [_graph_device(backend) for backend in BACKENDS if backend != "torch"]


def _torch_devices() -> list[DeviceInfo]:
    import torch

    devices = []
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            name = torch.cuda.get_device_name(index)
            dtype, why = _fastest_dtype(f"cuda:{index}")
            devices.append(DeviceInfo("torch", f"cuda:{index}", True, why, dtype, name))
    else:
        devices.append(DeviceInfo("torch", "cuda", False, _why_no_cuda(), "", ""))
    if torch.backends.mps.is_available():
        dtype, why = _fastest_dtype("mps")
        devices.append(DeviceInfo("torch", "mps", True, why, dtype, "Apple GPU"))
    else:
        devices.append(DeviceInfo("torch", "mps", False, _why_no_mps(), "", ""))
    dtype, why = _fastest_dtype("cpu")
    devices.append(DeviceInfo("torch", "cpu", True, why, dtype, _cpu_name()))
    return devices


def _graph_device(backend: str) -> DeviceInfo:
    """The line of a backend that runs exported graphs."""
    from movie_cli.backends.runtimes import MODULES, is_installed

    if not is_installed(backend):
        return DeviceInfo(
            backend, "", False, f'not part of this installation: pip install "movie-cli[{backend}]"', "", ""
        )
    name = f"{MODULES[backend]} {version_of(MODULES[backend])}"
    if backend == "openvino":
        dtype, why = _fastest_dtype("cpu")
        return DeviceInfo(backend, "cpu", True, why, dtype, name)
    if backend == "onnx":
        from movie_cli.backends.onnx_graphs import present_providers

        return DeviceInfo(backend, ", ".join(present_providers()), True, "runs exports, --model FOLDER", "", name)
    from movie_cli.backends.qnn_graphs import present_devices

    found = present_devices()
    why = "runs exports for Qualcomm's HTP, --model FOLDER" if found else "it has no Qualcomm HTP, nor its simulator"
    return DeviceInfo(backend, ", ".join(found), bool(found), why, "", name)


def choose(device: str = "auto", dtype: str = "auto") -> Choice:
    """Pick where torch computes and in which number type.

    `device` is `auto`, `cpu`, `mps`, `cuda` or `cuda:N`; `dtype` is `auto` or one of `DTYPES`.

    Raises:
        DeviceError: the device or number type is unknown or not there.
    """
    wanted = _DEVICE.fullmatch(device)
    if wanted is None:
        raise DeviceError(
            f"there is no device {device}", f"known are auto, cpu, cuda, cuda:N and mps; {_what_exists()}"
        )
    if dtype not in ("auto", *DTYPES):
        known = f"known are auto, {', '.join(DTYPES)}; int8 is for --backend openvino"
        raise DeviceError(f"torch does not compute in {dtype}", known)
    chosen = _best_device() if device == "auto" else _present_device(device)
    fastest, why = _fastest_dtype(chosen)
    if dtype == "auto":
        return Choice(chosen, fastest, f"{chosen} in {fastest}: {why}")
    if chosen == "mps" and dtype == "bfloat16" and not _mps_has_bfloat16():
        raise DeviceError("this Mac's system does not compute in bfloat16 on its GPU", "use --dtype float16")
    return Choice(
        chosen, dtype, f"{chosen} in {dtype}: {'as asked' if dtype == fastest else f'as asked; {fastest} is faster'}"
    )


def cpu_dtype(dtype: str) -> tuple[str, str]:
    """The number type for a CPU, and why; `auto` gives the fastest safe one.

    Raises:
        DeviceError: it is unknown, or CPUs do not compute in it.
    """
    if dtype == "auto":
        return _fastest_dtype("cpu")
    if dtype not in ("float32", "bfloat16"):
        raise DeviceError(
            f"OpenVINO does not compute in {dtype} on a CPU", "known are auto, float32, bfloat16 and int8"
        )
    return dtype, "as asked"


def _best_device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda:0"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _present_device(device: str) -> str:
    import torch

    if device == "mps" and not torch.backends.mps.is_available():
        raise DeviceError(f"the device mps cannot be used: {_why_no_mps()}", _what_exists())
    if device.startswith("cuda"):
        if not torch.cuda.is_available():
            raise DeviceError(f"the device {device} cannot be used: {_why_no_cuda()}", _what_exists())
        index = int(device.partition(":")[2] or 0)
        if index >= torch.cuda.device_count():
            raise DeviceError(f"there is no device cuda:{index}", _what_exists())
        return f"cuda:{index}"
    return device


def _what_exists() -> str:
    usable = [info.device for info in _torch_devices() if info.usable]
    return f"here are {', '.join(usable)}; see `movie devices`" if len(usable) > 1 else f"here is only {usable[0]}"


def _fastest_dtype(device: str) -> tuple[str, str]:
    """The fastest number type that is safe on a device that exists, and the reason in words."""
    import torch

    if device.startswith("cuda"):
        # Compute capability 8.0 (Ampere) is the first with bfloat16 tensor cores; torch emulates it on older ones,
        # slowly. ROCm reports its own numbers there, and all GPUs it supports compute in bfloat16.
        major, minor = torch.cuda.get_device_capability(device)
        if torch.version.hip is not None or major >= 8:
            return "bfloat16", "this GPU computes in bfloat16"
        return "float16", f"this GPU (compute capability {major}.{minor}) has no fast bfloat16"
    if device == "mps":
        return "float16", "fastest on Apple GPUs"
    feature = bfloat16_feature()
    if feature:
        return "bfloat16", f"this CPU has {feature}"
    return "float32", "this CPU has no instructions for bfloat16"


def bfloat16_feature(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The CPU's instructions for bfloat16 matrix products: `AMX`, `AVX512-BF16` or, if none, an empty text.

    torch is asked first: by its public list of capabilities, which releases before 2.11 lack, then by its private
    probes, which are the same in 2.9 to 2.13. Without either the kernel's list of CPU flags decides.
    """
    cpu: Any = None
    if importlib.util.find_spec("torch") is not None:
        import torch

        cpu = torch.cpu
    capabilities = getattr(cpu, "get_capabilities", None)
    known = capabilities() if capabilities is not None else {}
    probes = (
        ("AMX", "amx_bf16", "_is_amx_tile_supported"),
        ("AVX512-BF16", "avx512_bf16", "_is_avx512_bf16_supported"),
    )
    for feature, flag, probe in probes:
        ask = getattr(cpu, probe, None)
        if flag in known:
            present = bool(known[flag])
        elif ask is not None:
            present = bool(ask())
        else:
            present = flag in _cpu_flags(cpuinfo)
        if present:
            return feature
    return ""


def _cpu_flags(cpuinfo: Path) -> set[str]:
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    found = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return set(found[1].split()) if found else set()


def _cpu_name() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def _mps_has_bfloat16() -> bool:
    # Metal has bfloat16 from macOS 14 on.
    release = platform.mac_ver()[0]
    return bool(release) and int(release.split(".")[0]) >= 14


def _why_no_cuda() -> str:
    import torch

    if torch.version.cuda is None and torch.version.hip is None:
        return "the installed torch is built without CUDA"
    return "no GPU answers: check the driver with nvidia-smi"


def _why_no_mps() -> str:
    if platform.system() != "Darwin":
        return "only Macs have it"
    return "this Mac or its system (macOS 14 or newer is needed) has no Metal GPU that torch can use"


def version_of(module: str) -> str:
    """The version of the package that a module comes from."""
    return importlib.metadata.version(module.replace("_", "-"))
