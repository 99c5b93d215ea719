"""The ledger: what became of every job, one line of JSON for each change of state.

Promises that a line which was written is on the disk, that a line torn by a crash spoils nothing, and that one batch
at a time writes to it. The last line about a job counts. Lines tell sources and outputs apart by what is in them, so
that a file which was replaced does not pass for the one that was edited.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self

from movie_cli import remote
from movie_cli.editing.job import content_identity
from movie_cli.errors import MovieError, OutputError, output_error
from movie_cli.files import lock_file
from movie_cli.media.pictures import files_of

State = Literal["started", "done", "failed", "interrupted"]


def witness(name: str, *, content: bool = True) -> dict[str, object] | None:
    """What tells a file or a URL from its successor: size, time of change, and the identity of its content.

    None where it is not there, or its store tells nothing of the kind.
    """
    try:
        if remote.is_url(name):
            return remote.version(name) or None
        files = files_of(Path(name))
        status = [file.stat() for file in files]
        facts: dict[str, object] = {
            "bytes": sum(each.st_size for each in status),
            "modified": max(each.st_mtime_ns for each in status),
        }
        if content:
            parts = [content_identity(file) for file in files]
            facts["content"] = parts[0] if len(parts) == 1 else hashlib.blake2b("".join(parts).encode()).hexdigest()
    except (OSError, ValueError, MovieError):
        return None
    return facts


def is_same(name: str, then: Mapping[str, object]) -> bool:
    """Whether a file is what it was when `witness` told of it; its content is read only where its time has changed."""
    now = witness(name, content=False)
    if now is None or all(then.get(key) == value for key, value in now.items()):
        return True  # one that has gone is for the job to tell of
    if now.get("bytes") != then.get("bytes") or "content" not in then:
        return False
    now = witness(name)
    return now is not None and now.get("content") == then["content"]


class Ledger:
    """An open ledger; made if it is not there. With `write` False it is read alone, and may be missing.

    Raises:
        OutputError: it cannot be written, or another batch has it open.
    """

    def __init__(self, path: Path, *, write: bool = True) -> None:
        self.path = path
        self._last: dict[str, dict[str, Any]] = {}
        if not write and not path.exists():
            self._file: BinaryIO = io.BytesIO()
            return
        try:
            if write:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b" if write else "rb")
        except OSError as error:
            raise output_error(path, error) from error
        try:
            if write:
                lock_file(self._file.fileno())
            self._read(write)
        except BlockingIOError as error:
            self._file.close()
            raise OutputError(f"{path} is in use by another batch", "wait for it, or give another --ledger") from error
        except OSError as error:
            self._file.close()
            raise output_error(path, error) from error

    def _read(self, write: bool) -> None:
        self._file.seek(0)
        line = b""
        for line in self._file:
            with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
                entry = json.loads(line)
                self._last[str(entry["job"])] = dict(entry)
        if write and line and not line.endswith(b"\n"):
            # Torn by a crash: what comes must not be glued to it.
            self._file.write(b"\n")

    def last(self, job: str) -> dict[str, Any] | None:
        """The last line about a job, or None."""
        return self._last.get(job)

    def write(self, job: str, state: State, **facts: object) -> None:
        """Note a job's new state.

        Raises:
            OutputError: the disk is full.
        """
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        entry: dict[str, Any] = {"job": job, "state": state, "time": now, **facts}
        try:
            self._file.write(json.dumps(entry, ensure_ascii=False, default=str).encode(errors="replace") + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise output_error(self.path, error) from error
        self._last[job] = entry

    def close(self) -> None:
        """Let others have it."""
        with contextlib.suppress(OSError):
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
