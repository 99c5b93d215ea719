"""Frames a second of the same edit by several models in turn, and each against the first.

    python benchmarks/models.py FORMER nano --frames 72 --rounds 3

Each edit is the real command in a process of its own, mp4 to mp4 at 512x384; medians of `--rounds`.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

import harness


def main() -> None:
    """The command."""
    parser = harness.parser("Compare models by the speed of their edits.")
    parser.add_argument("models", nargs="+", metavar="MODEL", help="a checkpoint's name or folder")
    parser.add_argument("--frames", type=int, default=72, help="length of the clip (default: 72)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", default=f"{harness.WIDTH}x{harness.HEIGHT}", metavar="WxH")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's choice)")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    found: dict[str, list[float]] = {model: [] for model in options.models}
    with tempfile.TemporaryDirectory(prefix="movie-benchmark-") as folder:
        clip = Path(folder) / "clip.mp4"
        harness.make_clip(clip, options.frames, (width, height))
        for _ in range(options.rounds):
            for model in options.models:
                edit = harness.run_edit(clip, model, ["--backend", "torch"], options.threads)
                found[model].append(options.frames / edit.seconds)
    speeds = {model: statistics.median(each) for model, each in found.items()}
    values: dict[str, float] = {"frames": options.frames, "rounds": options.rounds}
    for model, speed in speeds.items():
        values[f"{model} fps"] = round(speed, 2)
        values[f"{model} ratio"] = round(speed / speeds[options.models[0]], 2)
    harness.show(values, options.json)


if __name__ == "__main__":
    main()
