"""What the benchmarks share: a clip to edit, one `movie edit` in a process of its own, and how results are shown."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from movie_cli.bench.stages import make_clip

__all__ = ["HEIGHT", "WIDTH", "make_clip", "parser", "run_edit", "show"]

WIDTH, HEIGHT = 512, 384
POLL = 0.05
"""Seconds between looks at a running process."""
MOVIE = (sys.executable, "-c", "import sys; from movie_cli.cli import main; sys.exit(main())")
"""The program, from the environment that runs the benchmark."""


@dataclass(frozen=True)
class EditRun:
    """One edit in its own process.

    `wall` is from start to exit in seconds, `seconds` what the program says it took without start-up, `peak` its
    largest resident memory in bytes, on Linux, `done` its last event.
    """

    wall: float
    seconds: float
    peak: int
    done: Mapping[str, Any]


def run_edit(source: Path, model: str, extra: list[str], threads: int | None = None) -> EditRun:
    """Edit a clip with the real command, without the latent cache, and measure the process."""
    output = source.with_name("edited.mp4")
    command = [*MOVIE, "edit", str(source), "make it winter", "-o", str(output), "-y", "--no-cache", "--json"]
    environment = dict(os.environ)
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    with tempfile.TemporaryFile("w+") as events:
        began = time.monotonic()
        process = subprocess.Popen([*command, "--model", model, *extra], stdout=events, env=environment)
        peak = 0
        while process.poll() is None:
            peak = max(peak, memory(process.pid, "VmHWM"))
            time.sleep(POLL)
        wall = time.monotonic() - began
        events.seek(0)
        lines = [json.loads(line) for line in events.read().splitlines() if line.startswith("{")]
    if process.returncode != 0:
        sys.exit(f"error: movie edit ended with exit code {process.returncode}")
    done = next(line for line in reversed(lines) if line.get("type") == "done")
    return EditRun(wall, float(done["seconds"]), peak, done)


def memory(process: int, line: str) -> int:
    """Bytes of a process that Linux tells: `VmRSS`, resident now, or `VmHWM`, the most so far; 0 where it tells none.

    What `wait4` tells of a child begins with what its parent had when it was started.
    """
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return sum(1024 * int(each.split()[1]) for each in lines if each.startswith(f"{line}:"))


def parser(description: str) -> argparse.ArgumentParser:
    """A parser with the options that all benchmarks have."""
    result = argparse.ArgumentParser(description=description)
    result.add_argument("--json", action="store_true", help="print one JSON object")
    return result


def show(values: Mapping[str, Any], as_json: bool) -> None:
    """Print the results as aligned lines or as one JSON object."""
    if as_json:
        print(json.dumps(values))
        return
    wide = max(len(name) for name in values)
    for name, value in values.items():
        text = f"{value:.2f}" if isinstance(value, float) else str(value)
        print(f"{name.replace('_', ' '):<{wide}}  {text}")
