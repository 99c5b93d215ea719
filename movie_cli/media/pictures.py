"""Films that are pictures: numbered ones, with names such as `frame_%04d.png` as ffmpeg writes them, and animated WebP.

A name counts as a sequence only where its ending is a picture's and no file has that very name. The numbers may begin
anywhere; the first gap ends the sequence. Animated WebP ffmpeg does not decode: Pillow decodes it into a lossless
video, in constant memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from movie_cli.errors import SourceError
from movie_cli.options import ReadOptions

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


def find_sequence(pattern: Path) -> Sequence:
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


_ANIMATION = 0x02
"""The flag in a VP8X chunk."""


def is_animated(path: Path) -> bool:
    """Whether a file's first bytes are those of an animated WebP."""
    try:
        with path.open("rb") as file:
            head = file.read(21)
    except OSError:
        return False
    return len(head) == 21 and head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and bool(head[20] & _ANIMATION)


def webp_to_video(path: Path, target: Path, reading: ReadOptions) -> None:
    """Write `path`, an animated WebP, to `target` as FFV1 in Matroska.

    Raises:
        SourceError: it cannot be decoded, or is larger or longer than `reading` allows.
        OSError: `target` cannot be written.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        # Pillow would warn of large pictures on its own terms; the limit here is ours.
        with path.open("rb") as file:
            head = file.read(30)
        reading.check_size(path, *(1 + int.from_bytes(head[at : at + 3], "little") for at in (24, 27)))
        try:
            animation = Image.open(path, formats=["WEBP"])
        except OSError as error:
            raise ValueError(error) from error
        with animation:
            _write(animation, path, target, reading)
    except (UnidentifiedImageError, Image.DecompressionBombError, EOFError, SyntaxError, ValueError) as error:
        raise SourceError(f"{path} is an animated WebP that cannot be decoded: {error}", "it may be damaged") from error


def webp_problem(path: Path, size: tuple[int, int]) -> str:
    """What is wrong with a finished animation, read back whole; empty where nothing is.

    Frames are not counted: the encoder joins those that are alike.
    """
    from PIL import Image

    with Image.open(path, formats=["WEBP"]) as animation:
        if animation.size != size:
            return "it has another size"
        for index in range(getattr(animation, "n_frames", 1)):
            animation.seek(index)
            animation.load()
    return ""


def _write(animation: Any, path: Path, target: Path, reading: ReadOptions) -> None:
    options = {"fflags": "+bitexact"}
    with av.open(f"file:{target}", "w", format="matroska", container_options=options) as container:
        stream = container.add_stream("ffv1", rate=Fraction(1000))
        stream.width, stream.height = animation.size
        stream.pix_fmt = "bgra"
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        time = 0
        for index in range(animation.n_frames):
            animation.seek(index)
            try:
                pixels = np.asarray(animation.convert("RGBA"))
            except OSError as error:
                raise ValueError(error) from error
            frame = av.VideoFrame.from_ndarray(pixels, format="rgba").reformat(format="bgra")
            # Browsers show a frame of 10 ms or less for 100 ms.
            shown = animation.info.get("duration", 0)
            frame.pts, frame.time_base, frame.duration = time, Fraction(1, 1000), shown if shown > 10 else 100
            time += frame.duration
            reading.check_length(path, time / 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
