"""Which layers of a graph lose most in int8 weights, by measurement: each is rounded alone, and the result compared.

Promises that layers kept at 16 bits are chosen by that report: the worst ones, until what the others lose together,
noise powers added, stays above a target.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

from movie_cli.backends.onnx_graphs import OnnxGraph, session_options
from movie_cli.export.calibration import Feeds
from movie_cli.export.measure import distance

CHANNEL_AXIS = {"Conv": 0, "ConvTranspose": 1, "Gemm": 0, "MatMul": 1}
"""Operations with weights worth rounding, and the axis that has a step of its own for each entry."""
TARGET = 54.0
"""Ratio of signal to the noise of all int8 weights together, in dB, that a graph is to keep."""


@dataclass(frozen=True)
class Layer:
    """One layer's weight: the ratio of signal to noise at the graph's outputs, in dB, if it alone is in int8."""

    weight: str
    operation: str
    values: int
    sqnr: float


def report(path: Path, feeds: Sequence[Feeds]) -> list[Layer]:
    """Measure every layer of a float graph on some inputs; the worst first."""
    model = onnx.load(path)
    layers = _layers(model)
    weights = _weights_as_inputs(model, {name for name, _ in layers})
    graph = _graph(model)
    exact = [graph.run({**each, **weights}) for each in feeds]
    found = []
    for name, node in layers:
        changed = weights | {name: _rounded(weights[name], _axis(node))}
        runs = (graph.run({**each, **changed}) for each in feeds)
        sqnr = min(distance(wanted, run).sqnr for wanted, run in zip(exact, runs, strict=True))
        found.append(Layer(name, node.op_type, weights[name].size, round(sqnr, 1)))
    return sorted(found, key=lambda layer: layer.sqnr)


def sensitive(layers: Sequence[Layer], target: float = TARGET) -> tuple[str, ...]:
    """The weights to keep at 16 bits, worst first, so that the rest stay above `target` dB together."""
    noise = sum(10 ** (-layer.sqnr / 10) for layer in layers)
    kept = []
    for layer in sorted(layers, key=lambda each: each.sqnr):
        if noise <= 0 or -10 * math.log10(noise) >= target:
            break
        kept.append(layer.weight)
        noise -= 10 ** (-layer.sqnr / 10)
    return tuple(kept)


def _layers(model: Any) -> list[tuple[str, Any]]:
    """The weights worth rounding, each once, and a node that uses it."""
    sizes = {value.name: len(value.dims) for value in model.graph.initializer}
    found = {
        node.input[1]: node
        for node in model.graph.node
        if node.op_type in CHANNEL_AXIS and len(node.input) > 1 and sizes.get(node.input[1], 0) >= 2
    }
    return list(found.items())


def _weights_as_inputs(model: Any, names: Collection[str]) -> dict[str, NDArray[Any]]:
    """Make weights inputs of the graph, so that one session serves for all roundings; their values."""
    kept = [value for value in model.graph.initializer if value.name not in names]
    moved = {value.name: value for value in model.graph.initializer if value.name in names}
    for name, value in moved.items():
        model.graph.input.append(onnx.helper.make_tensor_value_info(name, value.data_type, list(value.dims)))
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return {name: numpy_helper.to_array(value) for name, value in moved.items()}


def _axis(node: Any) -> int:
    if node.op_type == "Gemm" and not any(each.name == "transB" and each.i for each in node.attribute):
        return 1
    return CHANNEL_AXIS[node.op_type]


def _rounded(values: NDArray[Any], axis: int) -> NDArray[np.float32]:
    """Symmetric int8 with a step for each entry of `axis`, as float32."""
    axis = min(axis, values.ndim - 1)
    others = tuple(each for each in range(values.ndim) if each != axis)
    step = np.maximum(np.abs(values).max(axis=others, keepdims=True), 1e-12) / 127
    return (np.rint(values / step).clip(-128, 127) * step).astype(np.float32)


def _graph(model: Any) -> OnnxGraph:
    options = session_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return OnnxGraph(session)
