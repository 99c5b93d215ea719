"""What running the program gave, and what a refusal must look like."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

MOVIE = [sys.executable, "-c", "import sys; from movie_cli.cli import main; sys.exit(main())"]
"""The program in a process of its own."""


@dataclass(frozen=True)
class Finished:
    returncode: int
    stdout: str
    stderr: str


def assert_refused(found: Finished | subprocess.CompletedProcess[str], code: int, *said: str) -> None:
    lines = found.stderr.splitlines()
    assert found.returncode == code, found.stderr
    assert lines[0].startswith("error: ")
    assert [line for line in lines[1:] if not line.startswith("hint: ")] == []
    for text in said:
        assert text in found.stderr
    assert "Traceback" not in found.stderr
