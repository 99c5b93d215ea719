"""What edits in a row take, and how near they come to edits one by one with a lossless film in RGB between two of them.

    python benchmarks/then.py ../shared/data/clips/udacity_highway_cars.mp4 --sizes 512x384,1280x720,3840x2160

Both ways take turns, each edit a process of its own. The last output has the clip's own format and is without loss in
both, to be compared. `CPU` is processor seconds of all threads, start-up included.
"""

from __future__ import annotations

import itertools
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import harness
import numpy as np
from PIL import Image

from movie_cli.media import EncodeOptions, FrameReader, VideoWriter, probe

LOSSLESS = ("--codec", "ffv1", "--no-audio", "--no-cache", "-y", "-q")
BETWEEN, LAST = ("--pix-fmt", "bgr0"), ("--pix-fmt", "yuv420p")


def main() -> None:
    """The command."""
    parser = harness.parser("Measure edits in a row against edits one by one.")
    parser.add_argument("clip", type=Path)
    parser.add_argument("--sizes", default="512x384,1280x720,3840x2160", metavar="WxH,...")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", default="make it winter;make it night", help="instructions (default: %(default)s)")
    parser.add_argument("--model", default="nano", help="a checkpoint's name or folder (default: nano)")
    options = parser.parse_args()
    first, *others = options.steps.split(";")
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="movie-benchmark-") as name:
        folder = Path(name)
        for size in options.sizes.split(","):
            source = resized(options.clip, folder / "in.mp4", tuple(map(int, size.split("x"))), options.frames)
            spent: dict[str, list[tuple[float, float]]] = {"row": [], "one by one": []}
            for _ in range(options.rounds):
                then = [word for step in others for word in ("--then", step)]
                spent["row"].append(edited(source, first, folder / "row.mkv", options.model, *then, *LAST))
                film, sums = source, (0.0, 0.0)
                for number, step in enumerate([first, *others]):
                    pixels = BETWEEN if number < len(others) else LAST
                    wall, cpu = edited(film, step, folder / f"{number}.mkv", options.model, *pixels)
                    film, sums = folder / f"{number}.mkv", (sums[0] + wall, sums[1] + cpu)
                spent["one by one"].append(sums)
            for place, unit in enumerate(("wall", "CPU")):
                row, separate = (statistics.median(one[place] for one in times) for times in spent.values())
                found[f"{size} row, s of {unit}"] = round(row, 2)
                found[f"{size} one by one, s of {unit}"] = round(separate, 2)
                found[f"{size} ratio of {unit}"] = round(row / separate, 3)
            found[f"{size} dB"] = round(psnr(folder / "row.mkv", film), 2)
    harness.show(found, options.json)


def resized(clip: Path, to: Path, size: tuple[int, ...], count: int) -> Path:
    """The first frames of a clip at another size, in H.264."""
    info = probe(clip)
    options = EncodeOptions(codec="libx264", crf=18, preset="veryfast", audio="none")
    with FrameReader(clip, info=info) as reader, VideoWriter(to, info, options, size=(size[0], size[1])) as writer:
        for frame in itertools.islice(reader, count):
            pixels = np.asarray(Image.fromarray(frame.pixels).resize((size[0], size[1]), Image.Resampling.LANCZOS))
            writer.write(pixels, frame.pts, frame.duration)
        writer.commit()
    return to


def edited(source: Path, instruction: str, to: Path, model: str, *more: str) -> tuple[float, float]:
    """One edit in a process of its own; seconds by the clock, and of processors."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [*harness.MOVIE, "edit", str(source), instruction, "-o", str(to), "--model", model, *LOSSLESS, *more]
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - began, cpu


def psnr(ours: Path, theirs: Path) -> float:
    """In dB over all frames; 99 where nothing differs."""
    with FrameReader(ours) as one, FrameReader(theirs) as other:
        squares = [
            float(np.square(a.pixels.astype(np.float32) - b.pixels).mean()) for a, b in zip(one, other, strict=True)
        ]
    return min(99.0, 10 * float(np.log10(255**2 / max(1e-9, np.mean(squares)))))


if __name__ == "__main__":
    main()
