"""Graphs in other precisions: float16, and int8 weights with 16- or 8-bit activations, by ONNX Runtime or AIMET.

Qualcomm's HTP takes these QDQ graphs whole: weights per channel and symmetric, the scales of normalisations
unsigned (the HTP refuses signed ones there). Layers named as sensitive keep 16-bit weights.

Qualcomm's AIMET quantizes with AdaRound, in a Python environment of its own: its torch is not ours. It is found, or
missed in one line, before a network is loaded; nothing of it is imported here; and a graph it fails on is not left
half-written. What runs there is `aimet_script.py`, by path.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.external_data_helper import load_external_data_for_model
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize
from onnxruntime.quantization.execution_providers.qnn import get_qnn_qdq_config
from onnxruntime.transformers.float16 import convert_float_to_float16

from movie_cli.child import run_child
from movie_cli.errors import DeviceError, ModelError
from movie_cli.export.build import ONE_FILE, weights_file
from movie_cli.export.calibration import Feeds
from movie_cli.export.distance import Layer, report, sensitive

ACTIVATIONS = {"w8a16": QuantType.QUInt16, "w8a8": QuantType.QUInt8}
BITS = {"w8a16": 16, "w8a8": 8}
"""Of activations."""


def write_precision(
    source: Path, target: Path, feeds: Sequence[Feeds], precision: str, aimet: Aimet | None = None
) -> list[Layer]:
    """Write a rewritten float32 graph in another precision; the layers of a W8A16 graph, the worst in int8 first.

    Those of them that `distance.sensitive` names keep 16-bit weights. The layers of a graph with its weights beside it
    are not measured: each takes a run of the whole network. `aimet` quantizes in place of ONNX Runtime.

    Raises:
        ModelError: AIMET fails.
        OSError: it cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if precision == "float16":
        write_float16(source, target)
        return []
    layers = report(source, feeds[:1]) if precision == "w8a16" and weights_file(source) is None else []
    if aimet is not None:
        quantize_by_aimet(source, target, feeds, BITS[precision], sensitive(layers), aimet)
    else:
        quantize_graph(source, target, feeds, precision, sensitive(layers))
    return layers


def write_float16(source: Path, target: Path) -> None:
    """Write a float32 graph in float16, for GPUs and for comparison; inputs and outputs stay float32.

    Raises:
        OSError: it cannot be written.
    """
    # Shapes are inferred without the weights, which may be more than protobuf takes.
    model: Any = onnx.shape_inference.infer_shapes(onnx.load(source, load_external_data=False))
    load_external_data_for_model(model, str(source.parent))
    model = convert_float_to_float16(model, keep_io_types=True, disable_shape_infer=True)
    large = model.ByteSize() > ONE_FILE
    onnx.save(model, target, save_as_external_data=large, location=f"{target.name}.data")


class _Reader(CalibrationDataReader):
    def __init__(self, feeds: Sequence[Feeds]) -> None:
        self._feeds = feeds
        self.rewind()

    def get_next(self) -> Feeds | None:
        return next(self._iterator, None)

    def rewind(self) -> None:
        self._iterator: Iterator[Feeds] = iter(self._feeds)


def quantize_graph(
    source: Path, target: Path, feeds: Sequence[Feeds], precision: str, kept: Collection[str] = ()
) -> None:
    """Quantize a float graph that `build.for_htp` was applied to.

    Args:
        source: The float graph.
        target: The quantized graph.
        feeds: Inputs to find the ranges of activations with; more than the graph has inputs for is left out.
        precision: `w8a16` or `w8a8`.
        kept: Weights, by name, that stay in 16 bits.

    Raises:
        OSError: the graph cannot be written.
    """
    header = onnx.load(source, load_external_data=False)
    inputs = {value.name for value in header.graph.input}
    calibration = [{name: value for name, value in each.items() if name in inputs} for each in feeds]
    large = weights_file(source) is not None
    with _quiet(), _as_input(source, header, large=large) as given:
        config = get_qnn_qdq_config(
            given,
            _Reader(calibration),
            activation_type=ACTIVATIONS[precision],
            weight_type=QuantType.QInt8,
            per_channel=True,
            init_overrides=_overrides(header, kept),
        )
        config.use_external_data_format = large
        quantize(given, target, config)


@contextlib.contextmanager
def _as_input(source: Path, header: Any, *, large: bool) -> Iterator[Any]:
    """What the quantizer is given: the graph itself, or a file where protobuf cannot hold it.

    16-bit values need opset 21. The quantizer would convert the graph, which means to serialize it whole. The
    operations of a graph that is rewritten for the HTP only took more number types in 21: the number alone changes.
    """
    if not large:
        yield onnx.load(source)
        return
    header.opset_import[0].version = 21
    path = source.with_name(f"{source.stem}.opset21.onnx")
    onnx.save(header, path)
    try:
        yield path
    finally:
        path.unlink()


def _overrides(model: Any, kept: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    weights = {value.name for value in model.graph.initializer}
    found: dict[str, list[dict[str, Any]]] = {}
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name not in weights:
                continue
            if node.op_type == "LayerNormalization" and place == 1:
                found[name] = [{"quant_type": QuantType.QUInt8, "symmetric": False}]
            elif name in kept:
                found[name] = [{"quant_type": QuantType.QInt16, "symmetric": True}]
    return found


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the quantizer's remarks on itself."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


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
    """Quantize a float graph that `build.for_htp` was applied to.

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
