"""`movie export check`: every graph of an export on real inputs, against torch in float32 and against each other.

Each number is measured anew, on edits the export was not fitted to, and a bar that is missed is an
error. The bars are ratios of signal to error in dB; those of pictures are PSNR of 8-bit frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from movie_cli.backends import Pixels, RuntimeConfig, Say
from movie_cli.backends.fidelity import draw_clip, edit_clip, psnr
from movie_cli.backends.graph_backend import Feeds, Graph, GraphBackend, Graphs
from movie_cli.backends.onnx_backend import OnnxGraph, OnnxGraphs
from movie_cli.backends.qnn_backend import QnnGraphs, present_devices
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.exported import (
    FRAME_GRAPHS,
    TEXT_ENCODER,
    Export,
    check_digests,
    graph_name,
    read_json,
    weights_digest,
)
from movie_cli.checkpoints.store import open_model
from movie_cli.errors import ModelError
from movie_cli.export.build import Size, bytes_of
from movie_cli.export.calibration import Case, cases, feeds_of, instructions_of, pictures_of
from movie_cli.export.distance import Distance, distance, multiply_adds
from movie_cli.export.exporters import VERIFY, exact, quantized
from movie_cli.export.graph_sources import GraphSource, frame_graphs, load_parts, text_graph
from movie_cli.recipe import Recipe

HELD_OUT_SEED = 99
CASES, CLIPS, CLIP_FRAMES = 3, 3, 2
CHAIN = "anchor -> frame"
CLIP = "edited clip"
RELATIVE_ERROR = 1e-4
"""Of every float32 graph, against torch."""
EDITED_FLOAT, EDITED = 50.0, 32.0
"""PSNR of edited clips against torch, in dB: of float32 graphs, and of all others."""
AGAINST_TORCH = {"encode": 40.0, "decode": 40.0, "anchor": 35.0, "frame": 35.0, CHAIN: 35.0}
"""Of graphs in W8A16."""
AGAINST_CPU = 45.0
"""Of the HTP against the same quantized graph on the CPU."""
UNBOUND = ("w8a8",)
"""Precisions that are there for comparison and have no bars."""


@dataclass(frozen=True)
class Row:
    """One comparison. `bar` is what `sqnr` (or `relative_error`, where `bar` is below 1) had to reach, None for none.

    For an edited clip `sqnr` is PSNR. `npu` is how many nodes are not on the NPU, None where there is none.
    """

    size: str
    graph: str
    runs: str
    against: str
    sqnr: float
    relative_error: float | None
    cosine: float | None
    bar: float | None
    bytes: int | None = None
    multiply_adds: int | None = None
    npu: int | None = None
    repeatable: bool = True

    @property
    def passed(self) -> bool:
        """Whether the bar was reached, nothing is off the NPU, and a second run gave the same."""
        if self.npu or not self.repeatable:
            return False
        if self.bar is None:
            return True
        if self.bar < 1:
            return self.relative_error is not None and self.relative_error <= self.bar
        return self.sqnr >= self.bar


@dataclass(frozen=True)
class _Way:
    """One way to run an export's graphs."""

    name: str
    precision: str
    graphs: Graphs
    files: Callable[[str], Path]
    on_npu: bool = False


class TorchGraphs:
    """The graphs of a checkpoint as torch computes them, in float32: the reference."""

    notes: tuple[str, ...] = ()

    def __init__(self, folder: Path, sources: Mapping[str, GraphSource]) -> None:
        self.folder, self._sources = folder, sources

    def open(self, name: str) -> Graph:
        """A graph by its name in the manifest."""
        return _TorchGraph(self._sources[name])


class _TorchGraph:
    def __init__(self, source: GraphSource) -> None:
        self._source = source

    def run(self, feeds: Feeds) -> Mapping[str, NDArray[Any]]:
        inputs = {name: torch.from_numpy(np.ascontiguousarray(feeds[name])) for name in self._source.inputs}
        return {name: value.numpy() for name, value in self._source.reference(inputs).items()}


def check_export(descriptor: Descriptor, model: str | None, clips: Sequence[Path], say: Say) -> Iterator[Row]:
    """Compare everything; rows come as they are measured.

    Args:
        descriptor: The export.
        model: The checkpoint it was made of; None for the name in the manifest.
        clips: Videos to edit; drawn ones where there are none.
        say: Hears of what is going on.

    Raises:
        ModelError: the folder is no export or is damaged, or the checkpoint is not the one it was made of.
        SourceError: a clip cannot be read.
    """
    export = descriptor.export
    if export is None:
        raise ModelError(f"{descriptor.folder} is not an export", "make one with `movie export onnx`")
    check_digests(descriptor.folder)
    checkpoint = _checkpoint(descriptor, model)
    parts = load_parts(checkpoint)
    text, _ = text_graph(parts)
    tokens = text.reference()["tokens"].clone()
    for size in export.sizes:
        sources = {graph_name(size, each.name): each for each in frame_graphs(parts, size, tokens)}
        reference = TorchGraphs(descriptor.folder, sources | {TEXT_ENCODER: text})
        yield from _check_size(descriptor, export, size, reference, clips, say)


def _checkpoint(descriptor: Descriptor, model: str | None) -> Descriptor:
    made_from = read_json(descriptor.folder / "manifest.json").get("made_from", {})
    hint = "name its checkpoint with --model, or export again"
    try:
        checkpoint = open_model(model or str(made_from.get("name", "")))
    except ModelError as error:
        # The manifest has a name, which says nothing of where a folder lay.
        raise error if model else ModelError(f"{descriptor.folder}: {error}", hint) from error
    if weights_digest(checkpoint.folder) != made_from.get("weights"):
        raise ModelError(f"{descriptor.folder} was not made of {checkpoint.folder}", hint)
    return checkpoint


def _ways(folder: Path, export: Export, size: Size) -> list[_Way]:
    """How the graphs of an export can be run here."""
    if export.kind == "onnx":
        graphs = OnnxGraphs(folder, export, "cpu")
        return [
            _Way(f"{export.precision} on the CPU", export.precision, graphs, lambda name: folder / export.graphs[name])
        ]
    ways = []
    for precision, place in (("float32", exact), ("w8a16", quantized)):
        files = {graph_name(size, graph): place(folder, size, graph) for graph in FRAME_GRAPHS}
        if not all(path.is_file() for path in files.values()):
            raise ModelError(f"{folder / VERIFY} is not whole", "the check needs it; export again")
        names = {name: path.relative_to(folder).as_posix() for name, path in files.items()}
        kept = replace(export, graphs=names | {TEXT_ENCODER: export.graphs[TEXT_ENCODER]})
        ways.append(_Way(f"{precision} on the CPU", precision, OnnxGraphs(folder, kept, "cpu"), files.__getitem__))
    for device in present_devices():
        binaries = QnnGraphs(folder, export, device)
        ways.append(_Way(f"w8a16 on the {device}", "w8a16", binaries, lambda name: folder / export.graphs[name], True))
    return ways


def _check_size(
    descriptor: Descriptor, export: Export, size: Size, reference: TorchGraphs, clips: Sequence[Path], say: Say
) -> Iterator[Row]:
    label = f"{size[0]}x{size[1]}"
    exact_backend = _backend(descriptor, export, reference)
    pictures = pictures_of(clips, size, CASES, HELD_OUT_SEED)
    edits = cases(pictures, instructions_of(descriptor.edits)[3:], CASES)
    feeds = feeds_of(exact_backend, edits)
    kept: dict[tuple[str, str], list[Mapping[str, NDArray[Any]]]] = {}
    ways = _ways(descriptor.folder, export, size)
    for graph in (*FRAME_GRAPHS, CHAIN):
        for way in ways:
            say(f"{label}: {graph}, {way.name}")
            wanted = [_run(reference, size, graph, each) for each in _inputs(feeds, graph)]
            found = [_run(way.graphs, size, graph, each) for each in _inputs(feeds, graph)]
            kept[way.name, graph] = found
            apart = Distance.worst(distance(a, b) for a, b in zip(wanted, found, strict=True))
            facts = _facts(way, size, graph, export) if graph != CHAIN else {}
            yield _row(label, graph, way.name, "torch", apart, _bar(way.precision, graph), **facts)
            if way.on_npu:
                again = _run(way.graphs, size, graph, next(iter(_inputs(feeds, graph))))
                same = all(np.array_equal(found[0][name], value) for name, value in again.items())
                cpu = kept["w8a16 on the CPU", graph]
                apart = Distance.worst(distance(a, b) for a, b in zip(cpu, found, strict=True))
                yield _row(label, graph, way.name, "w8a16 on the CPU", apart, AGAINST_CPU, repeatable=same)
    wanted_clips = _edits(exact_backend, size, clips, edits)
    for way in ways:
        say(f"{label}: edited clips, {way.name}")
        edited = _edits(_backend(descriptor, export, way.graphs), size, clips, edits)
        bar = None if way.precision in UNBOUND else EDITED_FLOAT if way.precision == "float32" else EDITED
        for number, (a, b) in enumerate(zip(wanted_clips, edited, strict=True), 1):
            yield Row(label, f"{CLIP} {number}", way.name, "torch", round(psnr(a, b), 1), None, None, bar)


def _row(size: str, graph: str, runs: str, against: str, apart: Distance, bar: float | None, **facts: Any) -> Row:
    return Row(
        size,
        graph,
        runs,
        against,
        round(apart.sqnr, 1),
        float(f"{apart.relative_error:.2e}"),
        round(apart.cosine, 7),
        bar,
        **facts,
    )


def _bar(precision: str, graph: str) -> float | None:
    if precision in UNBOUND:
        return None
    return RELATIVE_ERROR if precision == "float32" else AGAINST_TORCH[graph]


def _facts(way: _Way, size: Size, graph: str, export: Export) -> dict[str, Any]:
    """Size and cost of a graph, and how much of it is off the NPU."""
    path = way.files(graph_name(size, graph))
    opened = way.graphs.open(graph_name(size, graph))
    facts: dict[str, Any] = {"bytes": sum(each.stat().st_size for each in path.parent.glob(f"{path.stem}*"))}
    if way.precision == "float32":
        facts["multiply_adds"] = multiply_adds(path)
        facts["bytes"] = bytes_of(path)
    elif not way.on_npu:
        facts["bytes"] = bytes_of(path)
    if way.on_npu and isinstance(opened, OnnxGraph):
        facts["npu"] = opened.on_cpu
    return facts


def _inputs(feeds: Mapping[str, Sequence[Feeds]], graph: str) -> Iterator[Feeds]:
    yield from feeds["frame" if graph == CHAIN else graph][:CASES]


def _run(graphs: Graphs, size: Size, graph: str, feeds: Feeds) -> Mapping[str, NDArray[Any]]:
    if graph != CHAIN:
        return graphs.open(graph_name(size, graph)).run(feeds)
    # A frame is its own anchor here: then both graphs have the same inputs.
    anchors = graphs.open(graph_name(size, "anchor")).run(feeds)
    return graphs.open(graph_name(size, "frame")).run({**feeds, **anchors})


def _backend(descriptor: Descriptor, export: Export, graphs: Graphs) -> GraphBackend:
    return GraphBackend(descriptor, RuntimeConfig("cpu", "float32", ""), export, graphs)


def _edits(backend: GraphBackend, size: Size, clips: Sequence[Path], edits: Sequence[Case]) -> list[Pixels]:
    """Short clips, edited with the usual scales, each with an instruction of its own; the first frame is the anchor."""
    edited = []
    for number in range(CLIPS):
        if clips:
            frames = pictures_of([clips[number % len(clips)]], size, CLIP_FRAMES, 0)
        else:
            frames = draw_clip(CLIP_FRAMES, size, HELD_OUT_SEED + number)
        edited.append(edit_clip(backend, Recipe(edits[number % len(edits)].instruction), frames))
    return edited
