"""A checkpoint folder, checked: its layout without loading a weight (`check_folder`), or every byte (`verify`).

A folder that passes has every part, readable JSON, no pickled weights and whole safetensors files
(their headers are read, their tensors are not). Every refusal names the file. See `descriptor` for what the checkpoint
can do.

`verify` compares what came from the Hugging Face Hub with the hash that the Hub gave for it: its cache names large
files by their SHA-256. Elsewhere a file `SHA256SUMS` in the folder is believed, as `sha256sum` writes it.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from movie_cli.checkpoints.descriptor import read_descriptor
from movie_cli.checkpoints.exported import is_export, read_export, read_json
from movie_cli.errors import ModelError

PARTS_WITH_WEIGHTS = ("unet", "vae", "text_encoder")
"""The folders of the networks."""
OPTIONAL_PARTS = ("regions",)
"""Networks that a checkpoint may have besides."""

_STEMS = ("diffusion_pytorch_model", "model")
# What diffusers and transformers call a model's weight file.

TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model")
PICKLES = frozenset({".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle", ".joblib"})
"""Endings, in lower case, of files that may run code when they are loaded, and are never opened here."""
SUMS = "SHA256SUMS"
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)", re.ASCII)
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

    Raises:
        ModelError: the file is missing, truncated, longer than its header says, or no safetensors file.
    """
    from safetensors import SafetensorError, safe_open  # `movie --help` does without

    try:
        with safe_open(path, framework="numpy") as tensors:
            return sum(math.prod(tensors.get_slice(key).get_shape()) for key in tensors.keys())  # noqa: SIM118
    except FileNotFoundError as error:
        raise ModelError(f"{path} is missing", _AGAIN) from error
    except (OSError, SafetensorError) as error:
        size = f" ({path.stat().st_size} bytes)" if path.is_file() else ""
        raise ModelError(f"{path} is damaged, or no safetensors file{size}: {error}", _AGAIN) from error


@dataclass(frozen=True)
class Verified:
    """One file: its name in the folder, its SHA-256, what that was compared with (or an empty text), its bytes."""

    name: str
    sha256: str
    against: str
    bytes: int


def verify(folder: Path) -> Iterator[Verified]:
    """Read every file of a checkpoint; tensors must be finite numbers.

    Raises:
        ModelError: a file is missing or damaged, or is not what it should be.
    """
    check_folder(folder)
    expected = _sums(folder)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or name == SUMS or any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        yield _verify_file(path, name, expected.pop(name, None))
    if expected:
        raise ModelError(f"{folder / min(expected)} is missing, which {SUMS} lists", _AGAIN)


def _verify_file(path: Path, name: str, listed: str | None) -> Verified:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        # A file of the Hub's cache is a link to a blob that is named by its hash.
        blob = path.resolve().name
        for wanted, by in ((listed, SUMS), (blob if _SHA256.fullmatch(blob) else None, "the Hub")):
            if wanted is not None and wanted != found:
                raise ModelError(f"{path} is not what {by} says: its SHA-256 is {found}, not {wanted}", _AGAIN)
        if path.suffix == ".safetensors":
            _check_numbers(path)
        against = SUMS if listed else "the Hub" if _SHA256.fullmatch(blob) else ""
        return Verified(name, found, against, path.stat().st_size)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}", _AGAIN) from error


def _check_numbers(path: Path) -> None:
    import torch  # numpy has no bfloat16
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as tensors:
            for key in tensors.keys():  # noqa: SIM118 - no mapping
                values = tensors.get_tensor(key)
                if values.is_floating_point() and not bool(torch.isfinite(values).all()):
                    raise ModelError(f"{path}: {key} holds values that are not finite numbers", _AGAIN)
    except SafetensorError as error:
        raise ModelError(f"{path} cannot be read: {error}", _AGAIN) from error


def _sums(folder: Path) -> dict[str, str]:
    path = folder / SUMS
    if not path.is_file():
        return {}
    sums = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        found = _LINE.fullmatch(line)
        if found is None:
            raise ModelError(f"{path}, line {number} is not a line of sha256sum", "write it with: sha256sum FILE...")
        sums[found[2].removeprefix("./")] = found[1]
    return sums
