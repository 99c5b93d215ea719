"""The layout of an export: a folder of graphs that runs without torch, with `movie.json` and `manifest.json`.

An export that passes has every file its manifest names, inside the folder, as long as it was written;
`check_digests` compares their contents, too. Every refusal names the file. Knows nothing of what the graphs compute and
of what runs them.
"""

from __future__ import annotations

import functools
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from movie_cli.errors import ModelError

FORMAT = 1
MANIFEST = "manifest.json"
TEXT_ENCODER = "text_encoder"
FRAME_GRAPHS = ("encode", "anchor", "frame", "decode")
"""The graphs that there are for each size."""
KINDS = ("onnx", "qnn")
PRECISIONS = ("float32", "float16", "w8a16", "w8a8")
_AGAIN = "export it again with `movie export`, or copy the whole folder again"

_SETTLED_NS = 2 * 10**9
"""A file changed less than this ago may change again within the clock's tick and keep its modification time."""


@dataclass(frozen=True)
class TextFacts:
    """How instructions become the text graph's input.

    `kind` is `instruction` (the embedded model's encoder) or `clip`; every text is brought to `length` tokens, the rest
    filled with `pad`. An instruction counts as known from `known_threshold` on.
    """

    kind: str
    length: int
    pad: int
    known_threshold: float


@dataclass(frozen=True)
class Export:
    """What an export holds: graphs by name (`text_encoder`, `512x384/frame`), sizes as (width, height).

    `soc` is the chip that a `qnn` export is compiled for, empty for others.
    """

    kind: str
    precision: str
    soc: str
    sizes: tuple[tuple[int, int], ...]
    text: TextFacts
    graphs: dict[str, str]
    tools: dict[str, str]
    parameters: int


def graph_name(size: tuple[int, int], graph: str) -> str:
    """What the manifest calls a graph of one size."""
    return f"{size[0]}x{size[1]}/{graph}"


def int8_file(graph: Path) -> Path:
    """Where the int8 form of a float32 graph lies, in OpenVINO's own format."""
    return graph.with_suffix(".int8.xml")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from `path`.

    Raises:
        ModelError: the file is missing, unreadable, no JSON, or not an object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(
            f"{path} is missing", "the folder is not a whole checkpoint: copy or download it again"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read as JSON: {error}", "copy or download the checkpoint again") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} does not hold a JSON object", "copy or download the checkpoint again")
    return value


def is_export(folder: Path) -> bool:
    """Whether a folder is meant to be an export, whole or not."""
    return (folder / MANIFEST).is_file() and not (folder / "model_index.json").exists()


def read_export(folder: Path) -> Export:
    """Read the manifest of an export and check that its files are there.

    Raises:
        ModelError: the manifest is broken or of another format, or a file is missing, cut off, or outside the folder.
    """
    path = folder / MANIFEST
    values = read_json(path)
    if values.get("format") != FORMAT:
        raise ModelError(
            f"{path} has format {values.get('format')!r}, this version reads format {FORMAT}",
            "export it again, or update movie",
        )
    try:
        export = _parse(values)
        files = {str(name): int(facts["bytes"]) for name, facts in values["files"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{path} is damaged: {type(error).__name__} {error}", _AGAIN) from error
    for name, size in files.items():
        _check_file(folder, name, size)
    wanted = [TEXT_ENCODER, *(graph_name(size, graph) for size in export.sizes for graph in FRAME_GRAPHS)]
    for name in wanted:
        if export.graphs.get(name) not in files:
            raise ModelError(f"{path} names no graph {name}", _AGAIN)
    return export


def check_digests(folder: Path) -> None:
    """Compare the contents of all files with the manifest.

    Raises:
        ModelError: one has changed.
    """
    for name, facts in read_json(folder / MANIFEST)["files"].items():
        if digest_of(folder / name) != facts.get("blake2b"):
            raise ModelError(f"{folder / name} is damaged: it is not what was exported", _AGAIN)


def digest_of(path: Path) -> str:
    """BLAKE2b of a file, 32 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def weights_digest(folder: Path) -> dict[str, str]:
    """Digests of a checkpoint's weight files, to tell what an export was made of."""
    files = sorted(folder.rglob("*.safetensors"))
    return {path.relative_to(folder).as_posix(): once_read(digest_of, path) for path in files}


def once_read(digest: Callable[[Path], str], path: Path) -> str:
    """What `digest` gives for a file of a checkpoint; read again in this process only where the file has changed."""
    status = path.stat()
    if time.time_ns() - status.st_mtime_ns < _SETTLED_NS:
        return digest(path)
    return _read(digest, path, status.st_size, status.st_mtime_ns, status.st_ino)


@functools.lru_cache(maxsize=256)
def _read(digest: Callable[[Path], str], path: Path, *_signature: int) -> str:
    return digest(path)


def nearest_size(export: Export, width: int, height: int) -> tuple[int, int]:
    """The export's size for a picture shown at `width` x `height`: that of its shape, the largest if there are several.

    Working sizes of flexible models are rounded to multiples of 16 pixels a side, so shapes may differ by as much.

    Raises:
        ModelError: it has none of that shape.
    """
    ratio = width / height
    fitting = [size for size in export.sizes if _near(size, ratio)]
    if fitting:
        return max(fitting, key=lambda size: size[0] * size[1])
    have = ", ".join(f"{w}x{h}" for w, h in export.sizes)
    raise ModelError(
        f"the source is shown at {width}x{height}, and the exported graphs have no size of that shape",
        f"they have {have}; export another with --size",
    )


def _near(size: tuple[int, int], ratio: float) -> bool:
    slack = 8 / min(size)
    return abs(size[0] / size[1] / ratio - 1) <= slack


def _parse(values: Mapping[str, Any]) -> Export:
    text = values["text"]
    export = Export(
        kind=str(values["kind"]),
        precision=str(values["precision"]),
        soc=str(values.get("soc") or ""),
        sizes=tuple((int(width), int(height)) for width, height in values["sizes"]),
        text=TextFacts(str(text["kind"]), int(text["length"]), int(text["pad"]), float(text["known_threshold"])),
        graphs={str(name): str(file) for name, file in values["graphs"].items()},
        tools={str(name): str(version) for name, version in values["tools"].items()},
        parameters=int(values["parameters"]),
    )
    if export.kind not in KINDS or export.precision not in PRECISIONS or not export.sizes:
        raise ValueError(f"kind {export.kind!r}, precision {export.precision!r}, {len(export.sizes)} sizes")
    return export


def _check_file(folder: Path, name: str, size: int) -> None:
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or PurePosixPath(name).is_absolute() or "\\" in name or ":" in name:
        raise ModelError(f"{folder / MANIFEST} names {name!r}, which is not inside the folder", _AGAIN)
    path = folder / name
    try:
        found = path.stat().st_size
    except OSError as error:
        raise ModelError(f"{path} is missing", _AGAIN) from error
    if found != size:
        raise ModelError(f"{path} is damaged: {found} bytes of {size}", _AGAIN)
