"""The ledger: what became of every job, one line of JSON for each change of state.

Promises that a line which was written is on the disk, that a line torn by a crash spoils nothing, and that one batch
at a time writes to it. The last line about a job counts.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from movie_cli.editing.folder_lock import lock_file
from movie_cli.errors import OutputError
from movie_cli.media.outfile import output_error

State = Literal["started", "done", "failed", "interrupted"]


class Ledger:
    """An open ledger; made if it is not there.

    Raises:
        OutputError: it cannot be written, or another batch has it open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last: dict[str, dict[str, Any]] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
        except OSError as error:
            raise output_error(path, error) from error
        try:
            lock_file(self._file.fileno())
            self._read()
        except BlockingIOError as error:
            self._file.close()
            raise OutputError(f"{path} is in use by another batch", "wait for it, or give another --ledger") from error
        except OSError as error:
            self._file.close()
            raise output_error(path, error) from error

    def _read(self) -> None:
        self._file.seek(0)
        line = b""
        for line in self._file:
            with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
                entry = json.loads(line)
                self._last[str(entry["job"])] = dict(entry)
        if line and not line.endswith(b"\n"):
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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
