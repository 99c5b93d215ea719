"""The process in which cases run, many one after the other: `python -m tests.fuzz.worker SEED FILE...`.

Reads numbers of cases from standard input and answers each with a line of JSON. The network is replaced by the
identity, because the media code is what is tested. Whoever started it watches the time and whether it still lives.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

from movie_cli.errors import OutputError
from tests.fuzz.cases import Case, make_case
from tools.command import run_without_network

ADDRESS_SPACE = 4 << 30
"""Bytes of address space beyond the start's, a guard for the machine. What a case uses is measured."""


def run_case(case: Case, folder: Path) -> dict[str, object]:
    """Edit a mutated file; returns exit code, what was said, seconds, and MiB of memory at the most."""
    source = folder / f"case{Path(case.source).suffix}"
    out = folder / f"out{case.ending}"
    source.write_bytes(case.data)
    said = io.StringIO()
    before = _reset_peak()
    began = time.monotonic()
    arguments = ["edit", "--no-cache", "--progress", "none", "--encoder-preset", "ultrafast", "--detail", "0"]
    arguments += ["--size", "64x48", *case.options, "-o", str(out), "--", str(source), "sepia"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        code = run_without_network(arguments)
    result = {
        "case": case.number,
        "exit_code": code,
        "seconds": round(time.monotonic() - began, 2),
        "mebibytes": round((_peak() - before) / 1024),
        "error": next((line for line in said.getvalue().splitlines() if line.startswith("error:")), ""),
        "output": out.exists(),
    }
    source.unlink()
    out.unlink(missing_ok=True)
    # Where the output could not be finished, what is done is kept for --resume.
    kept = f".{out.name}.movie" if code == OutputError.exit_code else ""
    left = [path.name for path in folder.iterdir() if path.name != kept]
    shutil.rmtree(folder)
    folder.mkdir()
    return result | {"left": left}


def _reset_peak() -> int:
    """Forget the highest memory so far; returns the present one in KiB."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _status(name: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1])
    return 0


def main() -> None:
    """Answer until standard input ends."""
    seed, sources = int(sys.argv[1]), [Path(name) for name in sys.argv[2:]]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with tempfile.TemporaryDirectory(prefix="movie-fuzz-") as folder:
        os.environ["MOVIE_HOME"] = f"{folder}/home"
        import movie_cli.editing.video  # noqa: F401 - before the memory is counted

        limit = _status("VmSize") * 1024 + ADDRESS_SPACE
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        work = Path(folder) / "work"
        work.mkdir()
        answers.write("ready\n")
        answers.flush()
        for line in sys.stdin:
            answers.write(json.dumps(run_case(make_case(sources, seed, int(line)), work)) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
