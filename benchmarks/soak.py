"""Edit after edit in one process: do threads, open files or memory grow?

    python benchmarks/soak.py --minutes 30 --series soak.csv

A round edits clips of several sizes, with sound and without, with the latent cache and without, stops some by Ctrl-C,
asks for what must be refused, and loads the model anew once. After each round threads, open files and resident memory
are noted. The first rounds warm up; from then on the last tenth of the rounds is held against the first tenth. Ends
with an error where threads or open files are more, or memory is more by a twentieth (`--more-memory`). Linux only: it
reads /proc.
"""

from __future__ import annotations

import csv
import gc
import itertools
import os
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from fractions import Fraction
from pathlib import Path

import av
import harness
import numpy as np

from movie_cli.cli.output import quieten_libraries
from movie_cli.editing.editor import Editors
from movie_cli.editing.request import EditRequest, SilentReporter
from movie_cli.editing.video import edit_video
from movie_cli.errors import InterruptedEdit, MovieError
from movie_cli.kinds import TimeValue
from movie_cli.recipe import Recipe

WARM_UP = 2
"""Rounds until every code path has run and the allocator has what it needs."""
LEAST = 2
"""Rounds that are measured, however short the time."""
SIZES = "512x384,192x128,320x240,178x322"
INSTRUCTIONS = ("make it winter", "sepia", "as a pencil drawing", "make it night")


@dataclass(frozen=True)
class Sample:
    """Where the process stands after a round: `threads` of Python's and all others, `memory` resident in bytes."""

    seconds: float
    threads: int
    files: int
    memory: int


@dataclass
class Counts:
    """What the rounds did."""

    edited: int = 0
    frames: int = 0
    stopped: int = 0
    refused: int = 0


class Stopping(SilentReporter):
    """Presses Ctrl-C when the first frames are written."""

    def __init__(self) -> None:
        self._pressed = False

    def advance(self, frames: int) -> None:
        """The first call is enough."""
        if not self._pressed:
            self._pressed = True
            os.kill(os.getpid(), signal.SIGINT)


def make_clips(folder: Path, frames: int, sizes: Sequence[str]) -> list[Path]:
    """One clip of each size, every other one with sound."""
    clips = []
    for number, size in enumerate(sizes):
        width, height = (int(side) for side in size.split("x"))
        path = folder / f"{size}.mp4"
        harness.make_clip(path, frames, (width, height))
        if number % 2 == 0:
            add_sound(path, frames / 24)
        clips.append(path)
    return clips


def add_sound(path: Path, seconds: float, rate: int = 44100) -> None:
    """Put a tone beside the picture."""
    silent = path.with_name(f"silent-{path.name}")
    path.rename(silent)
    tone = np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate).astype(np.float32)[None]
    with av.open(str(silent)) as source, av.open(str(path), "w") as target:
        video = target.add_stream_from_template(source.streams.video[0])
        sound = target.add_stream("aac", rate=rate, layout="mono")
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                target.mux(packet)
        for first in range(0, tone.shape[1], 1024):
            frame = av.AudioFrame.from_ndarray(tone[:, first : first + 1024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, first, Fraction(1, rate)
            target.mux(sound.encode(frame))
        target.mux(sound.encode(None))
    silent.unlink()


def broken_sources(folder: Path, clip: Path) -> list[Path]:
    """Sources that must be refused: none, text, a clip without its index."""
    text, cut = folder / "text.mp4", folder / "cut.mp4"
    text.write_text("no video")
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    return [folder / "none.mp4", text, cut]


def run_round(folder: Path, clips: Sequence[Path], broken: Sequence[Path], model: str, editors: Editors) -> Counts:
    """Every kind of edit once."""
    done = Counts()
    for number, clip in enumerate(clips):
        for cached in (True, False):
            anchors = "scene" if number == 1 else "middle"
            recipe = Recipe(INSTRUCTIONS[number % len(INSTRUCTIONS)], model=model, anchors=anchors)
            request = EditRequest(str(clip), str(folder / "out.mp4"), recipe, use_cache=cached, overwrite=True)
            done.frames += edit_video(request, SilentReporter(), editors).frames
            done.edited += 1
        done.stopped += stop(EditRequest(str(clip), str(folder / "never.mp4"), recipe, overwrite=True), editors)
    sepia = Recipe("sepia", model=model)
    for source in broken:
        try:
            edit_video(EditRequest(str(source), str(folder / "never.mp4"), sepia), SilentReporter())
        except MovieError:
            done.refused += 1
    short = TimeValue(frames=2)
    anew = EditRequest(str(clips[-1]), str(folder / "anew.mp4"), sepia, overwrite=True, duration=short)
    edit_video(anew, SilentReporter(), Editors())
    return done


def stop(request: EditRequest, editors: Editors) -> int:
    """Begin an edit and press Ctrl-C; 1 if that ended it."""
    try:
        edit_video(request, Stopping(), editors)
    except (KeyboardInterrupt, InterruptedEdit):
        return 1
    return 0


def count_threads() -> int:
    """The fewest threads within a second: those of what was just let go end by themselves, a little later."""
    counts = []
    for _ in range(20):
        counts.append(len(list(Path("/proc/self/task").iterdir())))
        time.sleep(0.05)
    return min(counts)


def look(began: float) -> Sample:
    """Count now."""
    gc.collect()
    threads = count_threads()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    files = len(list(Path("/proc/self/fd").iterdir()))
    return Sample(time.monotonic() - began, threads, files, pages * os.sysconf("SC_PAGE_SIZE"))


def rounds(minutes: float) -> Iterator[int]:
    """Numbers of rounds until the time is over and there are enough of them."""
    began = time.monotonic()
    for number in itertools.count():
        if number >= WARM_UP + LEAST and time.monotonic() - began >= 60 * minutes:
            return
        yield number


def growth(samples: Sequence[Sample], name: str) -> tuple[float, float, float]:
    """The medians of the first and the last tenth of the samples, and the slope of all in units an hour."""
    values = [float(getattr(sample, name)) for sample in samples]
    tenth = max(1, len(values) // 10)
    slope = float(np.polyfit([sample.seconds / 3600 for sample in samples], values, 1)[0])
    return statistics.median(values[:tenth]), statistics.median(values[-tenth:]), slope


def main() -> None:
    """The command."""
    parser = harness.parser("Edit for a long time in one process, and see whether anything grows.")
    parser.add_argument("--minutes", type=float, default=30, help="how long (default: 30)")
    parser.add_argument("--frames", type=int, default=24, help="frames in a clip (default: 24)")
    parser.add_argument("--sizes", default=SIZES, metavar="WxH,...", help=f"of the clips (default: {SIZES})")
    parser.add_argument("--model", default="nano", help="a checkpoint's name or folder (default: nano)")
    parser.add_argument(
        "--more-memory", type=float, default=1.05, metavar="TIMES", help="what is let pass (default: 1.05)"
    )
    parser.add_argument("--series", type=Path, metavar="CSV", help="also write what each round left")
    options = parser.parse_args()
    quieten_libraries(verbose=False)
    # A job in the background of a script ignores Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    samples, total = [], Counts()
    folder = Path(tempfile.mkdtemp(prefix="movie-soak-"))
    try:
        os.environ["MOVIE_HOME"] = str(folder / "home")
        clips = make_clips(folder, options.frames, options.sizes.split(","))
        broken = broken_sources(folder, clips[0])
        editors, began = Editors(), time.monotonic()
        for number in rounds(options.minutes):
            done = run_round(folder, clips, broken, options.model, editors)
            for field in fields(Counts):
                setattr(total, field.name, getattr(total, field.name) + getattr(done, field.name))
            if number >= WARM_UP:
                samples.append(look(began))
                if options.series is not None:
                    write_series(options.series, samples)
        left = sorted(path.name for path in folder.iterdir() if path.name.startswith((".", "never")))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report(samples, total, left, options.more_memory, options.json)


def write_series(path: Path, samples: Sequence[Sample]) -> None:
    """All samples so far, one a line."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(field.name for field in fields(Sample))
        writer.writerows(astuple(sample) for sample in samples)


def report(samples: Sequence[Sample], total: Counts, left: Sequence[str], more_memory: float, as_json: bool) -> None:
    """Show what was found; ends with an error where something grew."""
    values: dict[str, object] = {
        "minutes": samples[-1].seconds / 60,
        "rounds": len(samples) + WARM_UP,
        **vars(total),
        "python_threads": threading.active_count(),
    }
    grown = [f"files left behind: {', '.join(left)}"] if left else []
    for name, limit in (("threads", 1.0), ("files", 1.0), ("memory", more_memory)):
        first, last, slope = growth(samples, name)
        if last > first * limit:
            grown.append(f"{name} grew from {first:g} to {last:g}")
        unit, label = (2**20, "memory_mb") if name == "memory" else (1, name)
        values |= {f"{label}_first": first / unit, f"{label}_last": last / unit, f"{label}_an_hour": slope / unit}
    harness.show(values, as_json)
    if grown:
        sys.exit(f"error: {'; '.join(grown)}")


if __name__ == "__main__":
    main()
