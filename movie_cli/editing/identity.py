"""What a file's content is called: a key that follows the bytes, not the name.

Promises that a renamed or copied file keeps its identity, and that a file which is changed gets another. Files up
to `WHOLE_BYTES` are hashed whole. Of bigger ones the size, the modification time, the ends and many spread pieces
are hashed: reading 50 GB would take longer than the edit saves. The modification time is in the hash because a
change between the pieces would go unseen otherwise; a copy with another time is then a cache miss, never a wrong hit.

Identities are remembered in a small JSON file by path, size, modification time and inode.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from pathlib import Path

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
