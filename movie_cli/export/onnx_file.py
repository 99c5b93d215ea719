"""ONNX files: written from torch modules, moved, and told apart by where their weights lie.

They have static shapes, opset 20, one file (weights beside it only where they pass protobuf's 2 GiB, and go where it
goes), names that ONNX Runtime's quantizer can work with, and nothing of the machine it was made on.

For Qualcomm's HTP operations are rewritten that it lacks, or computes wrongly in 16-bit activations as ONNX writes
them: the same function to about 1e-6 in float32, applied to the traced copy by torch.export's own decompositions. In
W8A16 a UNet without them came out of the HTP simulator at 7.7 dB and different from run to run, with them at 57 dB
(both against its own QDQ graph on the CPU).
"""

from __future__ import annotations

import contextlib
import logging
import math
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
import onnx_ir
import torch
import torch.nn.functional as F
from onnx.external_data_helper import ExternalDataInfo, uses_external_data
from torch import Tensor

from movie_cli.export.graph_sources import GraphSource

OPSET = 20
"""The lowest with Gelu and the newest that ONNX Runtime's quantizer and QNN take throughout."""
ONE_FILE = 1_900_000_000
"""Bytes of weights up to which a graph is one file."""


def write_onnx(source: GraphSource, path: Path, *, rewritten: bool) -> None:
    """Trace a graph and write it. `rewritten` applies `for_htp`.

    Raises:
        OSError: the file cannot be written.
    """
    with _quiet(), torch.no_grad():
        program = torch.export.export(source.module, tuple(source.inputs.values()), strict=False)
        if rewritten:
            program = for_htp(program)
        found = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(source.inputs),
            output_names=list(source.outputs),
            verbose=False,
        )
    assert found is not None
    model: Any = found.model
    _strip(model)
    _rename(model)
    weights = sum(value.const_value.nbytes for value in model.graph.initializers.values())
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx_ir.save(model, path, external_data=f"{path.name}.data" if weights > ONE_FILE else None)


def _strip(model: Any) -> None:
    """Remove the stack traces and source paths that the exporter leaves on model, graph, nodes and values."""
    model.metadata_props.clear()
    model.producer_name, model.producer_version, model.doc_string = "movie", None, None
    for graph in (model.graph, *model.functions.values()):
        graph.metadata_props.clear()
        graph.doc_string = None
        values = [*graph.inputs, *graph.outputs]
        for node in graph:
            node.metadata_props.clear()
            node.doc_string = None
            values += node.outputs
        for value in values:
            value.metadata_props.clear()
    for value in model.graph.initializers.values():
        value.metadata_props.clear()


def _rename(model: Any) -> None:
    """Let no weight's name end in a digit: ONNX Runtime's quantizer makes names that collide with those."""
    for value in list(model.graph.initializers.values()):
        if value.name[-1].isdigit():
            value.name = f"{value.name}_w"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on itself."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)


def silu(x: Tensor) -> Tensor:
    """`x sigmoid(x)` as `h tanh(h) + h` with `h = x / 2`."""
    half = 0.5 * x
    return half * torch.tanh(half) + half


def group_norm(
    x: Tensor,
    groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:
    """Group normalisation of `(N, C, ...)` as a layer normalisation of each group, then the affine map.

    ONNX writes it as an instance normalisation. Arguments are those of torch's own operation.
    """
    del cudnn_enabled
    flat = x.reshape(x.shape[0], groups, -1)
    result = F.layer_norm(flat, (flat.shape[-1],), None, None, eps).reshape(x.shape)
    per_channel = (1, -1, *([1] * (x.dim() - 2)))
    if weight is not None:
        result = result * weight.reshape(per_channel)
    if bias is not None:
        result = result + bias.reshape(per_channel)
    return result


def einsum(equation: str, tensors: list[Tensor], *, path: list[int] | None = None) -> Tensor:
    """A product of two tensors, written as an Einstein sum, as one batched matrix product: the HTP has no Einsum."""
    del path
    (first, second), result = equation.replace(" ", "").split("->")[0].split(","), equation.split("->")[1].strip()
    a, b = tensors
    sizes = dict(zip(first, a.shape, strict=True)) | dict(zip(second, b.shape, strict=True))
    batch = [label for label in first if label in second and label in result]
    summed = [label for label in first if label in second and label not in result]
    rows, columns = ([label for label in side if label not in (*batch, *summed)] for side in (first, second))

    def size(labels: list[str]) -> int:
        return math.prod(sizes[label] for label in labels)

    left = a.permute([first.index(label) for label in (*batch, *rows, *summed)])
    right = b.permute([second.index(label) for label in (*batch, *summed, *columns)])
    product = torch.matmul(
        left.reshape(size(batch), size(rows), size(summed)), right.reshape(size(batch), size(summed), size(columns))
    )
    made = [*batch, *rows, *columns]
    return product.reshape([sizes[label] for label in made]).permute([made.index(label) for label in result])


def for_htp(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """A copy of a traced network with these operations rewritten; nothing else changes."""
    table: dict[Any, Callable[..., Any]] = {
        torch.ops.aten.silu.default: silu,
        torch.ops.aten.group_norm.default: group_norm,
        torch.ops.aten.einsum.default: einsum,
    }
    return program.run_decompositions(table)


def weights_file(path: Path) -> Path | None:
    """The file that a graph's weights lie in; None where they are in the graph's own."""
    model: Any = onnx.load(path, load_external_data=False)
    for value in model.graph.initializer:
        if uses_external_data(value):
            return path.parent / Path(ExternalDataInfo(value).location).name
    return None


def move(source: Path, target: Path) -> Path:
    """Move a graph and its weights, whose file keeps its name, into another folder; returns `target`.

    Raises:
        OSError: a file cannot be moved.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    weights = weights_file(source)
    if weights is not None and weights.parent != target.parent:
        shutil.move(weights, target.parent / weights.name)
    shutil.move(source, target)
    return target


def bytes_of(path: Path) -> int:
    """Bytes of a graph with its weights."""
    weights = weights_file(path)
    return path.stat().st_size + (weights.stat().st_size if weights is not None else 0)
