"""The place of an output: never the source, hidden until it is whole and read back, then renamed; and its failures.

The hidden file is in the output's own folder, because a rename must not cross file systems. A file nobody agreed to
replace is not replaced, even if it appeared a moment ago (see `movie_cli.files.rename_new`).
"""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import av
import av.error

from movie_cli.errors import MovieError, OutputError, UsageError, output_error
from movie_cli.files import rename_new
from movie_cli.media import pictures
from movie_cli.media.opening import demuxed, open_source
from movie_cli.media.pictures import files_of
from movie_cli.options import STREAM

Ready = Callable[[Path], None]


def check_not_same(source: str | Path, out: str | Path) -> None:
    """Refuse to write over the source, also through links.

    Raises:
        UsageError: both names are the same file.
    """
    if STREAM in {str(source), str(out)}:
        return
    source, out = Path(source), Path(out)
    with contextlib.suppress(OSError, ValueError):
        same = source.exists() and out.exists() and source.samefile(out)
        if same or os.path.realpath(source) == os.path.realpath(out):
            raise UsageError(f"the output {out} is the source itself", "give another name with -o")


def prepare_output(out: Path, token: str, folder: Path | None = None) -> tuple[Path, Path]:
    """The place a link points to, and an empty hidden file with the same ending beside it or in `folder`.

    Raises:
        OutputError: the folder is missing or not writable, or the name is a folder or a device.
    """
    try:
        real = Path(os.path.realpath(out))
        if real.is_dir():
            raise OutputError(f"{out} is a folder", "give a file name with an ending such as .mp4")
        if real.exists() and not stat.S_ISREG(real.stat().st_mode):
            raise OutputError(f"{out} is a device or a pipe, not a file", "use - to write to standard output")
        if not real.parent.is_dir():
            raise OutputError(f"the folder {real.parent} does not exist", "make the folder first")
        stem = os.fsencode(real.stem)[:180].decode(errors="ignore")
        temporary = (folder or real.parent) / f".{stem}.{token}.part{real.suffix}"
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except (OSError, ValueError) as error:
        raise output_error(out, error) from error
    return real, temporary


def prepare_sequence(out: Path, token: str) -> tuple[Path, Path]:
    """For numbered pictures: the pattern, and the same pattern in an empty hidden folder beside it.

    Raises:
        OutputError: the folder is missing or not writable.
    """
    try:
        if not out.absolute().parent.is_dir():
            raise OutputError(f"the folder {out.absolute().parent} does not exist", "make the folder first")
        stem = os.fsencode(out.stem.replace("%", ""))[:180].decode(errors="ignore")
        folder = out.absolute().parent / f".{stem}.{token}.part"
        folder.mkdir()
    except (OSError, ValueError) as error:
        raise output_error(out, error) from error
    return out.absolute(), folder / out.name


_NULL_PACKET = b"\x47\x1f\xff\x10" + b"\xff" * 184


def pad_transport(path: Path) -> None:
    """Add null packets to a transport stream of so few packets that ffmpeg cannot open it: it fails on just ten."""
    packets = path.stat().st_size // len(_NULL_PACKET)
    if packets < 16:
        with path.open("ab") as file:
            file.write(_NULL_PACKET * (16 - packets))


def remove_temporary(temporary: Path, *, numbered: bool) -> None:
    """Remove what `prepare_output`, or if `numbered` what `prepare_sequence` made, if it is still there."""
    if numbered:
        shutil.rmtree(temporary.parent, ignore_errors=True)
    else:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def output_errors(out: Path) -> Iterator[None]:
    """Make an OutputError of whatever goes wrong while writing `out`; a pipe that nobody reads stays what it is."""
    try:
        yield
    except (MovieError, BrokenPipeError):
        raise
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise output_error(out, error) from error


class PipeFile:
    """A pipe as ffmpeg sees it: no seeking, and after a failure everything is swallowed so that closing is quiet."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._dead = False
        self.name = "standard output"
        self.written = 0

    def write(self, data: bytes) -> int:
        """Write all of `data`."""
        if not self._dead:
            try:
                self._pipe.write(data)
                self._pipe.flush()
            except BaseException:
                self._dead = True
                raise
            self.written += len(data)
        return len(data)

    def discard(self) -> None:
        """Swallow whatever still comes."""
        self._dead = True


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


REACH = (0.0, 12.0, math.inf)
"""Seconds before the last frame from which decoding is tried. Some formats only find their key frames by reading on."""


def check_written(path: Path, frames: int, size: tuple[int, int], name: Path) -> None:
    """Check the file at `path`, called `name` in the error.

    Raises:
        OutputError: it is not whole.
    """
    problem = ""
    try:
        problem = _problem(path, frames, size)
    except (av.error.FFmpegError, OSError, ValueError, MovieError) as error:
        problem = str(error)
    if problem:
        raise OutputError(
            f"{name} was written but is not whole: {problem}", "the disk may be full or failing; nothing was replaced"
        )


def _problem(path: Path, frames: int, size: tuple[int, int]) -> str:
    if pictures.is_animated(path):
        return pictures.webp_problem(path, size)
    first = last = None
    found = 0
    with open_source(path) as container:
        stream = container.streams.video[0]
        for packet in demuxed(container, stream):
            if first is None:
                first = next(iter(packet.decode()), None)
            if packet.size:
                found += 1
                if packet.pts is not None:
                    last = packet.pts if last is None else max(last, packet.pts)
    if found != frames:
        return f"{found} frames instead of {frames}"
    if first is None or (first.width, first.height) != size:
        return "its first frame does not decode at the right size"
    if frames > 1 and not any(_ends_well(path, last, seconds) for seconds in REACH):
        return "its last frame does not decode"
    return ""


def _ends_well(path: Path, last: int | None, seconds: float) -> bool:
    """Whether the last frame decodes when decoding starts that long before it (infinity: at the beginning)."""
    with open_source(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        if last is not None and math.isfinite(seconds):
            try:
                container.seek(last - int(seconds / (stream.time_base or 1)), stream=stream)
            except av.error.FFmpegError:
                return False
        final = None
        try:
            for frame in container.decode(stream):
                final = frame
        except av.error.FFmpegError:
            if math.isinf(seconds):
                raise
            return False  # it began in the middle of a group of pictures
        return final is not None and (final.pts is None or last is None or final.pts == last)
