"""How long the program takes before it does anything: `movie --help`, `movie --version`, one frame of `movie edit`,
`movie preview` of six tiles.

    python benchmarks/startup.py --runs 9
    python benchmarks/startup.py --runs 9 --edit-only --beside ANOTHER/CHECKOUT

Medians, in seconds; with several runs one more is made first that does not count, because it fills the file cache.
`edit_s` is a whole edit of one frame, from Enter to the prompt, and `torch_s` what Python takes to import torch alone.
`preview_start_s` is what of `preview_s` goes by before the first frame is read: loading libraries and the model. With
`--beside` that checkout edits the frame as well, in turns, and `edit_over_beside` is the median of the ratios. Names
with `cpu` are of processor time, which counts where other programs want the machine too.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import harness

HERE = Path(__file__).resolve().parents[1]
SAMPLE = HERE / "samples" / "meadow.mp4"


def made(runs: int) -> int:
    """How often something is run so that as many runs count."""
    return runs + 1 if runs > 1 else 1


def median_seconds(command: list[str], runs: int) -> float:
    """The median wall-clock time of a command that must succeed."""
    times = []
    for _ in range(made(runs)):
        began = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.monotonic() - began)
    return statistics.median(times[-runs:])


def preview_seconds(runs: int) -> tuple[float, float]:
    """Medians of a preview's wall-clock time and of its part before the first frame is read."""
    walls, starts = [], []
    with tempfile.TemporaryDirectory() as folder:
        sheet = str(Path(folder) / "sheet.png")
        command = [*harness.MOVIE, "preview", str(SAMPLE), "make it winter", "-o", sheet, "-y", "--json"]
        for _ in range(made(runs)):
            began = time.monotonic()
            found = subprocess.run(command, check=True, capture_output=True, text=True)
            walls.append(time.monotonic() - began)
            starts.append(walls[-1] - json.loads(found.stdout.splitlines()[-1])["seconds"])
    return statistics.median(walls[-runs:]), statistics.median(starts[-runs:])


def edit_seconds(runs: int, beside: Path | None) -> dict[str, float]:
    """Medians of an edit of one frame, of this package and of another, and of importing torch, in turns.

    Each as wall-clock and as processor time.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = str(Path(folder) / "edited.mp4")
        edit = [*harness.MOVIE, "edit", str(SAMPLE), "make it winter", "-o", output, "--duration", "1f", "-y", "-q"]
        edit.append("--no-cache")
        rounds = {"edit": (edit, HERE), "torch": ([sys.executable, "-c", "import torch"], HERE)}
        if beside is not None:
            rounds["beside"] = (edit, beside.resolve())
        times: dict[str, list[float]] = {f"{name}{unit}": [] for name in rounds for unit in ("_s", "_cpu_s")}
        for _ in range(made(runs)):
            for name, (command, package) in rounds.items():
                environment = os.environ | {"PYTHONPATH": str(package)}
                began, before = time.monotonic(), children_seconds()
                subprocess.run(command, check=True, capture_output=True, cwd=folder, env=environment)
                times[f"{name}_s"].append(time.monotonic() - began)
                times[f"{name}_cpu_s"].append(children_seconds() - before)
    values = {name: statistics.median(found[-runs:]) for name, found in times.items()}
    if beside is not None:
        for unit in ("", "_cpu"):
            pairs = zip(times[f"edit{unit}_s"], times[f"beside{unit}_s"], strict=True)
            values[f"edit{unit}_over_beside"] = statistics.median([ours / theirs for ours, theirs in pairs][-runs:])
    return values


def children_seconds() -> float:
    """Processor time of all processes that were started and have ended."""
    used = os.times()
    return used.children_user + used.children_system


def main() -> None:
    """The command."""
    parser = harness.parser("Measure the program's start-up.")
    parser.add_argument("--runs", type=int, default=9, help="runs of each command (default: 9)")
    parser.add_argument("--beside", type=Path, help="folder that holds another movie_cli to compare the edit with")
    parser.add_argument("--edit-only", action="store_true", help="leave out previews and what needs no model")
    options = parser.parse_args()
    values = edit_seconds(options.runs, options.beside)
    if not options.edit_only:
        values |= other_seconds(options.runs)
    harness.show(values, options.json)


def other_seconds(runs: int) -> dict[str, float]:
    """Medians of a preview and of what needs no model."""
    preview, start = preview_seconds(runs)
    return {
        "preview_s": preview,
        "preview_start_s": start,
        "help_s": median_seconds([*harness.MOVIE, "--help"], runs),
        "version_s": median_seconds([*harness.MOVIE, "--version"], runs),
        "python_s": median_seconds([sys.executable, "-c", "pass"], runs),
    }


if __name__ == "__main__":
    main()
