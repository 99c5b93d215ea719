"""What must hold of every edit of a made film, whatever is in it.

No packet is lost without a message, picture and sound keep their distance, there are as many frames as were asked for,
each the right one; a second run ends as the first; another ffmpeg finds the same in the output; every error is one line
with a hint and one of the contract's exit codes.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import av

from tests.fuzz.beside import beside, described
from tests.fuzz.edits import Run, anchor, counts_frames, edit, kept, origin
from tests.fuzz.films import Case, make
from tests.fuzz.looking import FFPROBE, Look, ffprobe_disagrees, look

REFUSED = {2: "empty|cannot hold", 3: "lies in the range|has only", 7: "cannot hold|cannot be copied"}
"""The exit codes that a sound film may end with, and why."""

BRIGHTNESS = 6


def faults(case: Case, folder: Path, *, twice: bool = True) -> list[str] | None:
    """What does not hold, each a few words and a colon before what is this case's own; None: no such film is made."""
    source, out = folder / f"film{case.film.ending}", folder / f"out{case.ending}"
    try:
        make(case.film, source)
        film = look(source)
    except (av.error.FFmpegError, ValueError):
        return None
    if len(film.frames) < 2 or not film.of("video"):
        return None
    run = edit(case, source, out)
    found = _ending(run)
    if run.result is not None:
        found += [*_picture(case, film, run), *beside(case, film, run, source, out), *_file(case, film, run)]
    if run.result is not None and FFPROBE and not _newer(case, run.result):
        found += ffprobe_disagrees(out, run.result, max(case.film.gaps) * float(case.film.step))
    again = edit(case, source, out) if twice else run
    if (again.code, again.result) != (run.code, run.result):
        found.append(f"not the same twice: {run.code} {again.code}: {again.said}")
    return found


def check(case: Case, *, twice: bool = True) -> list[str] | None:
    """`faults` in a folder of their own."""
    with tempfile.TemporaryDirectory(prefix="movie-property-") as folder:
        return faults(case, Path(folder), twice=twice)


def kind_of(fault: str) -> str:
    """A fault without what is a single case's own."""
    return ":".join(fault.split(":")[: 2 if " from " in fault else 1])


def _newer(case: Case, result: Look) -> bool:
    """Whether sound was copied, as asked, that only a newer ffmpeg knows there."""
    return "copy" in case.options and any(
        (case.ending == ".mp4" and track.codec.startswith("pcm")) or (case.ending == ".flv" and track.channels > 2)
        for track in result.of("audio")
    )


def _ending(run: Run) -> list[str]:
    if run.code == 0:
        found = [] if run.result else ["exit 0 without an output: "]
    else:
        error = [line for line in run.said.splitlines() if line.startswith("error: ")]
        hint = [line for line in run.said.splitlines() if line.startswith("hint: ")]
        found = ["an output in spite of an error: "] if run.result else []
        if len(error) != 1 or len(hint) != 1:
            found.append(f"not one line and a hint: {run.said}")
        if not re.search(REFUSED.get(run.code, "$^"), error[0] if error else ""):
            found.append(f"exit {run.code}: {error}")
    return found + ([f"left behind: {run.left}"] if run.left else [])


# -- the picture -------------------------------------------------------------------------------------------------------


def _picture(case: Case, film: Look, run: Run) -> list[str]:
    assert run.result is not None
    wanted, frames = kept(case, film), run.result.frames
    if len(wanted) != len(frames):
        return [f"number of frames: {len(frames)} instead of {len(wanted)}"]
    found = []
    if max(abs(one[1] - other[1]) for one, other in zip(wanted, frames, strict=True)) > BRIGHTNESS:
        found.append(f"not those frames: {[round(x) for _, x in frames]} instead of {[round(x) for _, x in wanted]}")
    unit = run.result.of("video")[0].unit
    if counts_frames(case):
        unit = float(case.film.step)
        if len(case.film.gaps) > 1:
            return found
    base = anchor(case)
    zero, zeros = wanted[base][0], frames[base][0]
    moved = [(one[0] - zero) - (other[0] - zeros) for one, other in zip(wanted, frames, strict=True)]
    if max(map(abs, moved[1:] if base else moved), default=0) > unit + film.of("video")[0].unit + 1e-6:
        found.append(
            f"frames at other times: {[round(t, 4) for t, _ in frames]} for {[round(t, 4) for t, _ in wanted]}"
        )
    return found


def _file(case: Case, film: Look, run: Run) -> list[str]:
    result = run.result
    assert result is not None
    found = described(case, run, film.of("video")[0], result.of("video")[0])
    times = [frame[0] for frame in result.frames]
    if case.ending == ".avi" and len(times) == 1:
        # Such a picture is shown from the beginning, and still until it was to end.
        times.append(kept(case, film)[0][0] - origin(case, film))
    longest = max(result.end, max(times, default=0) + 3 * float(case.film.step))
    if result.length is not None and result.length > longest + 0.1:
        found.append(f"longer than anything in it: {result.length:.2f} s, {longest:.2f} s are there")
    if film.chapters and not case.options and case.ending in {".mp4", ".mov", ".mkv"}:
        within = [c for c in film.chapters if c[0] < film.frames[-1][0] - film.frames[0][0]]
        if len(result.chapters) < len(within) and "chapter" not in run.said:
            found.append(f"chapters lost: {result.chapters} of {film.chapters}")
    if any(end > max(longest, film.end) + 0.1 for _, end in result.chapters):
        found.append(f"chapter past the end: {result.chapters}, {longest:.2f} s")
    return found
