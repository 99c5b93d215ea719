"""An edit of a made film: the command as typed, and what it asks for."""

from __future__ import annotations

import contextlib
import io
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.films import Case
from tests.fuzz.looking import Look, look
from tools.command import run_without_network


@dataclass(frozen=True)
class Run:
    """One call of the command."""

    code: int
    said: str
    left: tuple[str, ...]
    result: Look | None


def edit(case: Case, source: Path, out: Path) -> Run:
    """Run the command as typed, but for the network."""
    for path in set(out.parent.iterdir()) - {source}:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    said = io.StringIO()
    words = ["edit", "--no-cache", "--progress", "none", "--encoder-preset", "ultrafast", "--detail", "0"]
    words += ["--size", "source", *(["--codec", case.codec] if case.codec else []), *case.options]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = run_without_network([*words, "-o", str(out), "--", str(source), "sepia"])
    left = sorted(path.name for path in out.parent.iterdir() if path not in {source, out})
    return Run(code, said.getvalue(), tuple(left), look(out) if out.exists() else None)


def asked(case: Case, film: Look) -> tuple[float, float]:
    """The part of the film that is asked for, in seconds after the first picture; frames are counted."""
    values = dict(zip(case.options[::2], case.options[1::2], strict=True))
    shown = [time - film.frames[0][0] for time, _ in film.frames]

    def instant(text: str, begin: float) -> float:
        if not text.endswith("f"):
            return begin + float(text[:-1]) - 1e-6
        left = [time for time in shown if time >= begin - 1e-6]
        left += [left[-1] + more / rate(film) for more in range(1, 20)] if left else [begin] * 20
        return left[int(text[:-1])] - 1e-6

    start = instant(values["--start"], 0) if "--start" in values else 0
    limit = values.get("--end") or values.get("--duration")
    return start, instant(limit, start if "--duration" in values else 0) if limit else 1e9


def rate(film: Look) -> float:
    return (len(film.frames) - 1) / (film.frames[-1][0] - film.frames[0][0])


def kept(case: Case, film: Look) -> list[tuple[float, float]]:
    start, end = asked(case, film)
    zero = film.frames[0][0]
    return [frame for frame in film.frames if start - 1e-6 <= frame[0] - zero < end]


def counts_frames(case: Case) -> bool:
    """Whether the output has no times of its own."""
    return case.ending == ".avi" or case.codec in {"mpeg4", "mpeg2video"}


def anchor(case: Case) -> int:
    """The frame from which times are counted. AVI always begins with the first one, and shows it until the others."""
    return -1 if case.ending == ".avi" else 0


def origin(case: Case, film: Look) -> float:
    """What becomes 0: the part's begin, else the first packet of a transport stream, and 0 itself of other films."""
    if "--start" in case.options:
        return kept(case, film)[0][0]
    return film.begin if case.film.ending == ".ts" else 0.0
