"""What makes two edits the same: all that decides the frames of an output, as names and values a person can read.

Two jobs which are equal give equal frames. A source counts by its content: a renamed or copied file is the same, one
that is changed, also in mid-edit, is not. Where a job is kept is `work_folder`'s.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import av

import movie_cli
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.exported import once_read
from movie_cli.editing.directing import understood
from movie_cli.editing.plan import Plan
from movie_cli.editing.request import EditRequest
from movie_cli.errors import SourceError
from movie_cli.media.pictures import files_of
from movie_cli.options import options_of

CHOSEN: Mapping[str, Callable[[Plan], object]] = {
    "backend": lambda plan: plan.runtime.backend,
    "provider": lambda plan: plan.runtime.provider,
    "device": lambda plan: plan.runtime.device.partition(":")[0],
    "dtype": lambda plan: plan.runtime.dtype,
    "compile": lambda plan: "yes" if plan.runtime.compiled else "",
    "hwaccel": lambda plan: plan.hardware.encoder,
    "threads": lambda plan: plan.runtime.cpu_threads,
    "batch_size": lambda plan: plan.batch,
    "segment_frames": lambda plan: plan.segment,
}
"""What was chosen for each option that decides pixels by rounding alone."""


def edit_identity(plan: Plan, path: Path) -> dict[str, str]:
    """The job of a plan: what every option says, or was chosen for it, but for those that decide nothing.

    Reads source and checkpoint, of big files only pieces.

    Raises:
        SourceError: the source or the mask cannot be read.
    """
    request = plan.request
    options = options_of(EditRequest)
    rounding = [each for each in options.values() if each.decides == "rounding"]
    values: dict[str, object] = {
        "source": _identity_of(path),
        "checkpoint": _checkpoint_identity(plan.descriptor),
        **request.told("source", "picture", "file"),
        **understood(plan.descriptor, request.recipe, masked=request.mask is not None),
        "model": plan.descriptor.name,
        **{options[name].words: _identity_of(Path(file)) for name, file in request.files.items()},
        "ending": Path(request.output).suffix.lower(),
        **{each.words: CHOSEN[each.name](plan) for each in rounding},
        "version of movie": movie_cli.__version__,
        "version of PyAV": av.__version__,
        "version of libavcodec": ".".join(map(str, av.library_versions["libavcodec"])),
        **plan.runtime.version,
    }
    return {name: str(value) for name, value in values.items() if value not in {None, ""}}


def _identity_of(path: Path) -> str:
    try:
        return " ".join(content_identity(file) for file in files_of(path))
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}", "check the file's permissions") from error


def _checkpoint_identity(descriptor: Descriptor) -> str:
    digest = hashlib.blake2b(digest_size=16)
    folder = descriptor.folder
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in {".json", ".safetensors", ".txt"}:
            digest.update(f"{path.relative_to(folder).as_posix()} {once_read(content_identity, path)}\n".encode())
    variant = descriptor.variant
    for part in (*(sorted(variant.vae.glob("*.safetensors")) if variant.vae else ()), variant.lora):
        if part is not None:
            digest.update(f"{part.name} {once_read(content_identity, part)}\n".encode())
    return digest.hexdigest()


class SourceWatch:
    """Notices that a source is changed, replaced or removed while it is edited."""

    def __init__(self, name: str, path: Path) -> None:
        self._name, self._path = name, path
        self._seen = _signature(path)

    def check(self) -> None:
        """Look again.

        Raises:
            SourceError: it is not as it was.
        """
        now = _signature(self._path)
        if now is None:
            raise SourceError(f"{self._name} has gone while it was being edited", "put it back")
        if now != self._seen:
            raise SourceError(
                f"{self._name} has changed while it was being edited", "wait until it is complete, then start again"
            )


def _signature(path: Path) -> list[tuple[int, int, int]] | None:
    try:
        return [_signature_of(file) for file in files_of(path)] or None
    except OSError:
        return None


def _signature_of(path: Path) -> tuple[int, int, int]:
    status = os.stat(path)  # noqa: PTH116 - one system call, whatever the path holds
    return status.st_size, status.st_mtime_ns, status.st_ino


WHOLE_BYTES = 256 * 2**20
"""Files up to this size are hashed whole, about a third of a second."""

END_BYTES = 8 * 2**20
PIECES = 256
PIECE_BYTES = 256 * 2**10
REMEMBERED = 1024
"""Identities kept in the JSON file; the oldest are forgotten first."""

_SETTLED_NS = 2 * 10**9
# A file changed less than this ago may change again within the clock's tick and keep its modification time.


def content_identity(path: Path, memory: Path | None = None) -> str:
    """The identity of the file's content, 64 hexadecimal digits.

    `memory` is the JSON file in which identities are remembered; it may be missing, damaged or unwritable.

    Raises:
        OSError: the file cannot be read.
    """
    status = path.stat()
    known = _recall(memory)
    name = str(path.resolve())
    signature = [status.st_size, status.st_mtime_ns, status.st_ino]
    entry = known.get(name)
    if isinstance(entry, list) and entry[:3] == signature and len(entry) == 4 and isinstance(entry[3], str):
        return entry[3]
    identity = _hash(path, status)
    if memory is not None and time.time_ns() - status.st_mtime_ns > _SETTLED_NS:
        known.pop(name, None)
        known[name] = [*signature, identity]
        _remember(memory, known)
    return identity


def _hash(path: Path, status: os.stat_result) -> str:
    digest = hashlib.blake2b(digest_size=32)
    size = status.st_size
    with path.open("rb") as file:
        if size <= WHOLE_BYTES:
            digest.update(b"whole")
            while block := file.read(2**20):
                digest.update(block)
            return digest.hexdigest()
        digest.update(f"pieces {size} {status.st_mtime_ns}".encode())
        last = size - END_BYTES
        offsets = [END_BYTES + (last - PIECE_BYTES - END_BYTES) * piece // (PIECES - 1) for piece in range(PIECES)]
        for offset, length in [(0, END_BYTES), *((offset, PIECE_BYTES) for offset in offsets), (last, END_BYTES)]:
            file.seek(offset)
            digest.update(file.read(length))
    return digest.hexdigest()


def _recall(memory: Path | None) -> dict[str, object]:
    if memory is None:
        return {}
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(memory: Path, known: dict[str, object]) -> None:
    """Replace the memory file at once. It only saves time, so failing to write it is no failure."""
    kept = dict(list(known.items())[-REMEMBERED:])
    with contextlib.suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix="identities-", suffix=".tmp", dir=memory.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(kept, file)
            Path(name).replace(memory)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
