"""Giving a finished output its name.

Promises that a file stands under its name whole, and that a file nobody agreed to replace is not replaced, even if it
appeared a moment ago (see `movie_cli.files.rename_new`).
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from movie_cli.errors import UsageError
from movie_cli.files import rename_new
from movie_cli.media.outfile import output_error
from movie_cli.media.sequence import files_of

Ready = Callable[[Path], None]


@dataclass(frozen=True)
class Naming:
    """What happens when an output gets its name.

    `ready` is called with the finished file, or the first picture, just before. `replace` says whether what has the
    name may be replaced, and `keep` whether the output is kept under another name where it may not.
    """

    ready: Ready | None = None
    replace: bool = True
    keep: bool = False


def publish(temporary: Path, out: Path, naming: Naming, *, numbered: bool) -> tuple[int, list[str]]:
    """Give a finished file, or if `numbered` all pictures beside it, the output's name.

    Args:
        temporary: The hidden file, or the pattern of pictures in a hidden folder.
        out: The name, or the pattern of names.
        naming: What may happen.
        numbered: Whether the output is numbered pictures.

    Returns:
        Its size in bytes, and what is to be told.

    Raises:
        UsageError: something has the name and may not be replaced.
        OutputError: it cannot be renamed.
    """
    try:
        if not numbered:
            return publish_file(temporary, out, naming.ready, replace=naming.replace), []
        size, older = publish_sequence(temporary, out, naming.ready, replace=naming.replace)
    except FileExistsError as error:
        hint = "move it away, or replace it with -y"
        if naming.keep:
            hint = f"the finished output is kept as {_keep(temporary, out, numbered)}"
        raise UsageError(f"{out} exists: it has come into being meanwhile", hint) from error
    except OSError as error:
        raise output_error(out, error) from error
    return size, [f"{older} older pictures named like {out.name} are left beside them"] if older else []


def publish_file(temporary: Path, out: Path, ready: Ready | None = None, *, replace: bool) -> int:
    """Give a finished file its name, once it is on the disk; returns its size in bytes.

    Raises:
        FileExistsError: something has the name, and not `replace`.
        OSError: it cannot be renamed.
    """
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    size = temporary.stat().st_size
    if ready is not None:
        ready(temporary)
    if not replace:
        rename_new(temporary, out)
        return size
    if out.exists():
        temporary.chmod(stat.S_IMODE(out.stat().st_mode))
    temporary.replace(out)
    return size


def publish_sequence(temporary: Path, out: Path, ready: Ready | None = None, *, replace: bool) -> tuple[int, int]:
    """Give finished pictures their names, the first one last, so that a sequence with a first picture is whole.

    Returns their size in bytes, and how many pictures of that sequence were there already and are not replaced.

    Raises:
        FileExistsError: one's name is taken, and not `replace`; none has its name then.
        OSError: one cannot be renamed.
    """
    files = sorted(temporary.parent.iterdir())
    if ready is not None:
        ready(files[0])
    size = 0
    named: list[Path] = []
    try:
        for file in reversed(files):
            size += publish_file(file, out.parent / file.name, replace=replace)
            named.append(file)
    except FileExistsError:
        for file in named:
            (out.parent / file.name).replace(file)
        raise
    temporary.parent.rmdir()
    return size, len(files_of(out)) - len(files)


def _keep(temporary: Path, out: Path, numbered: bool) -> Path:
    """Give what is finished another name beside its own; where it is then."""
    stem = os.fsencode(out.stem.replace("%", "") if numbered else out.stem)[:180].decode(errors="ignore")
    name = out.with_name(f"{stem}.{secrets.token_hex(4)}")
    if numbered:
        temporary.parent.rename(name)
        return name / out.name
    name = Path(f"{name}{out.suffix}")
    rename_new(temporary, name)
    return name
