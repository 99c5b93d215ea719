"""How long the program takes before it does anything: `movie --help`, `movie --version`, `movie preview` of six tiles.

    python benchmarks/startup.py --runs 9

Medians, in seconds; the first run of each is left out, because it fills the file cache. `preview_start_s` is what of
`preview_s` goes by before the first frame is read: loading libraries and the model.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import harness

SAMPLE = Path(__file__).resolve().parents[1] / "samples" / "meadow.mp4"


def median_seconds(command: list[str], runs: int) -> float:
    """The median wall-clock time of a command that must succeed."""
    times = []
    for _ in range(runs + 1):
        began = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.monotonic() - began)
    return statistics.median(times[1:])


def preview_seconds(runs: int) -> tuple[float, float]:
    """Medians of a preview's wall-clock time and of its part before the first frame is read."""
    walls, starts = [], []
    with tempfile.TemporaryDirectory() as folder:
        sheet = str(Path(folder) / "sheet.png")
        command = [*harness.MOVIE, "preview", str(SAMPLE), "make it winter", "-o", sheet, "-y", "--json"]
        for _ in range(runs + 1):
            began = time.monotonic()
            found = subprocess.run(command, check=True, capture_output=True, text=True)
            walls.append(time.monotonic() - began)
            starts.append(walls[-1] - json.loads(found.stdout.splitlines()[-1])["seconds"])
    return statistics.median(walls[1:]), statistics.median(starts[1:])


def main() -> None:
    """The command."""
    parser = harness.parser("Measure the program's start-up.")
    parser.add_argument("--runs", type=int, default=9, help="runs of each command (default: 9)")
    options = parser.parse_args()
    preview, start = preview_seconds(options.runs)
    values = {
        "preview_s": preview,
        "preview_start_s": start,
        "help_s": median_seconds([*harness.MOVIE, "--help"], options.runs),
        "version_s": median_seconds([*harness.MOVIE, "--version"], options.runs),
        "python_s": median_seconds([sys.executable, "-c", "pass"], options.runs),
    }
    harness.show(values, options.json)


if __name__ == "__main__":
    main()
