"""Quantization by Qualcomm's AIMET, with AdaRound, in a Python environment of its own: its torch is not ours.

AIMET is found, or missed in one line, before a network is loaded; nothing of it is imported here; and a graph it fails
on is not left half-written. What runs there is `aimet_script.py`, by path.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from movie_cli.backends.child import run_child
from movie_cli.errors import DeviceError, ModelError
from movie_cli.export.calibration import Feeds
from movie_cli.export.onnx_file import weights_file

ITERATIONS = 300
"""Of AdaRound for each layer."""
SECONDS = 24 * 3600
_PROBE_SECONDS = 60
_SCRIPT = Path(__file__).with_name("aimet_script.py")
_HINT = "pip install aimet-onnx in an environment of its own, and name its interpreter with --aimet-python"
_ELSE = "--quantizer onnxruntime needs no AIMET"


@dataclass(frozen=True)
class Aimet:
    """An AIMET that was found: the interpreter it is installed for, and its version."""

    python: str
    version: str
    iterations: int = ITERATIONS


def chosen(quantizer: str, python: str | None = None) -> Aimet | None:
    """What `auto`, `onnxruntime` or `aimet` means here: AIMET, or None for ONNX Runtime's quantizer.

    `auto` is ONNX Runtime's: AIMET takes minutes for half a decibel of the edit (docs/on-device.md).

    Raises:
        DeviceError: AIMET is asked for and is not there.
    """
    return find_aimet(python) if quantizer == "aimet" else None


def find_aimet(python: str | None = None) -> Aimet:
    """The AIMET of an interpreter; without a name, of the running one.

    Raises:
        DeviceError: it is not there.
    """
    python = python or sys.executable
    try:
        ended = run_child(_command(python, "--version"), _PROBE_SECONDS)
    except OSError as error:
        raise DeviceError(f"{python} does not run: {error.strerror or error}", _HINT) from error
    version = ended.output.strip()
    if ended.code or not version:
        raise DeviceError(f"AIMET cannot be used with {python}: {ended.reason}", _HINT)
    return Aimet(python, version.splitlines()[-1])


def quantize_by_aimet(
    source: Path, target: Path, feeds: Sequence[Feeds], activations: int, sensitive: Collection[str], aimet: Aimet
) -> None:
    """Quantize a float graph that `onnx_file.for_htp` was applied to.

    Args:
        source: The float graph.
        target: The quantized graph.
        feeds: Inputs to find the ranges of activations with, and to learn the rounding of weights from.
        activations: Bits of activations.
        sensitive: Weights, by name, that stay in 16 bits.
        aimet: What to quantize with.

    Raises:
        ModelError: AIMET fails, or the weights lie beside the graph.
        OSError: the feeds cannot be written.
    """
    if weights_file(source) is not None:
        raise ModelError(f"AIMET is not tried with graphs over two gigabytes, as {source.stem} is", _ELSE)
    with tempfile.TemporaryDirectory(prefix=".feeds.", dir=target.parent) as folder:
        for number, each in enumerate(feeds):
            np.savez(Path(folder) / f"{number:05}.npz", allow_pickle=False, **each)
        settings = ("--activations", str(activations), "--iterations", str(aimet.iterations))
        kept = [f"--keep={name}" for name in sensitive]
        command = _command(aimet.python, str(source), str(target), folder, *settings, *kept)
        try:
            ended = run_child(command, SECONDS)
        except OSError as error:
            raise ModelError(f"AIMET cannot quantize {source.stem}: {error}", _ELSE) from error
    if ended.code or not target.is_file():
        target.unlink(missing_ok=True)
        raise ModelError(f"AIMET cannot quantize {source.stem}: {ended.reason}", _ELSE)


def _command(python: str, *arguments: str) -> list[str]:
    """Isolated, so that neither this folder's modules nor this environment's packages are found there."""
    return [python, "-I", str(_SCRIPT), *arguments]
