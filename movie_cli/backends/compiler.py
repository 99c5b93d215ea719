"""Whether the networks of an edit are compiled: whether torch's compiler can be had here, and whether it pays.

Compiles nothing and imports no torch; what compiled networks are like is `compiling`'s.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from importlib.util import find_spec

from movie_cli.backends.select import Choice
from movie_cli.errors import DeviceError, UsageError

COMPILE = ("auto", "on", "off")
PAYS_FROM = 10_000
"""Passes through the denoiser from which on `auto` compiles on CUDA. An estimate and no measurement: compiling takes
about a minute, and a pass some milliseconds, of which compiling saves a part."""


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


def with_compiler(choice: Choice, asked: str, batch: int, passes: int | None) -> Choice:
    """The choice, with networks that are compiled where that is asked for, or can be had and pays.

    `asked` is one of `COMPILE`; `batch` is the number of frames edited at once; `passes` is how often batches go
    through the denoiser in all, None where that is not known.

    Raises:
        DeviceError: it is asked for and cannot be had.
        UsageError: it is asked for and torch does not run the networks.
    """
    if asked not in COMPILE:
        raise UsageError(f"--compile is {asked}", f"known are {', '.join(COMPILE)}")
    if asked == "on" and choice.backend != "torch":
        raise UsageError(f"--compile is for torch, and {choice.backend} runs this", "leave it out")
    pays = choice.backend == "torch" and choice.device.startswith("cuda") and (passes or 0) >= PAYS_FROM
    if asked == "off" or (asked == "auto" and not pays):
        return choice
    reason = why_not(choice.device)
    if not reason:
        why = f"{choice.reason}; compiled for {batch} frame{'s' if batch > 1 else ''} at once"
        return dataclasses.replace(choice, reason=why, compiled=batch, may_give_up=asked == "auto")
    if asked == "on":
        raise DeviceError(f"the networks cannot be compiled: {reason}", "install it, or use --compile off")
    return dataclasses.replace(choice, reason=f"{choice.reason}; not compiled: {reason}")
