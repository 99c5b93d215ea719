"""Frames a second of an edit with different numbers of threads, on an idle machine and beside busy processes.

    python benchmarks/threads.py --size 1920x1080 --busy 0,1,2 --threads 0,1

A busy process computes without a pause, as a browser's tab may; each takes a core's share. 0 threads are the program's
own choice. All ways take turns in one run, so that whatever else the machine does hits all alike; medians of
`--rounds`.
`--before` names another checkout of this program, which is measured beside this one with its own choice of threads.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import harness
from sizes import scaled

BUSY = "while True: sum(range(100000))"


def main() -> None:
    """The command."""
    parser = harness.parser("Compare numbers of threads beside busy processes.")
    parser.add_argument("clip", type=Path, nargs="?", help="what is scaled (default: moving noise)")
    parser.add_argument("--size", default=f"{harness.WIDTH}x{harness.HEIGHT}", metavar="WxH", help="of the clip")
    parser.add_argument("--frames", type=int, default=36)
    parser.add_argument("--busy", default="0,1,2", help="numbers of busy processes (default: 0,1,2)")
    parser.add_argument("--threads", default="0,1", help="numbers of threads (default: 0,1)")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--model", default="nano", help="a checkpoint's name or folder (default: nano)")
    parser.add_argument("--before", type=Path, help="another checkout to measure too")
    options = parser.parse_args()
    width, height = (int(part) for part in options.size.split("x"))
    ways = {"auto" if number == "0" else f"threads_{number}": int(number) for number in options.threads.split(",")}
    here = os.environ.get("PYTHONPATH", "")
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="movie-benchmark-") as folder:
        clip = Path(folder) / "clip.mp4"
        scaled(options.clip, clip, options.frames, (width, height))
        for _ in range(options.rounds):
            for number in map(int, options.busy.split(",")):
                with busy(number):
                    for name, threads in ways.items():
                        extra = ["--backend", options.backend, *(["--threads", str(threads)] if threads else [])]
                        edit = harness.run_edit(clip, options.model, extra)
                        found.setdefault(f"{name}_busy_{number}", []).append(options.frames / edit.seconds)
                    if options.before is not None:
                        os.environ["PYTHONPATH"] = str(options.before)
                        edit = harness.run_edit(clip, options.model, ["--backend", options.backend])
                        os.environ["PYTHONPATH"] = here
                        found.setdefault(f"before_busy_{number}", []).append(options.frames / edit.seconds)
    values = {"clip": f"{options.size}, {options.frames} frames", "rounds": options.rounds}
    values |= {f"{name}_fps": round(statistics.median(rates), 2) for name, rates in found.items()}
    harness.show(values, options.json)


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep so many processes busy."""
    processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
