"""Numbered pictures as a video: names such as `frame_%04d.png`, as ffmpeg writes them.

A name counts as a sequence only where its ending is a picture's and no file has that very name. The numbers may begin
anywhere; the first gap ends the sequence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from movie_cli.errors import SourceError

DEFAULT_RATE = 25
"""Frames a second of a sequence, as ffmpeg assumes."""

WRITTEN = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
"""Endings of pictures that are written one by one."""

_READ = WRITTEN | {".webp", ".jp2", ".j2k", ".jls", ".jxl", ".avif", ".dpx", ".exr", ".hdr", ".tga", ".sgi", ".qoi"}
_READ |= {".pam", ".pbm", ".pgm", ".ppm", ".pfm", ".pcx", ".psd", ".dds", ".ras", ".xbm", ".xpm", ".xwd", ".gif"}

_PLACE = re.compile(r"%(?:0(\d{1,2}))?d")


@dataclass(frozen=True)
class Sequence:
    """The pictures of a sequence: first number, how many follow one another, and how many come after a gap."""

    pattern: Path
    start: int
    count: int
    beyond: int
    size_bytes: int


def is_pattern(path: str | Path, endings: frozenset[str] = _READ) -> bool:
    """Whether a name has a place for a number, one of the `endings`, and is not the name of a file."""
    path = Path(path)
    try:
        return path.suffix.lower() in endings and len(_PLACE.findall(path.name)) == 1 and not path.exists()
    except (OSError, ValueError):
        return False


def file_names(pattern: Path) -> re.Pattern[str]:
    """What the names of a sequence's files look like; the number is group 1."""
    before, digits, after = _PLACE.split(pattern.name, maxsplit=1)
    # As printf counts: at least so many digits, more only without a leading zero.
    width = int(digits or 1)
    number = rf"(\d{{{width}}}|[1-9]\d{{{width},17}})" if digits else r"(0|[1-9]\d{0,17})"
    return re.compile(re.escape(before.replace("%%", "%")) + number + re.escape(after.replace("%%", "%")))


def files_of(path: Path) -> list[Path]:
    """The file itself, or the pictures of a pattern in the order of their numbers; none where the folder has gone."""
    if not is_pattern(path):
        return [path]
    names = file_names(path)
    try:
        return sorted(entry for entry in path.parent.iterdir() if names.fullmatch(entry.name))
    except OSError:
        return []


def find(pattern: Path) -> Sequence:
    """Look for the pictures.

    Raises:
        SourceError: there are none, or the folder cannot be read.
    """
    names = file_names(pattern)
    try:
        entries = [
            (int(match[1]), entry) for entry in pattern.parent.iterdir() if (match := names.fullmatch(entry.name))
        ]
        entries.sort()
        count = 0
        while count < len(entries) and entries[count][0] == entries[0][0] + count:
            count += 1
        size = sum(entry.stat().st_size for _, entry in entries[:count])
    except OSError as error:
        raise SourceError(f"the folder of {pattern} cannot be read: {error.strerror}", "check its name") from error
    if not entries:
        raise SourceError(
            f"no file has a name like {pattern}", "%04d stands for a number of at least four digits, as in 0001"
        )
    return Sequence(pattern, entries[0][0], count, len(entries) - count, size)
