"""The float32 graphs of an export: traced from torch, written as ONNX files, and each compared with torch.

Other precisions start from such graphs, rewritten for the HTP; see `quantize`. What they are fitted to are real edits,
which these graphs run.

Files have static shapes, opset 20, one file (weights beside it only where they pass protobuf's 2 GiB, and go where it
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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir
import torch
import torch.nn.functional as F
from onnx.external_data_helper import ExternalDataInfo, uses_external_data
from torch import Tensor

from movie_cli.backends import RuntimeConfig, Say
from movie_cli.backends.graph_backend import GraphBackend
from movie_cli.backends.onnx_backend import OnnxGraphs, open_graph
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.exported import TEXT_ENCODER, Export, TextFacts, graph_name
from movie_cli.checkpoints.load import Parts
from movie_cli.errors import ModelError, UsageError
from movie_cli.export.calibration import Feeds, cases, feeds_of, instructions_of, pictures_of
from movie_cli.export.graph_sources import PATCH, GraphSource, frame_graphs, load_parts, text_graph

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
