"""`movie export qnn`: a folder of context binaries for the HTP of one chip.

Promises that the folder appears whole or not at all, and that every node of the graphs that run for each frame is on
the HTP. Float32 and quantized graphs are kept in `verify/`, for `movie export check`; a phone needs all but these.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from movie_cli.backends.socs import Soc
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.exported import FRAME_GRAPHS, graph_name
from movie_cli.export.aimet import Aimet
from movie_cli.export.build import Size, Tell, build_float, calibration_feeds, write_precision
from movie_cli.export.compiling import compile_graphs
from movie_cli.export.folder import new_folder, write_manifest
from movie_cli.export.layers import Layer
from movie_cli.export.split import move
from movie_cli.export.to_onnx import described, layer_table, quantizer_facts

PRECISION = "w8a16"
SHARED = (("encode",), ("anchor", "frame"), ("decode",))
"""Graphs that share a binary."""
VERIFY = "verify"
"""The folder of graphs that only `movie export check` needs."""


def export_qnn(
    descriptor: Descriptor,
    target: Path,
    sizes: tuple[Size, ...],
    soc: Soc,
    tell: Tell,
    *,
    overwrite: bool = False,
    clips: Sequence[Path] = (),
    share_weights: bool = False,
    aimet: Aimet | None = None,
) -> None:
    """Quantize a checkpoint to W8A16 and compile it.

    Args:
        descriptor: The checkpoint, of one step.
        target: The folder to make.
        sizes: Widths and heights that the graphs are made for.
        soc: The chip.
        tell: Hears of each graph.
        overwrite: Whether an export of that name may be replaced.
        clips: Videos that the quantized graphs are fitted to.
        share_weights: Compile `anchor` and `frame` into one binary with common weights, which no simulator loads.
        aimet: What quantizes in place of ONNX Runtime.

    Raises:
        UsageError: a size cannot be, or the folder exists.
        ModelError: the checkpoint cannot be exported, or the compiler or AIMET fails.
        DeviceError: a node is not for the HTP.
        OutputError: the folder cannot be written.
    """
    with new_folder(target, overwrite=overwrite) as folder:
        built = build_float(descriptor, folder, sizes, tell, rewritten=True)
        layers: dict[str, list[Layer]] = {}
        for size in sizes:
            feeds = calibration_feeds(built, size, clips)
            _keep_float(built.graphs, folder, size)
            for graph in FRAME_GRAPHS:
                layers[graph_name(size, graph)] = write_precision(
                    exact(folder, size, graph), quantized(folder, size, graph), feeds[graph], PRECISION, aimet
                )
            for together in SHARED if share_weights else ((graph,) for graph in FRAME_GRAPHS):
                pairs = [
                    (quantized(folder, size, graph), folder / f"{graph_name(size, graph)}.onnx") for graph in together
                ]
                compile_graphs(pairs, soc)
            for graph in FRAME_GRAPHS:
                name = graph_name(size, graph)
                tell(f"{name}: {described(PRECISION, layers[name])}, on the HTP of {soc.name}")
        write_manifest(
            folder,
            descriptor,
            kind="qnn",
            precision=PRECISION,
            sizes=sizes,
            text=built.text,
            graphs=built.graphs,
            parameters=built.parameters,
            tools=("onnxruntime-qnn",),
            soc=soc.name,
            layers=layer_table(layers),
            quantizer=quantizer_facts(PRECISION, aimet),
            shared_weights=share_weights,
        )


def quantized(folder: Path, size: Size, graph: str) -> Path:
    """Where an export keeps the quantized graph that a context binary was compiled from."""
    return folder / VERIFY / f"{graph_name(size, graph)}.{PRECISION}.onnx"


def exact(folder: Path, size: Size, graph: str) -> Path:
    """Where an export keeps the float32 graph."""
    return folder / VERIFY / f"{graph_name(size, graph)}.float32.onnx"


def _keep_float(graphs: dict[str, str], folder: Path, size: Size) -> None:
    for graph in FRAME_GRAPHS:
        move(folder / graphs[graph_name(size, graph)], exact(folder, size, graph))
