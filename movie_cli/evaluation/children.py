"""The command line in a child process that starts quickly: forked from a server which has imported everything.

Promises the exit code (negative: minus the signal's number), what was said on stdout and stderr, and an end after the
timeout. On systems without fork a fresh interpreter is started instead.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PRELOAD = ("movie_cli.cli.edit", "movie_cli.evaluation.identity", "movie_cli.editing.pipeline")
"""What the server imports once."""


@dataclass(frozen=True)
class Finished:
    """How a child ended. `exit_code` is None where it did not end in time and was killed."""

    exit_code: int | None
    stdout: str
    stderr: str


def run_movie(arguments: list[str], timeout: float, *, identity: bool = False) -> Finished:
    """Run `movie` with these arguments in this environment; with `identity` without its network (see there)."""
    forks = "forkserver" in multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("forkserver" if forks else "spawn")
    if forks:
        context.set_forkserver_preload(list(PRELOAD))
    with tempfile.TemporaryDirectory(prefix="movie-child-") as folder:
        said = (Path(folder) / "stdout", Path(folder) / "stderr")
        child = context.Process(target=_run, args=(arguments, identity, dict(os.environ), *map(str, said)))
        child.start()
        child.join(timeout)
        code = child.exitcode
        if code is None:
            child.kill()
            child.join()
        texts = [path.read_text(encoding="utf-8", errors="replace") if path.exists() else "" for path in said]
        return Finished(code, *texts)


def _run(arguments: list[str], identity: bool, environment: dict[str, str], stdout: str, stderr: str) -> None:
    os.environ.update(environment)  # the server has the environment of its own start
    for stream, path in ((1, stdout), (2, stderr)):
        os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), stream)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    from movie_cli.cli import main
    from movie_cli.evaluation.identity import run_without_network

    sys.exit(run_without_network(arguments) if identity else main(arguments))
