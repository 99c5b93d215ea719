"""Numbers for two results that should be alike: how far apart they are, and what a graph costs.

Plain numpy and ONNX; knows nothing of what is compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

MOST_DB = 199.0
"""What stands for no error at all."""


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
