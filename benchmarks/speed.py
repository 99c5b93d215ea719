"""Frames a second from mp4 to mp4 with the real command in a process of its own.

    python benchmarks/speed.py --frames 120 --threads 2

`overall_fps` is what a person waits for: the whole process, start-up included. `edit_fps` leaves start-up out. What
each stage takes is told by `movie bench`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import harness
import torch


def main() -> None:
    """The command."""
    parser = harness.parser("Measure frames a second from mp4 to mp4.")
    parser.add_argument("--frames", type=int, default=120, help="length of the generated clip (default: 120)")
    parser.add_argument("--model", default="nano", help="a checkpoint's name or folder (default: nano)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's choice)")
    parser.add_argument("--size", default=f"{harness.WIDTH}x{harness.HEIGHT}", metavar="WxH", help="of the clip")
    options = parser.parse_args()
    width, height = (int(part) for part in options.size.split("x"))
    with tempfile.TemporaryDirectory(prefix="movie-benchmark-") as folder:
        clip = Path(folder) / "clip.mp4"
        harness.make_clip(clip, options.frames, (width, height))
        machine = ["--device", options.device, "--dtype", options.dtype]
        edit = harness.run_edit(clip, options.model, machine, options.threads)
    values = {
        "model": options.model,
        "device": edit.done["device"],
        "dtype": edit.done["dtype"],
        "threads": options.threads or torch.get_num_threads(),
        "clip": f"{width}x{height}, {options.frames} frames",
        "working_size": "x".join(str(side) for side in edit.done["working_size"]),
        "overall_fps": options.frames / edit.wall,
        "edit_fps": options.frames / edit.seconds,
        "start_up_s": edit.wall - edit.seconds,
        "peak_memory_mb": edit.peak / 2**20,
    }
    harness.show(values, options.json)


if __name__ == "__main__":
    main()
