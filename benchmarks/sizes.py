"""What an edit costs at 512x384, 1920x1080 and 3840x2160, stage by stage, of one clip at all three sizes.

    python benchmarks/sizes.py ../shared/data/clips/sam2_juggle_football.mp4

The clip is cut to each size's shape and scaled; fine noise is added, as cameras do and scaling takes away. Without one
a clip of moving noise is made. Each size is measured in a process of its own by `movie bench`, in turn, so that ratios
are of one run; medians of `--rounds`.
"""

from __future__ import annotations

import json
import os
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

SIZES = ((512, 384), (1920, 1080), (3840, 2160))
SHOWN = ("decode", "encode_latents", "denoise", "decode_latents", "detail", "encode")
NOISE = 3
"""Code values, at most, that are added."""


def main() -> None:
    """The command."""
    parser = harness.parser("Measure an edit at three sizes.")
    parser.add_argument("clip", type=Path, nargs="?", help="what is scaled (default: moving noise)")
    parser.add_argument("--frames", type=int, default=48, help="length of the clips (default: 48)")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's choice)")
    options = parser.parse_args()
    names = [f"{width}x{height}" for width, height in SIZES]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    environment = dict(os.environ)
    if options.threads:
        environment["OMP_NUM_THREADS"] = str(options.threads)
    with tempfile.TemporaryDirectory(prefix="movie-benchmark-") as folder:
        paths = [Path(folder) / f"{name}.mp4" for name in names]
        for path, size in zip(paths, SIZES, strict=True):
            scaled(options.clip, path, options.frames, size)
        for _ in range(options.rounds):
            for name, path in zip(names, paths, strict=True):
                command = [*harness.MOVIE, "bench", str(path), "--backend", options.backend, "--json"]
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
                if done.returncode:
                    sys.exit(f"error: movie bench ended with exit code {done.returncode}: {done.stderr}")
                runs[name].append(json.loads(done.stdout.splitlines()[-1]))
    values: dict[str, Any] = {"frames": options.frames, "rounds": options.rounds}
    for name in names:
        middle = {key: statistics.median(run[key] for run in runs[name]) for key in ("fps", "share_of_slowest_stage")}
        stages = {f"{key}_ms": statistics.median(run[f"{key}_ms"] for run in runs[name]) for key in SHOWN}
        peak = statistics.median(run["peak_memory_bytes"] for run in runs[name]) / 2**20
        for key, value in {**middle, **stages, "peak_memory_mb": peak}.items():
            values[f"{name}_{key}"] = round(value, 2)
    for name in names[1:]:
        values[f"{name}_over_{names[0]}"] = round(values[f"{name}_fps"] / values[f"{names[0]}_fps"], 3)
    harness.show(values, options.json)


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
