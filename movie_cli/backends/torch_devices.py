"""Which device and number type torch runs on, and whether it compiles the networks.

A choice comes with its reason in words, nothing falls back silently, and a `DeviceError` says what exists.
Imports torch inside its functions only, and moves nothing to a device.

| device | dtype by `auto` |
|---|---|
| cuda | bfloat16 where the GPU computes in it, else float16 |
| mps | float16 |
| cpu | bfloat16 where the CPU has instructions for it (AMX or AVX512-BF16), else float32 |
"""

from __future__ import annotations

import dataclasses
import gc
import importlib
import os
import platform
import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from movie_cli.backends import Backend, DeviceInfo, RuntimeConfig, RuntimeRequest, is_installed, require
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.errors import DeviceError, UsageError

DTYPES = ("float32", "bfloat16", "float16")
COMPILE = ("auto", "on", "off")
COMPILING_PAYS_FROM = 10_000
"""Passes through the denoiser from which on `auto` compiles on CUDA. An estimate and no measurement: compiling takes
about a minute, and a pass some milliseconds, of which compiling saves a part."""

_DEVICE = re.compile(r"auto|cpu|mps|cuda(?::(\d{1,4}))?", re.ASCII)
_BFLOAT16 = {"AMX": "amx_bf16", "AVX512-BF16": "avx512_bf16"}
"""Instructions for bfloat16 matrix products, and what both torch and Linux call them."""


class TorchRuntime:
    """Runs any checkpoint that is no export."""

    name = "torch"
    exports: tuple[str, ...] = ()

    def available(self) -> list[DeviceInfo]:
        """CUDA's devices, Metal's, and the CPU; nothing where torch is not installed."""
        return _devices() if is_installed(self.name) else []

    def choose(self, descriptor: Descriptor, asked: RuntimeRequest) -> RuntimeConfig | None:
        """The best device that is there, or the one asked for."""
        del descriptor
        require(self.name)
        _import_torch()
        return choose_torch(asked.device, asked.dtype)

    def open(self, descriptor: Descriptor, config: RuntimeConfig) -> Backend:
        """Load the checkpoint's networks."""
        from movie_cli.backends.torch_backend import TorchBackend

        return TorchBackend(descriptor, config)


def _import_torch() -> None:
    """Import torch while the collector rests, which would look again and again at what is made and stays."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        importlib.import_module("torch")
    finally:
        if collecting:
            gc.enable()


def _devices() -> list[DeviceInfo]:
    import torch

    devices = []
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            name = torch.cuda.get_device_name(index)
            dtype, why = fastest_dtype(f"cuda:{index}")
            devices.append(DeviceInfo("torch", f"cuda:{index}", True, why, dtype, name))
    else:
        devices.append(DeviceInfo("torch", "cuda", False, _why_no_cuda(), "", ""))
    if torch.backends.mps.is_available():
        dtype, why = fastest_dtype("mps")
        devices.append(DeviceInfo("torch", "mps", True, why, dtype, "Apple GPU"))
    else:
        devices.append(DeviceInfo("torch", "mps", False, _why_no_mps(), "", ""))
    dtype, why = fastest_dtype("cpu")
    devices.append(
        DeviceInfo(
            "torch", "cpu", True, why, dtype, _cpu_fact("model name") or platform.processor() or platform.machine()
        )
    )
    return devices


def choose_torch(device: str = "auto", dtype: str = "auto") -> RuntimeConfig:
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
    fastest, why = fastest_dtype(chosen)
    if dtype == "auto":
        return RuntimeConfig(chosen, fastest, f"{chosen} in {fastest}: {why}")
    if chosen == "mps" and dtype == "bfloat16" and not _mps_has_bfloat16():
        raise DeviceError("this Mac's system does not compute in bfloat16 on its GPU", "use --dtype float16")
    return RuntimeConfig(
        chosen, dtype, f"{chosen} in {dtype}: {'as asked' if dtype == fastest else f'as asked; {fastest} is faster'}"
    )


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
    usable = [info.device for info in _devices() if info.usable]
    return f"here are {', '.join(usable)}; see `movie devices`" if len(usable) > 1 else f"here is only {usable[0]}"


def fastest_dtype(device: str) -> tuple[str, str]:
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

    torch tells its capabilities from 2.11 on; before, the kernel's list of CPU flags decides.
    """
    known: set[str] = set()
    if is_installed("torch"):
        import torch

        query = getattr(torch.cpu, "get_capabilities", None)
        known = {flag for flag, present in query().items() if present} if query is not None else set()
    if not known:
        known = set(_cpu_fact("flags", cpuinfo).split())
    return next((feature for feature, flag in _BFLOAT16.items() if flag in known), "")


def _cpu_fact(name: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """What Linux says of the first core; an empty text elsewhere."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(rf"^{name}\s*:\s*(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


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


def why_not(device: str) -> str:
    """Why torch cannot compile for a device, in words; empty where it can."""
    if device.startswith("cuda"):
        if find_spec("triton") is None:
            return "Triton is not installed"
    elif device != "cpu":
        return f"torch's compiler is not ready for {device}"
    compiler = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(compiler) is None:
        return f"there is no C++ compiler ({compiler})"
    return ""


def with_compiler(config: RuntimeConfig, asked: str, batch: int, passes: int | None) -> RuntimeConfig:
    """The configuration, with networks that are compiled where that is asked for, or can be had and pays.

    `asked` is one of `COMPILE`; `batch` is the number of frames edited at once; `passes` is how often batches go
    through the denoiser in all, None where that is not known.

    Raises:
        DeviceError: it is asked for and cannot be had.
        UsageError: it is asked for and torch does not run the networks.
    """
    if asked not in COMPILE:
        raise UsageError(f"--compile is {asked}", f"known are {', '.join(COMPILE)}")
    if asked == "on" and config.backend != "torch":
        raise UsageError(f"--compile is for torch, and {config.backend} runs this", "leave it out")
    pays = config.backend == "torch" and config.device.startswith("cuda") and (passes or 0) >= COMPILING_PAYS_FROM
    if asked == "off" or (asked == "auto" and not pays):
        return config
    reason = why_not(config.device)
    if not reason:
        why = f"{config.reason}; compiled for {batch} frame{'s' if batch > 1 else ''} at once"
        return dataclasses.replace(config, reason=why, compiled=batch, may_give_up=asked == "auto")
    if asked == "on":
        raise DeviceError(f"the networks cannot be compiled: {reason}", "install it, or use --compile off")
    return dataclasses.replace(config, reason=f"{config.reason}; not compiled: {reason}")
