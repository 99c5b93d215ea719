"""From a torch module to an ONNX file that tells nothing of the machine it was made on.

Promises static shapes, opset 20, one file (weights beside it only where they pass protobuf's 2 GiB), and names that
ONNX Runtime's quantizer can work with.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx_ir
import torch

from movie_cli.export.graphs import GraphSource
from movie_cli.export.rewrite import for_htp
from movie_cli.export.split import ONE_FILE

OPSET = 20
"""The lowest with Gelu and the newest that ONNX Runtime's quantizer and QNN take throughout."""


def write_onnx(source: GraphSource, path: Path, *, rewritten: bool) -> None:
    """Trace a graph and write it. `rewritten` applies `rewrite.for_htp`.

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
