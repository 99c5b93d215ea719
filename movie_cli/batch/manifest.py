"""Jobs as people write them down: JSON lines, CSV, a folder of videos or a list of them with one instruction for all.

Promises plain jobs with the place each was written at, so that a complaint can name it, and outputs that stay inside
one folder unless that is allowed: a manifest may come from a stranger.
"""

from __future__ import annotations

import csv
import functools
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import BinaryIO

from movie_cli import remote
from movie_cli.errors import SourceError, UsageError
from movie_cli.options import STREAM

READABLE_ENDINGS = frozenset((".m2ts", ".3g2", ".mpg", ".mpeg", ".vob", ".wmv", ".asf", ".ogv", ".mxf", ".y4m", ".qt"))
"""Endings by which videos are found in a folder, beside those that an output may share with its source."""
LONGEST_LINE = 1 << 20

OptionValue = str | int | float | bool | list[str]


@dataclass(frozen=True)
class WrittenJob:
    """One job as written: `where` names the place, `options` has keys with underscores."""

    where: str
    source: str
    instruction: str | None
    output: str | None
    options: Mapping[str, OptionValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """All jobs, and the folder from which their relative sources count."""

    jobs: tuple[WrittenJob, ...]
    folder: Path


def read_manifest(name: str, instruction: str | None, out_dir: str | None, *, null: bool = False) -> Manifest:
    """Read jobs from a `.jsonl` or `.csv` file, a folder here or in a store, or `-` for standard input.

    There each line is a job as JSON or the path of a source; with `null`, paths end with NUL instead. `instruction` is
    for jobs without one. What lies in `out_dir` is no source.

    Raises:
        UsageError: a line cannot be understood; the message names it.
        SourceError: the file is missing or cannot be read.
    """
    if remote.is_url(name):
        if instruction is None:
            raise UsageError(f"there is no instruction for what is in {name}", f'movie batch {name} "make it winter"')
        return Manifest(tuple(_from_store(name, instruction, out_dir)), Path.cwd())
    if name == STREAM:
        return Manifest(tuple(_with(instruction, _from_stream(sys.stdin.buffer, null))), Path.cwd())
    path = Path(name)
    try:
        if path.is_dir():
            if instruction is None:
                raise UsageError(
                    f"{name} is a folder, and there is no instruction for what is in it",
                    f'movie batch {name} "make it winter" --out-dir edited',
                )
            return Manifest(tuple(_from_folder(path, instruction, out_dir)), Path.cwd())
        with path.open(encoding="utf-8-sig", newline="") as file:
            jobs = _from_csv(file, name) if path.suffix.lower() == ".csv" else _from_lines(file, name)
            return Manifest(tuple(_with(instruction, jobs)), path.parent)
    except FileNotFoundError as error:
        raise SourceError(f"{name} does not exist", "give a .jsonl or .csv file, a folder, or -") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not text in UTF-8", "give a .jsonl or .csv file, a folder, or -") from error
    except OSError as error:
        raise SourceError(f"{name} cannot be read: {error.strerror}", "check its permissions") from error


def _with(instruction: str | None, jobs: Iterable[WrittenJob]) -> Iterator[WrittenJob]:
    for job in jobs:
        yield job if job.instruction else WrittenJob(job.where, job.source, instruction, job.output, job.options)


def _from_lines(lines: Iterable[str], name: str) -> Iterator[WrittenJob]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _from_line(line, f"{name}, line {number}")


def _from_line(line: str, where: str) -> WrittenJob:
    if len(line) > LONGEST_LINE:
        raise UsageError(f"{where} is longer than {LONGEST_LINE} characters", "one line is one job")
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} is not JSON: {error}", "one line is one job, an object in braces") from error
    if not isinstance(values, dict):
        raise UsageError(f"{where} is not an object", '{"source": "a.mp4", "instruction": "make it winter"}')
    return _job(values, where)


def _from_stream(stream: BinaryIO, null: bool) -> Iterator[WrittenJob]:
    """Jobs as JSON and paths, as `find` prints them: names of files are bytes."""
    for number, line in enumerate(stream.read().split(b"\0" if null else b"\n"), 1):
        text = os.fsdecode(line) if null else os.fsdecode(line.removeprefix(b"\xef\xbb\xbf")).rstrip("\r")
        where = f"standard input, {'entry' if null else 'line'} {number}"
        if not null and text.lstrip().startswith("{"):
            yield _from_line(text, where)
        elif text.strip():
            yield _from_path(text, where)


def _from_path(text: str, where: str) -> WrittenJob:
    """A source alone; a relative path keeps its folders below the outputs' folder."""
    path = Path(text)
    if remote.is_url(text) or not path.name or path.name == "..":
        return WrittenJob(where, text, None, None)
    inner = Path(path.name) if path.is_absolute() or ".." in path.parts else path
    return WrittenJob(where, text, None, str(inner.with_name(output_name(path.name))))


def _from_csv(file: io.TextIOBase | Iterable[str], name: str) -> Iterator[WrittenJob]:
    rows = csv.DictReader(file, strict=True)
    try:
        for row in rows:
            where = f"{name}, line {rows.line_num}"
            if None in row:
                raise UsageError(f"{where} has more cells than the first line has names", "quote cells with commas")
            yield _job({key: value for key, value in row.items() if value not in {None, ""}}, where)
    except csv.Error as error:
        raise UsageError(f"{name}, line {rows.line_num} is not CSV: {error}", "quote cells with commas") from error


def _job(values: Mapping[str, object], where: str) -> WrittenJob:
    options: dict[str, OptionValue] = {}
    for key, value in values.items():
        option = str(key).strip().lstrip("-").replace("-", "_").lower()
        if value is None:
            continue
        if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
            options[option] = [str(item) for item in value]
        elif isinstance(value, str | int | float):
            options[option] = value
        else:
            raise UsageError(f"{where}: {key} is neither text, number, true or false, nor a list of texts")
    source, instruction, output = (options.pop(name, None) for name in ("source", "instruction", "output"))
    if not isinstance(source, str) or not source:
        raise UsageError(f"{where} has no source", 'each job says "source", "instruction" and, if you like, "output"')
    for name, text in (("instruction", instruction), ("output", output)):
        if text is not None and not isinstance(text, str):
            raise UsageError(f"{where}: {name} is not text")
    return WrittenJob(
        where, source, str(instruction) if instruction else None, str(output) if output else None, options
    )


def _from_folder(folder: Path, instruction: str, out_dir: str | None) -> Iterator[WrittenJob]:
    """All videos below, in the order of their names; hidden files and folders are left out."""
    apart = Path(out_dir).resolve() if out_dir is not None and not remote.is_url(out_dir) else None
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and (Path(root) / name).resolve() != apart
        )
        for name in sorted(files):
            path = Path(root) / name
            if not name.startswith(".") and _is_video(path):
                output = path.relative_to(folder)
                yield WrittenJob(str(path), str(path), instruction, str(output.with_name(output_name(name))))


def _from_store(folder: str, instruction: str, out_dir: str | None) -> Iterator[WrittenJob]:
    """All videos below a folder of a store."""
    apart = f"{out_dir.rstrip('/')}/" if out_dir is not None and remote.is_url(out_dir) else None
    for url in remote.files_below(folder):
        inner = PurePosixPath(url[len(folder.rstrip("/")) + 1 :])
        if _is_video(inner) and not (apart and url.startswith(apart)):
            yield WrittenJob(url, url, instruction, str(inner.with_name(output_name(inner.name))))


def output_name(source: str) -> str:
    """What the edit of a source is called where nothing is said: its own name, in a container that can be written."""
    path = Path(source)
    return path.name if path.suffix.lower() in _written() else f"{path.name}.mp4"


@functools.cache
def _written() -> frozenset[str]:
    """Endings that an output may share with its source: of films, and of GIF."""
    from movie_cli.media.containers import CONTAINERS

    return frozenset(ending for ending, each in CONTAINERS.items() if not each.only_video or ending == ".gif")


def _is_video(path: PurePath) -> bool:
    return path.suffix.lower() in _written() | READABLE_ENDINGS


def _place_in_store(job: WrittenJob, name: str, out_dir: str, *, outside: bool) -> str:
    """The URL of an output, judged by its words: a store knows neither links nor parents."""
    root = f"{out_dir.rstrip('/')}/"
    url = name if remote.is_url(name) else root + name
    parts = PurePosixPath(url.removeprefix(root)).parts
    if not outside and (not url.startswith(root) or ".." in parts or name.startswith("/")):
        raise UsageError(
            f"{job.where}: the output {url} is outside {out_dir}", "--allow-outside allows it, --out-dir moves it"
        )
    return url


def place(job: WrittenJob, sources: Path, out_dir: str, *, outside: bool) -> tuple[str, str]:
    """The job's source and output as paths or URLs. Links are followed before the output's place is judged.

    Raises:
        UsageError: the output is outside `out_dir` and may not be; or one of both is a pipe.
    """
    if STREAM in {job.source, job.output}:
        raise UsageError(f"{job.where}: - is for one edit, not for many", "name a file")
    far = remote.is_url(job.source)
    source = job.source if far else str(sources / job.source)
    name = job.output or output_name(remote.file_name(source) if far else source)
    if remote.is_url(out_dir) or remote.is_url(name):
        return source, _place_in_store(job, name, out_dir, outside=outside)
    output = str(Path(out_dir) / name)
    try:
        inside = Path(os.path.realpath(output)).is_relative_to(os.path.realpath(out_dir))
    except ValueError as error:
        raise UsageError(f"{job.where}: {job.output!r} is no file name", "take another name") from error
    if not inside and not outside:
        raise UsageError(
            f"{job.where}: the output {output} is outside {out_dir}", "--allow-outside allows it, --out-dir moves it"
        )
    return source, output
