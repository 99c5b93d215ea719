"""Programs that do a part of an export in a process of their own. Knows nothing of what they do."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit code, what it wrote to stdout, and in one line why it failed."""

    code: int
    output: str
    reason: str


def run_child(command: Sequence[str], seconds: float, environment: Mapping[str, str] | None = None) -> Ended:
    """Run a program to its end, `environment` added to this one's.

    Its reason is the last line of stderr that begins with `error: `, else the last line at all.

    Raises:
        OSError: it cannot be started, or (`TimeoutError`) takes longer than `seconds`.
    """
    try:
        done = subprocess.run(  # noqa: S603 - a list of arguments, no shell
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
            env=os.environ | (environment or {}),
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"it did not finish in {seconds:g} s") from error
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    reason = (errors or lines or [f"it ended with {done.returncode}, and no word"])[-1]
    return Ended(done.returncode, done.stdout, reason)
