"""The command `python -m tools.media_survey`: what `movie edit` makes of every file in some folders.

Each file is edited by the real command in a process of its own, and what came out is looked at twice: by `probe`
(size, streams, duration) and by Debian's or any other installed `ffmpeg`, which decodes all of it and must not say a
word. The result is a table in Markdown, one line a file. A file that is refused counts as well treated if its exit
code is the contract's for an unreadable source and nothing was left behind. Where a folder's `index.csv` names a
command and what is expected of it, its ending and codec are taken, and the table shows both. Needs ffmpeg on the path.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from movie_cli import media
from movie_cli.errors import MovieError, SourceError, UsageError
from movie_cli.media import SourceInfo
from tools.command import run_movie

REFUSED = 3
"""The contract's exit code for a source that cannot be read."""

_WHOLE = 3600.0
"""Seconds, more than any of the files has."""

_SKIPPED = {".csv", ".md", ".txt"}
_SLACK = 0.1
"""Seconds by which an output may be shorter or longer than the part that was asked for, beside one frame."""


@dataclass(frozen=True)
class Entry:
    """One file's line: what it is, what came out, and what is wrong with it (empty where all is well).

    `wanted` is what somebody expected of it.
    """

    name: str
    source: str
    exit_code: int
    output: str
    messages: tuple[str, ...]
    faults: tuple[str, ...]
    wanted: str = ""


def survey(
    path: Path, duration: float, ending: str, timeout: float, *, identity: bool = False, extra: Sequence[str] = ()
) -> Entry:
    """Edit the first `duration` seconds of `path` into a file with that `ending`, and look at what came of it.

    `extra` are options of the command.
    """
    with tempfile.TemporaryDirectory(prefix="movie-survey-") as folder:
        out = Path(folder) / f"out{ending}"
        words = ["edit", "--json", "--no-cache", *extra, "--duration", f"{duration:g}s"]
        words += ["-o", str(out), "--", str(path), "sepia"]
        done = run_movie(words, timeout, identity=identity)
        if done.exit_code is None:
            return Entry(path.name, _describe(path), -1, "", (), (f"no end within {timeout:g} s",))
        messages, error = _told(done.stdout)
        left = sorted(item.name for item in Path(folder).iterdir() if item != out)
        faults = [f"left behind: {', '.join(left)}"] if left else []
        if done.exit_code:
            if done.exit_code != REFUSED or not error:
                faults.append(f"exit code {done.exit_code}: {done.stderr.strip()[-200:]}")
            if out.exists():
                faults.append("there is an output all the same")
            shown = error.replace(f"{path}: ", "").replace(str(path), path.name)
            return Entry(path.name, _describe(path), done.exit_code, "", (shown,), tuple(faults))
        try:
            with media.local_source(path) as local:
                before = media.probe(local)
            after = media.probe(out)
        except MovieError as trouble:
            return Entry(path.name, _describe(path), 0, "", tuple(messages), (*faults, str(trouble)))
        faults += compare(before, after, duration, broken=any("edited what could be read" in text for text in messages))
        faults += _player(out)
        messages = [text.replace(f"{path}: ", "").replace(str(path), path.name) for text in messages]
        return Entry(path.name, describe(before), 0, describe(after), tuple(messages), tuple(faults))


def compare(before: SourceInfo, after: SourceInfo, duration: float, *, broken: bool) -> list[str]:
    """What is not as it should be in an output that kept the source's size; `broken` sources may end early."""
    faults = []
    if before.video.presentation_size != after.video.presentation_size:
        faults.append(f"shown as {after.video.presentation_size} instead of {before.video.presentation_size}")
    length, expected = after.video.duration, before.video.duration
    if expected is None or length is None:
        length, expected = after.duration, before.duration
    if expected is not None and length is not None:
        expected = min(expected, duration)
        frame = float(1 / (before.video.average_rate or 10)) * (4 if before.video.variable else 1)
        if length > expected + frame + _SLACK or (length < expected - frame - _SLACK and not broken):
            faults.append(f"lasts {length:.2f} s instead of {expected:.2f} s")
    for kind in ("audio", "subtitle"):
        # A stream of which the file does not say what it is cannot be carried over.
        had, has = (sum(stream.codec is not None for stream in info.of_kind(kind)) for info in (before, after))
        if had != has:
            faults.append(f"{has} {kind} streams instead of {had}")
    return faults


def describe(info: SourceInfo) -> str:
    """One file in a few words."""
    video = info.video
    width, height = video.display_size
    parts = [f"{video.codec} {width}x{height} {video.pix_fmt}"]
    if video.rotation:
        parts.append(f"turned {video.rotation}°")
    if not video.square_pixels:
        parts.append(f"pixels {video.sample_aspect_ratio.numerator}:{video.sample_aspect_ratio.denominator}")
    length = video.duration or info.duration
    parts.append("length unknown" if length is None else f"{length:.2f} s")
    kinds = [stream.kind for stream in info.streams]
    parts += [f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)]
    return ", ".join(parts)


def table(groups: Iterable[tuple[str, Sequence[Entry]]]) -> str:
    """All entries as Markdown, one table a folder."""
    lines: list[str] = []
    for heading, entries in groups:
        well = sum(not entry.faults for entry in entries)
        lines += [f"### {heading}: {well} of {len(entries)} as they should be", ""]
        wanted = any(entry.wanted for entry in entries)
        names = ("file", "what it is", *(("expected",) if wanted else ()), "exit", "output", "said")
        lines += ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
        for entry in entries:
            said = "; ".join((*(f"**{fault}**" for fault in entry.faults), *entry.messages))
            expected = (entry.wanted,) if wanted else ()
            cells = (entry.name, entry.source, *expected, str(entry.exit_code), entry.output or "none", said)
            lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _describe(path: Path) -> str:
    try:
        with media.local_source(path) as local:
            return describe(media.probe(local))
    except MovieError:
        return f"{path.stat().st_size} bytes"


_USUAL = ("nano on ", "sepia")


def _told(stdout: str) -> tuple[list[str], str]:
    """The messages beyond the usual ones, and the error if there is one."""
    messages, error = [], ""
    for line in stdout.splitlines():
        event = json.loads(line)
        if event.get("type") == "error":
            error = str(event["message"])
        elif event.get("type") == "message" and not str(event["text"]).startswith(_USUAL):
            messages.append(str(event["text"]))
    return messages, error


def _player(out: Path) -> list[str]:
    """What ffmpeg says while it decodes all of an output."""
    command = ["ffmpeg", "-v", "error", "-i", f"file:{out}", "-map", "0", "-map", "-0:d?", "-map", "-0:t?"]
    command += ["-map", "-0:s?", "-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, check=False, text=True, stdin=subprocess.DEVNULL)  # noqa: S603
    if done.returncode or done.stderr.strip():
        return [f"ffmpeg: {done.stderr.strip().splitlines()[0] if done.stderr.strip() else done.returncode}"]
    return []


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0 where every file was treated well, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.media_survey",
        description="Edit the beginning of every file in some folders and write a table of what came out.",
    )
    add = parser.add_argument
    add("folders", nargs="+", type=Path, metavar="FOLDER", help="folders of videos")
    add("--duration", type=float, default=1.5, metavar="SECONDS", help="how much of each (default: 1.5)")
    add("--ending", default=".mp4", metavar=".EXT", help="kind of output (default: .mp4)")
    add("--identity", action="store_true", help="leave the network out: quick, and the files are the same otherwise")
    add("--only", default="", metavar="TEXT", help="only files whose names contain this")
    add("--timeout", type=float, default=300.0, metavar="SECONDS", help="for one file (default: 300)")
    add("-o", "--output", type=Path, metavar="FILE", help="Markdown file whose part below the marker is replaced")
    options = parser.parse_args(arguments)
    try:
        groups = _run(options)
    except MovieError as error:
        sys.stderr.write(f"error: {error}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        return error.exit_code
    text = table(groups)
    if options.output is None:
        sys.stdout.write(text + "\n")
    else:
        write_below_marker(options.output, text)
    return int(any(entry.faults for _, entries in groups for entry in entries))


MARKER = "<!-- made by python -m tools.media_survey -->"


def write_below_marker(path: Path, text: str) -> None:
    """Replace everything after the marker's line in `path`, or append both."""
    before = path.read_text(encoding="utf-8").split(MARKER)[0].rstrip() if path.exists() else ""
    path.write_text(f"{before}\n\n{MARKER}\n\n{text.rstrip()}\n".lstrip(), encoding="utf-8")


def _index(folder: Path) -> dict[str, tuple[str, tuple[str, ...], str]]:
    """What a folder's `index.csv` says of its files: the output's ending, options, and what is expected."""
    index = folder / "index.csv"
    if not index.exists():
        return {}
    with index.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("command") and row.get("expected")]
    asked = {}
    for row in rows:
        words = shlex.split(row["command"])
        out = words.index("-o") + 1
        extra = words[words.index("--codec") :][:2] if "--codec" in words else []
        asked[row["file"]] = (Path(words[out]).suffix, tuple(extra), row["expected"])
    return asked


def _run(options: argparse.Namespace) -> list[tuple[str, list[Entry]]]:
    if shutil.which("ffmpeg") is None:
        raise UsageError("ffmpeg is not installed", "it is the player that judges the outputs")
    os.environ.setdefault("MOVIE_HOME", tempfile.mkdtemp(prefix="movie-survey-home-"))
    groups = []
    for folder in options.folders:
        if not folder.is_dir():
            raise SourceError(f"{folder} is not a folder", "name a folder of videos")
        files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix not in _SKIPPED)
        entries, asked = [], _index(folder)
        for path in files:
            if options.only in path.name:
                ending, extra, wanted = asked.get(path.name, (options.ending, (), ""))
                # What somebody asked for is done as it was asked, whole.
                length = _WHOLE if wanted else options.duration
                found = survey(path, length, ending, options.timeout, identity=options.identity, extra=extra)
                entries.append(dataclasses.replace(found, wanted=wanted))
                entry = entries[-1]
                sys.stderr.write(f"{entry.exit_code} {entry.name} {'; '.join(entry.faults)}\n")
        groups.append((folder.name, entries))
    return groups


if __name__ == "__main__":
    sys.exit(main())
