"""The float32 graphs of an export, traced from torch, written into a folder, and each compared with torch.

Other precisions start from such graphs, rewritten for the HTP; see `quantize`. What they are fitted to are real edits,
which these graphs run.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from movie_cli.backends.base import RuntimeConfig, Say
from movie_cli.backends.graph_backend import GraphBackend
from movie_cli.backends.onnx_backend import OnnxGraphs, open_graph
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.exported import TEXT_ENCODER, Export, TextFacts, graph_name
from movie_cli.checkpoints.load import Parts
from movie_cli.errors import ModelError, UsageError
from movie_cli.export.calibration import Feeds, cases, feeds_of, instructions_of, pictures_of
from movie_cli.export.graph_sources import PATCH, GraphSource, frame_graphs, load_parts, text_graph
from movie_cli.export.onnx_file import bytes_of, write_onnx

Size = tuple[int, int]
TOLERANCE = 1e-4
"""Largest error of a float32 graph, relative to the largest value of torch's result."""
LARGEST_SIDE = 4096
CALIBRATION_PICTURES, CALIBRATION_CASES = 8, 40


@dataclass
class Built:
    """What has been written: graphs by name with their files, and what is to stand in the manifest.

    `parameters` are the weights of the checkpoint's networks; the networks themselves may be large and are let go.
    """

    descriptor: Descriptor
    folder: Path
    sizes: tuple[Size, ...]
    parameters: int
    text: TextFacts
    graphs: dict[str, str] = field(default_factory=dict)

    def backend(self, kind: str = "onnx") -> GraphBackend:
        """A backend that runs the float32 graphs in `folder` on ONNX Runtime's CPU."""
        export = Export(kind, "float32", "", self.sizes, self.text, self.graphs, {}, 0)
        config = RuntimeConfig("cpu", "float32", "", "onnx", "cpu")
        descriptor = replace(self.descriptor, export=export)
        return GraphBackend(descriptor, config, export, OnnxGraphs(self.folder, export, "cpu"))


def check_sizes(descriptor: Descriptor, sizes: Sequence[Size]) -> None:
    """Refuse sizes that the network does not work at.

    Raises:
        UsageError: a side is no multiple of the checkpoint's, or far too large.
    """
    multiple = max(descriptor.size_multiple, PATCH)
    for width, height in sizes:
        if width % multiple or height % multiple or not 0 < max(width, height) <= LARGEST_SIDE:
            raise UsageError(
                f"--size {width}x{height} cannot be exported: {descriptor.name} works at multiples of {multiple}",
                f"{max(1, round(width / multiple)) * multiple}x{max(1, round(height / multiple)) * multiple} is near",
            )


def build_float(
    descriptor: Descriptor, folder: Path, sizes: tuple[Size, ...], say: Say, *, rewritten: bool = False
) -> Built:
    """Write the float32 graphs and the tokenizer, each graph compared with torch. `rewritten` makes them for the HTP.

    Raises:
        UsageError: a size cannot be.
        ModelError: the checkpoint cannot be exported, or a graph does not compute what torch does.
        OSError: a file cannot be written.
    """
    check_sizes(descriptor, sizes)
    parts = load_parts(descriptor)
    text, facts = text_graph(parts)
    built = Built(descriptor, folder, sizes, _parameters(parts), facts, {TEXT_ENCODER: f"{TEXT_ENCODER}.onnx"})
    _export(text, folder / built.graphs[TEXT_ENCODER], say, TEXT_ENCODER)
    tokens = text.reference()["tokens"].clone()
    for size in sizes:
        for source in frame_graphs(parts, size, tokens, log_scales=rewritten):
            name = graph_name(size, source.name)
            built.graphs[name] = f"{name}.onnx"
            _export(source, folder / built.graphs[name], say, name, rewritten=rewritten)
    _copy_tokenizer(descriptor, folder)
    return built


def _parameters(parts: Parts) -> int:
    text: object = parts.text
    modules = (parts.unet, parts.autoencoder.module, vars(text)["encoder"])
    return sum(value.numel() for module in modules for value in module.parameters())


def calibration_feeds(built: Built, size: Size, clips: Sequence[Path]) -> dict[str, list[Feeds]]:
    """Inputs of each graph in edits of clips, or of drawn pictures where there are none.

    Raises:
        SourceError: a clip cannot be read.
    """
    pictures = pictures_of(clips, size, CALIBRATION_PICTURES, seed=0)
    edits = cases(pictures, instructions_of(built.descriptor.edits), CALIBRATION_CASES)
    return feeds_of(built.backend(), edits)


def _copy_tokenizer(descriptor: Descriptor, folder: Path) -> None:
    """Copy the tokenizer, as the one file that runs without transformers.

    Raises:
        ModelError: the checkpoint's tokenizer cannot be written as that.
    """
    source = descriptor.folder / "tokenizer" / "tokenizer.json"
    target = folder / "tokenizer" / "tokenizer.json"
    target.parent.mkdir()
    if source.is_file():
        shutil.copyfile(source, target)
        return
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(source.parent)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError(f"{source.parent} cannot be exported: it has no tokenizer.json and none can be made of it")
    target.write_text(backend.to_str(), encoding="utf-8")


def _export(source: GraphSource, path: Path, say: Say, name: str, *, rewritten: bool = False) -> None:
    write_onnx(source, path, rewritten=rewritten)
    error = error_of(source, path)
    say(f"{name}: {bytes_of(path) / 2**20:.1f} MiB, largest error against torch {error:.1e}")
    if not error <= TOLERANCE:
        raise ModelError(f"the exported graph {name} differs from torch by {error:.1e}, more than {TOLERANCE:g}")


def error_of(source: GraphSource, path: Path) -> float:
    """The largest error of a graph on ONNX Runtime's CPU against torch, relative to torch's largest value."""
    found = open_graph(path).run({name: value.numpy() for name, value in source.inputs.items()})
    wanted = {name: value.numpy() for name, value in source.reference().items()}
    return max(
        float(np.abs(found[name] - value).max() / max(np.abs(value).max(), 1e-12)) for name, value in wanted.items()
    )
