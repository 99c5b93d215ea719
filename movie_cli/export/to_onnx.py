"""`movie export onnx`: a folder of ONNX graphs that edits without torch. It appears whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.exported import FRAME_GRAPHS, graph_name
from movie_cli.export.aimet import Aimet
from movie_cli.export.build import Size, Tell, build_float, calibration_feeds, write_precision
from movie_cli.export.folder import new_folder, write_manifest
from movie_cli.export.layers import Layer, sensitive
from movie_cli.export.quantize import BITS
from movie_cli.export.split import bytes_of, move


def export_onnx(
    descriptor: Descriptor,
    target: Path,
    sizes: tuple[Size, ...],
    tell: Tell,
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
        tell: Hears of each graph.
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
        built = build_float(descriptor, folder, sizes, tell, rewritten=precision != "float32")
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
                    tell(f"{name}: {bytes_of(path) / 2**20:.1f} MiB in {described(precision, layers[name])}")
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
