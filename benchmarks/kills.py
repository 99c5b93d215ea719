"""An edit killed with SIGKILL at random moments, each followed by `--resume`: are the frames the uninterrupted ones?

    python benchmarks/kills.py CLIP --kills 20 --duration 60f --segment-frames 6
    python -c "from pathlib import Path; from tests import tiny; tiny.recurrent(Path('tiny'))"
    python benchmarks/kills.py CLIP --model tiny --anchors scene --still 2 --batch-size 3

What it does not know itself goes to `movie edit`, such as the anchors. The second line makes a random recurrent
checkpoint.

Every edit is the real program in a process forked after the imports, so that the kills fall into the work and not into
the start-up; every second one falls after the first segment is kept. Ends with an error at the first output that is not
whole, not equal, or leaves anything else behind.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import av
import harness

from movie_cli.cli import main as movie

OUTPUT, LOG = "out.mp4", "log"


def start(*arguments: str) -> int:
    """Begin an edit; its process."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 1)
            os.dup2(log, 2)
            code = movie(list(arguments))
        finally:
            os._exit(code)
    return process


def end(process: int) -> int:
    """Wait for an edit; its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def wait_for_segment(process: int) -> None:
    """Return when the first segment is kept, or the edit is over."""
    folder = Path(f".{OUTPUT}.movie")
    while not any(path.stem.isdecimal() for path in folder.glob("*.json")):
        if os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(0.005)


def frames(path: str) -> list[tuple[int | None, str]]:
    """Timestamps and hashes of all frames."""
    with av.open(path) as container:
        container.streams.video[0].thread_type = "NONE"
        return [
            (frame.pts, hashlib.sha256(frame.to_ndarray(format="rgb24").tobytes()).hexdigest())
            for frame in container.decode(video=0)
        ]


def check(expected: list[tuple[int | None, str]]) -> None:
    """Compare the output, and look for anything else."""
    left = sorted(path.name for path in Path().iterdir() if path.name not in {LOG, "home"})
    if left != [OUTPUT] or frames(OUTPUT) != expected:
        sys.exit(f"error: after a resumed edit there are {left}, or other frames")


def main() -> None:
    """The command."""
    parser = harness.parser("Kill edits at random moments and resume them.")
    parser.add_argument("clip", type=Path, help="the video to edit")
    parser.add_argument("--kills", type=int, default=20, help="how many (default: 20)")
    parser.add_argument("--duration", default="60f", help="how much of it (default: 60f)")
    parser.add_argument("--segment-frames", type=int, default=6, help="frames in a segment (default: 6)")
    parser.add_argument("--model", default="nano", help="a checkpoint's name or folder (default: nano)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    options, more = parser.parse_known_args()
    # Imported before any fork; torch starts no threads before it computes.
    import movie_cli.editing.video  # noqa: F401

    model = str(Path(options.model).absolute()) if Path(options.model).is_dir() else options.model
    edit = ["edit", str(options.clip.absolute()), "make it winter", "-o", OUTPUT, "--no-cache", "--progress", "none"]
    edit += ["--duration", options.duration, "--segment-frames", str(options.segment_frames), "--model", model, *more]
    moments = random.Random(options.seed)  # noqa: S311 - nothing secret
    resumed: list[int] = []
    with tempfile.TemporaryDirectory(prefix="movie-kills-") as folder:
        os.environ["MOVIE_HOME"] = f"{folder}/home"
        os.chdir(folder)
        began = time.monotonic()
        process = start(*edit)
        wait_for_segment(process)
        kept = time.monotonic() - began
        if end(process):
            sys.exit(Path(LOG).read_text())
        length, expected = time.monotonic() - began, frames(OUTPUT)
        tries = 0
        Path(OUTPUT).unlink()
        while len(resumed) < options.kills:
            process = start(*edit)
            tries += 1
            if tries % 2:
                wait_for_segment(process)
                time.sleep(moments.uniform(0, 0.9) * max(0.0, length - kept))
            else:
                time.sleep(moments.uniform(0.05, 0.95) * length)
            os.kill(process, signal.SIGKILL)
            if end(process) == 0 or sorted(Path().glob(f"*{OUTPUT}*")) == [Path(OUTPUT)]:
                length *= 0.9  # it was done already
                check(expected)
            elif end(start(*edit, "--resume", "--json")):
                sys.exit(Path(LOG).read_text())
            else:
                check(expected)
                events = [json.loads(line) for line in Path(LOG).read_text().splitlines() if line.startswith("{")]
                resumed.append(events[-1]["resumed"])
            Path(OUTPUT).unlink()
        os.chdir("/")
    harness.show({"kills": options.kills, "equal": len(resumed), "frames resumed": sorted(resumed)}, options.json)


if __name__ == "__main__":
    main()
