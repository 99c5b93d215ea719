"""One video edited by one process and by Ray clusters on this machine: whether the bytes are the same, and how fast.

    python benchmarks/cluster.py --frames 3000 --workers 1 2 --threads 1

What it does not know itself goes to `movie edit`, such as scales over time. Every run has the same number of CPU
threads in each process, on which rounding depends. `overhead` compares with what the local run would take if its time
divided evenly among the workers.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path

import harness


def main() -> None:
    """The command."""
    parser = harness.parser("Compare an edit in one process with the same edit on local Ray clusters.")
    parser.add_argument("--frames", type=int, default=3000, help="frames of the clip (default: 3000)")
    parser.add_argument("--size", default=f"{harness.WIDTH}x{harness.HEIGHT}", metavar="WxH", help="of the clip")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="workers of each cluster (default: 1 2)")
    parser.add_argument("--segment-frames", type=int, default=240, help="frames in a segment (default: 240)")
    parser.add_argument("--model", default="nano", help="a checkpoint's name or folder (default: nano)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of each process (default: 1)")
    options, more = parser.parse_known_args()
    width, height = (int(part) for part in options.size.split("x"))
    # A cluster runs torch; here another backend might be at hand.
    segments = ["--segment-frames", str(options.segment_frames), "--backend", "torch", *more]
    values: dict[str, object] = {"model": options.model, "clip": f"{width}x{height}, {options.frames} frames"}
    with tempfile.TemporaryDirectory(prefix="movie-benchmark-") as folder:
        clip, edited = Path(folder) / "clip.mp4", Path(folder) / "edited.mp4"
        harness.make_clip(clip, options.frames, (width, height))
        local = harness.run_edit(clip, options.model, segments, options.threads)
        expected = hashlib.sha256(edited.read_bytes()).hexdigest()
        values |= {"local_s": local.seconds, "local_wall_s": local.wall}
        for workers in options.workers:
            cluster = [*segments, "--engine", "ray", "--workers", str(workers)]
            done = harness.run_edit(clip, options.model, cluster, options.threads)
            if hashlib.sha256(edited.read_bytes()).hexdigest() != expected:
                sys.exit(f"error: {workers} workers made another file than one process")
            values[f"ray_{workers}_s"], values[f"ray_{workers}_wall_s"] = done.seconds, done.wall
            values[f"ray_{workers}_overhead"] = done.wall * workers / local.wall - 1
    harness.show(values, options.json)


if __name__ == "__main__":
    main()
