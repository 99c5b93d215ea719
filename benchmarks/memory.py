"""Peak memory of a long clip's edit against a short one's: an edit streams, so both should need the same.

    python benchmarks/memory.py --short 300 --long 3000

Each clip is edited by the real command in a process of its own; the peak is that process's largest resident set. Both
run on one backend: `auto` makes graphs for long clips, which takes memory of its own.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import harness


def main() -> None:
    """The command."""
    parser = harness.parser("Compare the peak memory of a long and a short edit.")
    parser.add_argument("--short", type=int, default=300, help="frames of the short clip (default: 300)")
    parser.add_argument("--long", type=int, default=3000, help="frames of the long clip (default: 3000)")
    parser.add_argument("--size", default=f"{harness.WIDTH}x{harness.HEIGHT}", metavar="WxH", help="of the clips")
    parser.add_argument("--model", default="nano", help="a checkpoint's name or folder (default: nano)")
    parser.add_argument("--backend", default="torch", help="what runs both (default: torch)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's choice)")
    options = parser.parse_args()
    width, height = (int(part) for part in options.size.split("x"))
    peaks = {}
    for name, frames in (("short", options.short), ("long", options.long)):
        with tempfile.TemporaryDirectory(prefix="movie-benchmark-") as folder:
            clip = Path(folder) / "clip.mp4"
            harness.make_clip(clip, frames, (width, height))
            peaks[name] = harness.run_edit(clip, options.model, ["--backend", options.backend], options.threads).peak
    values = {
        "model": options.model,
        "clips": f"{width}x{height}, {options.short} and {options.long} frames",
        "short_mb": peaks["short"] / 2**20,
        "long_mb": peaks["long"] / 2**20,
        "long_over_short": peaks["long"] / peaks["short"],
    }
    harness.show(values, options.json)


if __name__ == "__main__":
    main()
