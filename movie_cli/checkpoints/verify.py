"""Checks every byte of a checkpoint that will be read, where `folder` only looks at layout and headers.

What came from the Hugging Face Hub is compared with the hash that the Hub gave for it: its cache names large files
by their SHA-256. Elsewhere a file `SHA256SUMS` in the folder is believed, as `sha256sum` writes it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from movie_cli.checkpoints.folder import check_folder
from movie_cli.errors import ModelError

SUMS = "SHA256SUMS"
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)", re.ASCII)
_AGAIN = "copy or download the checkpoint again"


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
