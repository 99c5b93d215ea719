"""Makes the graphs that OpenVINO runs a checkpoint by, in a process of its own: `backends.prepared` starts it.

`python -m movie_cli.export.preparing graphs FOLDER WxH CHECKPOINT` exports a checkpoint; `... int8 FOLDER WxH` fits an
int8 decoder, beside the float32 one of an export, for CPUs that have no instructions for bfloat16.

In int8 what sees or makes pictures stays in float32, the patch code and the first and last convolutions, and so does
the arithmetic between convolutions: with all of it in int8 the embedded decoder keeps 37 dB of the picture, so 48 dB
(docs/on-device.md).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from movie_cli.backends import RuntimeConfig
from movie_cli.backends.onnx_backend import OnnxRuntime
from movie_cli.checkpoints.exported import graph_name, int8_file, read_export
from movie_cli.checkpoints.store import open_model
from movie_cli.errors import MovieError
from movie_cli.export.calibration import cases, feeds_of, instructions_of, pictures_of

PICTURES, CASES = 8, 16
_ARITHMETIC = ["Add", "Multiply", "Subtract", "Concat"]


def write_int8_decoder(folder: Path, size: tuple[int, int]) -> None:
    """Write the int8 decoder beside the float32 one of an export at a size (width, height).

    Raises:
        ModelError: the folder is no export.
    """
    import openvino

    descriptor, export = open_model(str(folder)), read_export(folder)
    backend = OnnxRuntime().open(descriptor, RuntimeConfig("cpu", "float32", "", "onnx", "cpu"))
    pictures = pictures_of((), size, PICTURES, seed=0)
    feeds = feeds_of(backend, cases(pictures, instructions_of(descriptor.edits), CASES))["decode"]
    graph = folder / export.graphs[graph_name(size, "decode")]
    target = int8_file(graph)
    # The weights first: a graph that is there is a graph that is whole.
    part = target.with_name(f"{target.stem}.part.xml")
    openvino.save_model(quantized(graph, feeds), part, compress_to_fp16=False)
    part.with_suffix(".bin").replace(target.with_suffix(".bin"))
    part.replace(target)


def quantized(source: Path, feeds: Sequence[dict[str, Any]]) -> Any:
    """An OpenVINO model of a float32 decoder graph, its inner convolutions in int8, fitted to some inputs."""
    import nncf
    import openvino
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    model = openvino.Core().read_model(source)
    inputs = [port.any_name for port in model.inputs]
    pictures = {port.any_name for port in model.inputs if port.any_name == "source"}
    convolutions = [node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution"]
    coders = [node for node in convolutions if _feeding(node) & pictures]
    inner = [node for node in convolutions if node not in coders]
    kept = [node.get_friendly_name() for node in (*coders, *inner[:1], *inner[-1:])]
    return nncf.quantize(
        model,
        nncf.Dataset([{name: each[name] for name in inputs} for each in feeds]),
        subset_size=len(feeds),
        preset=nncf.QuantizationPreset.MIXED,
        ignored_scope=nncf.IgnoredScope(names=kept, types=["ConvolutionBackpropData", *_ARITHMETIC], validate=False),
        # Mean ranges, NNCF's default, cut off what strong edits reach.
        advanced_parameters=AdvancedQuantizationParameters(
            activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX
        ),
    )


def _feeding(node: Any) -> set[str]:
    """The names of the nodes whose values a node takes."""
    return {port.get_source_output().get_node().get_friendly_name() for port in node.inputs()}


def main(arguments: Sequence[str]) -> int:
    """Make what is asked for; the exit code is a `MovieError`'s."""
    what, folder = arguments[0], Path(arguments[1])
    width, height = map(int, arguments[2].split("x"))
    try:
        if what == "int8":
            write_int8_decoder(folder, (width, height))
        else:
            from movie_cli.export.exporters import export_onnx

            export_onnx(open_model(arguments[3]), folder, ((width, height),), lambda text: None, overwrite=True)
    except MovieError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the parent reads it
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
