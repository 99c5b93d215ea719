"""Graphs in float16, for GPUs and for comparison; inputs and outputs stay float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from onnx.external_data_helper import load_external_data_for_model
from onnxruntime.transformers.float16 import convert_float_to_float16

from movie_cli.export.split import ONE_FILE


def write_float16(source: Path, target: Path) -> None:
    """Write a float32 graph in float16.

    Raises:
        OSError: it cannot be written.
    """
    # Shapes are inferred without the weights, which may be more than protobuf takes.
    model: Any = onnx.shape_inference.infer_shapes(onnx.load(source, load_external_data=False))
    load_external_data_for_model(model, str(source.parent))
    model = convert_float_to_float16(model, keep_io_types=True, disable_shape_infer=True)
    large = model.ByteSize() > ONE_FILE
    onnx.save(model, target, save_as_external_data=large, location=f"{target.name}.data")
