"""The layout of a checkpoint folder, checked without loading a weight.

Promises that a folder which passes has every part, readable JSON, no pickled weights and whole safetensors files
(their headers are read, their tensors are not). Every refusal names the file. Knows nothing of what the parts
compute; see `descriptor` for what the checkpoint can do.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from movie_cli.checkpoints.descriptor import read_descriptor, read_json
from movie_cli.checkpoints.exported import is_export, read_export
from movie_cli.checkpoints.pickles import PICKLES
from movie_cli.errors import ModelError

PARTS_WITH_WEIGHTS = ("unet", "vae", "text_encoder")
"""The folders of the networks."""
OPTIONAL_PARTS = ("regions",)
"""Networks that a checkpoint may have besides."""

_STEMS = ("diffusion_pytorch_model", "model")
# What diffusers and transformers call a model's weight file.

TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model")
_LARGEST_HEADER = 100_000_000
"""The limit of the safetensors format itself; see its README, "Format"."""

_AGAIN = "copy or download the checkpoint again"


@dataclass(frozen=True)
class FolderFacts:
    """What the headers tell of a checkpoint: bytes of its weight files and the number of values in them."""

    bytes: int
    parameters: int


def check_folder(folder: Path) -> FolderFacts:
    """Check the layout of `folder` and every file that will be read from it.

    Raises:
        ModelError: a part is missing, broken or not allowed; the sentence names the file.
    """
    if is_export(folder):
        read_descriptor(folder)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        return FolderFacts(size, read_export(folder).parameters)
    check_parts(folder)
    read_descriptor(folder)
    return weigh(folder)


def check_parts(folder: Path) -> None:
    """Check the layout alone, for folders that cannot edit yet, such as a text-to-image pipeline.

    Raises:
        ModelError: a part is missing, broken or not allowed; the sentence names the file.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder} is not a folder", "name a checkpoint folder, or see `movie models list`")
    _refuse_pickles(folder)
    read_json(folder / "model_index.json")
    for part in (*PARTS_WITH_WEIGHTS, "tokenizer", "scheduler"):
        if not (folder / part).is_dir():
            raise ModelError(f"{folder / part} is missing", f"a checkpoint needs the part {part}: {_AGAIN}")
    for part in present_parts(folder):
        read_json(folder / part / "config.json")
    read_json(folder / "scheduler" / "scheduler_config.json")
    _check_tokenizer(folder / "tokenizer")


def weigh(folder: Path) -> FolderFacts:
    """Check the networks' weight files by their headers, and count.

    Raises:
        ModelError: a file is missing or broken.
    """
    size = parameters = 0
    for part in present_parts(folder):
        for path in _weight_files(folder / part):
            parameters += check_safetensors(path)
            size += path.stat().st_size
    return FolderFacts(bytes=size, parameters=parameters)


def present_parts(folder: Path) -> tuple[str, ...]:
    """The folders of the networks that a checkpoint has to have, and those of `OPTIONAL_PARTS` that it has."""
    return (*PARTS_WITH_WEIGHTS, *(part for part in OPTIONAL_PARTS if (folder / part).exists()))


def _refuse_pickles(folder: Path) -> None:
    """Pickled weights may run code when they are loaded, so a folder with any that would be read is refused.

    A pickle that lies beside safetensors of the same part is never opened and does no harm: published
    checkpoints carry both.
    """
    for part in present_parts(folder):
        pickles = [path for path in sorted((folder / part).glob("*")) if path.suffix.lower() in PICKLES]
        if pickles and not any(_weight_candidates(folder / part)):
            raise ModelError(
                f"{pickles[0]} is a pickle, which may run code when it is loaded, and is refused",
                "save the checkpoint again with safe_serialization=True, or ask its author for safetensors",
            )


def _weight_candidates(folder: Path) -> Iterator[Path]:
    for stem in _STEMS:
        for name in (f"{stem}.safetensors", f"{stem}.safetensors.index.json"):
            if (folder / name).is_file():
                yield folder / name


def _weight_files(folder: Path) -> list[Path]:
    found = next(_weight_candidates(folder), None)
    if found is None:
        raise ModelError(f"{folder} holds no safetensors weights", f"the part has no {_STEMS[0]}.safetensors: {_AGAIN}")
    if found.suffix == ".safetensors":
        return [found]
    names = read_json(found).get("weight_map")
    if not isinstance(names, dict) or not names or not all(isinstance(name, str) for name in names.values()):
        raise ModelError(f"{found} holds no weight_map", _AGAIN)
    shards = sorted(set(names.values()))
    for name in shards:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise ModelError(f"{found} names {name!r}, which is not a safetensors file beside it", _AGAIN)
    return [folder / name for name in shards]


def _check_tokenizer(folder: Path) -> None:
    present = [folder / name for name in TOKENIZER_FILES if (folder / name).is_file()]
    if not present:
        raise ModelError(f"{folder} holds no vocabulary", f"one of {', '.join(TOKENIZER_FILES)} is needed: {_AGAIN}")
    for path in folder.glob("*.json"):
        read_json(path)
    if all(path.stat().st_size == 0 for path in present):
        raise ModelError(f"{present[0]} is empty", _AGAIN)


def check_safetensors(path: Path) -> int:
    """Check a safetensors file by its header and length; returns the number of values it holds.

    The format: 8 bytes with the header's length, little-endian; the header in JSON; the tensors' bytes, without gaps.

    Raises:
        ModelError: the file is missing, truncated, longer than its header says, or no safetensors file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or not 2 <= length <= min(_LARGEST_HEADER, size - 8):
                raise ModelError(f"{path} is not a safetensors file, or only its beginning ({size} bytes)", _AGAIN)
            header = json.loads(file.read(length))
    except FileNotFoundError as error:
        raise ModelError(f"{path} is missing", _AGAIN) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} has a safetensors header that cannot be read: {error}", _AGAIN) from error
    if not isinstance(header, dict):
        raise ModelError(f"{path} has a safetensors header that is not an object", _AGAIN)
    end = values = 0
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        stop, count = _tensor(path, name, entry)
        end = max(end, stop)
        values += count
    whole = 8 + length + end
    if whole != size:
        what = "is truncated" if whole > size else "has bytes after its tensors"
        raise ModelError(f"{path} {what}: {size} bytes, {whole} by its header", _AGAIN)
    return values


def _tensor(path: Path, name: str, entry: Any) -> tuple[int, int]:
    """The end of a tensor's bytes and its number of values, both from its header entry."""
    try:
        begin, stop = entry["data_offsets"]
        shape = list(entry["shape"])
    except (KeyError, TypeError, ValueError):
        begin, stop, shape = 0, -1, []
    if not all(isinstance(side, int) and side >= 0 for side in (begin, *shape, stop)) or begin > stop:
        raise ModelError(f"{path} has a broken header entry for {name}", _AGAIN)
    return stop, math.prod(shape)
