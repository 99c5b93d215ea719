"""`movie export onnx` and `movie export qnn`: folders of graphs that edit without torch.

A folder appears whole or not at all. Of a `qnn` one every node of the graphs that run for each frame is on the HTP;
float32 and quantized graphs are kept in `verify/`, for `movie export check`: a phone needs all but these.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from movie_cli.backends import Say
from movie_cli.backends.qnn_backend import Soc
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.exported import FRAME_GRAPHS, graph_name
from movie_cli.export.build import Size, build_float, bytes_of, calibration_feeds, move
from movie_cli.export.context_binaries import compile_graphs
from movie_cli.export.distance import Layer, sensitive
from movie_cli.export.export_folder import new_folder, write_manifest
from movie_cli.export.quantize import BITS, Aimet, write_precision

PRECISION = "w8a16"
SHARED = (("encode",), ("anchor", "frame"), ("decode",))
"""Graphs that share a binary."""
VERIFY = "verify"
"""The folder of graphs that only `movie export check` needs."""


def export_onnx(
    descriptor: Descriptor,
    target: Path,
    sizes: tuple[Size, ...],
    say: Say,
    *,
    overwrite: bool = False,
    precision: str = "float32",
    clips: Sequence[Path] = (),
    aimet: Aimet | None = None,
) -> None:
    """Export a checkpoint for ONNX Runtime.

    Args:
        descriptor: The checkpoint, of one step.
        target: The folder to make.
        sizes: Widths and heights that the graphs are made for.
        say: Hears of each graph.
        overwrite: Whether an export of that name may be replaced.
        precision: `float32`, `float16`, `w8a16` or `w8a8`; the instruction's graph is float32 always.
        clips: Videos that quantized graphs are fitted to.
        aimet: What quantizes in place of ONNX Runtime.

    Raises:
        UsageError: a size cannot be, or the folder exists.
        ModelError: the checkpoint cannot be exported, a graph does not compute what torch does, or AIMET fails.
        OutputError: the folder cannot be written.
    """
    with new_folder(target, overwrite=overwrite) as folder:
        built = build_float(descriptor, folder, sizes, say, rewritten=precision != "float32")
        layers: dict[str, list[Layer]] = {}
        if precision != "float32":
            for size in sizes:
                feeds = calibration_feeds(built, size, clips) if precision != "float16" else {}
                for graph in FRAME_GRAPHS:
                    name = graph_name(size, graph)
                    path = folder / built.graphs[name]
                    exact = move(path, folder / "float32" / path.name)
                    layers[name] = write_precision(exact, path, feeds.get(graph, ()), precision, aimet)
                    shutil.rmtree(exact.parent)
                    say(f"{name}: {bytes_of(path) / 2**20:.1f} MiB in {described(precision, layers[name])}")
        write_manifest(
            folder,
            descriptor,
            kind="onnx",
            precision=precision,
            sizes=sizes,
            text=built.text,
            graphs=built.graphs,
            parameters=built.parameters,
            layers=layer_table(layers),
            quantizer=quantizer_facts(precision, aimet),
        )


def export_qnn(
    descriptor: Descriptor,
    target: Path,
    sizes: tuple[Size, ...],
    soc: Soc,
    say: Say,
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
        say: Hears of each graph.
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
        built = build_float(descriptor, folder, sizes, say, rewritten=True)
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
                say(f"{name}: {described(PRECISION, layers[name])}, on the HTP of {soc.name}")
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


def described(precision: str, layers: Sequence[Layer]) -> str:
    """A precision in words, with how many layers kept 16-bit weights."""
    kept = len(sensitive(layers))
    return f"{precision}, {kept} of {len(layers)} layers with 16-bit weights" if kept else precision


def quantizer_facts(precision: str, aimet: Aimet | None) -> dict[str, object] | None:
    """What the manifest says of the quantizer; nothing where none was at work."""
    if precision not in BITS:
        return None
    if aimet is not None:
        return {"name": "aimet-onnx", "version": aimet.version, "adaround_iterations": aimet.iterations}
    return {"name": "onnxruntime", "version": metadata.version("onnxruntime")}


def layer_table(layers: Mapping[str, Sequence[Layer]]) -> dict[str, list[dict[str, object]]]:
    """What the manifest says of layers: each one's loss in int8, the worst first, and the bits of its weight."""
    return {
        name: [asdict(layer) | {"bits": 16 if layer.weight in sensitive(found) else 8} for layer in found]
        for name, found in layers.items()
        if found
    }
