"""Frames a second of an edit at 512x384, 1920x1080 and 3840x2160, of one clip at all sizes, and their ratios.

    python benchmarks/sizes.py ../shared/data/clips/sam2_juggle_football.mp4

The clip is cut to each size's shape and scaled; fine noise is added, as cameras do and scaling takes away. Without one
a clip of moving noise is made. Each edit is the real command in a process of its own; sizes take turns, so that ratios
are of one run; medians of `--rounds`. `--stages` adds what `movie bench` says of each.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import harness
import numpy as np

SIZES = "512x384,1920x1080,3840x2160"
SHOWN = ("decode", "encode_latents", "denoise", "decode_latents", "detail", "encode")
NOISE = 3
"""Code values, at most, that are added."""


def main() -> None:
    """The command."""
    parser = harness.parser("Measure an edit at several sizes.")
    parser.add_argument("clip", type=Path, nargs="?", help="what is scaled (default: moving noise)")
    parser.add_argument("--frames", type=int, default=48, help="length of the clips (default: 48)")
    parser.add_argument("--sizes", default=SIZES, metavar="WxH,...", help=f"default: {SIZES}")
    parser.add_argument("--model", default="nano", help="a checkpoint's name or folder (default: nano)")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--stages", action="store_true", help="also what each stage takes")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's choice)")
    options = parser.parse_args()
    names = options.sizes.split(",")
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="movie-benchmark-") as folder:
        paths = {name: Path(folder) / f"{name}.mp4" for name in names}
        for name, path in paths.items():
            width, height = map(int, name.split("x"))
            scaled(options.clip, path, options.frames, (width, height))
        for _ in range(options.rounds):
            for name, path in paths.items():
                edit = harness.run_edit(path, options.model, ["--backend", options.backend], options.threads)
                found.setdefault(f"{name}_fps", []).append(options.frames / edit.seconds)
                found.setdefault(f"{name}_peak_mb", []).append(edit.peak / 2**20)
                for key, value in (stages(path, options) if options.stages else {}).items():
                    found.setdefault(f"{name}_{key}", []).append(value)
    values: dict[str, Any] = {"frames": options.frames, "rounds": options.rounds}
    values |= {key: round(statistics.median(each), 2) for key, each in found.items()}
    for name in names[1:]:
        values[f"{name}_over_{names[0]}"] = round(values[f"{name}_fps"] / values[f"{names[0]}_fps"], 3)
    harness.show(values, options.json)


def stages(path: Path, options: argparse.Namespace) -> dict[str, float]:
    """Milliseconds a frame by stage."""
    command = [*harness.MOVIE, "bench", str(path), "--model", options.model, "--backend", options.backend, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: movie bench ended with exit code {done.returncode}: {done.stderr}")
    values = json.loads(done.stdout.splitlines()[-1])
    return {f"{name}_ms": values[f"{name}_ms"] for name in SHOWN}


def scaled(clip: Path | None, path: Path, frames: int, size: tuple[int, int]) -> None:
    """Write so many frames of a clip, repeated if need be, at a size."""
    if clip is None:
        harness.make_clip(path, frames, size)
        return
    width, height = size
    random = np.random.default_rng(1)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=24, options={"preset": "veryfast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        number = 0
        while number < frames:
            with av.open(str(clip)) as container:
                for frame in container.decode(video=0):
                    pixels = cut(frame.to_ndarray(format="rgb24"), width / height)
                    made = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
                        width, height, "yuv420p", interpolation="LANCZOS"
                    )
                    luma = np.frombuffer(memoryview(made.planes[0]), np.uint8)
                    luma[:] = np.clip(luma + random.integers(-NOISE, NOISE + 1, luma.size), 0, 255)
                    made.pts, made.time_base = number, Fraction(1, 24)
                    out.mux(stream.encode(made))
                    number += 1
                    if number == frames:
                        break
        out.mux(stream.encode(None))


def cut(pixels: Any, shape: float) -> Any:
    """The middle of a picture `(H, W, 3)`, of which the width is `shape` times the height."""
    height, width = pixels.shape[:2]
    across, down = min(width, round(height * shape)), min(height, round(width / shape))
    left, top = (width - across) // 2, (height - down) // 2
    return np.ascontiguousarray(pixels[top : top + down, left : left + across])


if __name__ == "__main__":
    main()
