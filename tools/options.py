"""What the commands of this folder share: options, held-out photographs, written files, an error in two lines."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from movie_cli.errors import MovieError, OutputError, SourceError, UsageError
from movie_cli.train import bank
from movie_cli.train.bank import paint
from movie_cli.train.photos import PhotoFolder

CLIP_SUFFIXES = (".mp4", ".mkv", ".webm", ".mov")


def parser(
    description: str, *, photos: str = "folder of photographs; names ending in 0 are used"
) -> argparse.ArgumentParser:
    """A parser with the options that every command has: photographs, edits, device and number type."""
    result = argparse.ArgumentParser(description=description)
    add = result.add_argument
    add("--photos", type=Path, required=True, metavar="DIR", help=photos)
    add("--teachers", type=Path, metavar="DIR", help="folder of the style teacher, for the targets of painted looks")
    add("--paintings", type=Path, metavar="DIR", help="folder of the paintings that it paints with")
    add("--edits", type=names, default=list(bank.BANK), help="comma-separated (default: the whole bank)")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    add("--dtype", default="auto", help="auto, float32, bfloat16 or float16")
    return result


def names(text: str) -> list[str]:
    """The names of a comma-separated list."""
    return [name.strip() for name in text.split(",") if name.strip()]


def at_least(least: int) -> Callable[[str], int]:
    """A whole number, for an option's type."""

    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{text} is below {least}")
        return value

    return number


def use_painter(options: argparse.Namespace) -> None:
    """Name the style teacher's folders, if they were given.

    Raises:
        ModelError: one of its files is missing, or another one.
    """
    if options.teachers and options.paintings:
        paint.use(options.teachers, options.paintings)


def known_edits(edits: Sequence[str]) -> list[str]:
    """The edits, all of them in the bank.

    Raises:
        UsageError: one is not, or there is none.
    """
    if not edits:
        raise UsageError("no edits are named", "leave --edits out for the whole bank")
    return [bank.get(name).name for name in edits]


def parts_of(asked: str, known: Sequence[str]) -> set[str]:
    """The parts of a report that `--only` asks for, all of them if none.

    Raises:
        UsageError: one is not known.
    """
    wanted = set(names(asked)) or set(known)
    if not wanted <= set(known):
        raise UsageError(f"there is no part {', '.join(sorted(wanted - set(known)))}", f"there are {', '.join(known)}")
    return wanted


def pick(paths: Sequence[Path], count: int) -> list[Path]:
    """`count` of the paths, evenly spaced; all of them if there are no more."""
    count = min(count, len(paths))
    return [paths[k * len(paths) // count] for k in range(count)]


def held_out_photographs(folder: Path) -> list[Path]:
    """The photographs of a folder that were kept out of training, by name.

    Raises:
        SourceError: there is no such folder, or no such photograph.
    """
    found = PhotoFolder(folder).paths(held_out=True)
    if not found:
        raise SourceError(f"{folder} holds no held-out photographs", "their names end in 0")
    return found


def clip_files(folder: Path) -> list[Path]:
    """The video files of a folder, in the order of their names.

    Raises:
        SourceError: there are none.
    """
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in CLIP_SUFFIXES)
    if not found:
        raise SourceError(f"{folder} holds no clips", f"give a folder of {', '.join(CLIP_SUFFIXES)} files")
    return found


def write(path: Path, data: str | bytes) -> None:
    """Write a file, its folder too.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}", "give a folder you may write to") from error


def end(work: Callable[[], str]) -> int:
    """Do the work and write what it returns to standard output; returns the exit code, after an error with its hint."""
    try:
        sys.stdout.write(work())
    except MovieError as error:
        sys.stderr.write(f"error: {error}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        return error.exit_code
    return 0
