"""How far results are apart that should be alike, what a graph costs, and which layers lose most in int8 weights.

Each layer is rounded alone and the result compared. Those kept at 16 bits are chosen by that report: the worst ones,
until what the others lose together, noise powers added, stays above a target.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

from movie_cli.backends.onnx_backend import OnnxGraph, session_options
from movie_cli.export.calibration import Feeds

MOST_DB = 199.0
"""What stands for no error at all."""
CHANNEL_AXIS = {"Conv": 0, "ConvTranspose": 1, "Gemm": 0, "MatMul": 1}
"""Operations with weights worth rounding, and the axis that has a step of its own for each entry."""
TARGET = 54.0
"""Ratio of signal to the noise of all int8 weights together, in dB, that a graph is to keep."""


@dataclass(frozen=True)
class Distance:
    """How far a result is from its reference, the worst over outputs and cases.

    `relative_error` is the largest error over the reference's largest value. `sqnr` is the ratio of the reference's
    power to the error's, in dB; `cosine` is that of the two as vectors.
    """

    relative_error: float
    sqnr: float
    cosine: float

    @classmethod
    def of(cls, wanted: NDArray[Any], found: NDArray[Any]) -> Distance:
        """Of two arrays of one shape."""
        a, b = wanted.astype(np.float64).ravel(), found.astype(np.float64).ravel()
        error = np.square(b - a).sum()
        power = np.square(a).sum()
        sqnr = MOST_DB if error == 0 else min(MOST_DB, 10 * math.log10(max(power, 1e-30) / error))
        cosine = float(a @ b / max(math.sqrt(power * np.square(b).sum()), 1e-30))
        return cls(float(np.abs(b - a).max() / max(np.abs(a).max(), 1e-30)), sqnr, cosine)

    @classmethod
    def worst(cls, distances: Iterable[Distance]) -> Distance:
        """The worst of each number."""
        found = list(distances)
        return cls(
            max(each.relative_error for each in found),
            min(each.sqnr for each in found),
            min(each.cosine for each in found),
        )


def distance(wanted: Mapping[str, NDArray[Any]], found: Mapping[str, NDArray[Any]]) -> Distance:
    """The worst over the outputs that `wanted` has."""
    return Distance.worst(Distance.of(value, found[name]) for name, value in wanted.items())


def multiply_adds(path: Path) -> int:
    """Multiply-adds of a float graph's convolutions and matrix products, those of attention included."""
    model = onnx.shape_inference.infer_shapes(onnx.load(path, load_external_data=False))
    shapes = {value.name: tuple(value.dims) for value in model.graph.initializer}
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        shapes[value.name] = tuple(side.dim_value for side in value.type.tensor_type.shape.dim)
    return sum(_products(node, shapes) for node in model.graph.node)


def _products(node: Any, shapes: Mapping[str, tuple[int, ...]]) -> int:
    if node.op_type == "Conv":
        # The weight is (out, in / groups, *kernel): each output value takes all but the first.
        return math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[1]][1:])
    if node.op_type == "ConvTranspose":
        return math.prod(shapes[node.input[0]]) * math.prod(shapes[node.input[1]][1:])
    if node.op_type in {"MatMul", "Gemm"}:
        first = shapes[node.input[0]]
        transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
        return math.prod(shapes[node.output[0]]) * (first[0] if transposed else first[-1])
    return 0


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
