"""How long the program takes before it does anything: `movie --help`, `movie --version` and the bare interpreter.

    python benchmarks/startup.py --runs 9

Medians, in seconds; the first run of each is left out, because it fills the file cache.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import harness


def median_seconds(command: list[str], runs: int) -> float:
    """The median wall-clock time of a command that must succeed."""
    times = []
    for _ in range(runs + 1):
        began = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.monotonic() - began)
    return statistics.median(times[1:])


def main() -> None:
    """The command."""
    parser = harness.parser("Measure the program's start-up.")
    parser.add_argument("--runs", type=int, default=9, help="runs of each command (default: 9)")
    options = parser.parse_args()
    values = {
        "help_s": median_seconds([*harness.MOVIE, "--help"], options.runs),
        "version_s": median_seconds([*harness.MOVIE, "--version"], options.runs),
        "python_s": median_seconds([sys.executable, "-c", "pass"], options.runs),
    }
    harness.show(values, options.json)


if __name__ == "__main__":
    main()
