"""Every way an edit can fail, one class a cause.

Promises that each error carries one sentence for a person (with the file it is about) and a hint with what to
do next. `exit_code` is the number that a program ends with, also one that was started for a part of the work.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable
from pathlib import Path


class MovieError(Exception):
    """Base of all errors raised on purpose. `str(error)` is the sentence, `hint` is what to do next."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(MovieError):
    """The request cannot be meant: contradicting options, values out of range, output equal to source."""

    exit_code = 2


class SourceError(MovieError):
    """The source cannot be read: missing, not a video, damaged, no decoder."""

    exit_code = 3


class ModelError(MovieError):
    """The checkpoint is missing, damaged, of an unknown kind, or not allowed (pickled weights)."""

    exit_code = 4


class DeviceError(MovieError):
    """The device or backend asked for is not there, or has too little memory."""

    exit_code = 5


class DeviceMemoryError(DeviceError):
    """A device's memory is too small for so many frames at once; fewer may do.

    `batch` is how many at once the networks take from now on, 0 where that is the caller's to choose.
    """

    batch = 0


class BatchError(MovieError):
    """Some jobs of a batch failed; what became of each is in the ledger."""

    exit_code = 6


class TrainingError(MovieError):
    """Training cannot go on: a loss or a gradient is not a number."""


class OutputError(MovieError):
    """The output cannot be written: no permission, disk full, unknown codec or container."""

    exit_code = 7


class InterruptedEdit(MovieError):  # noqa: N818 - nothing failed
    """The user stopped the edit. Nothing is left under the asked name."""

    exit_code = 130


def known_error(error: BaseException) -> MovieError:
    """An error as a person should hear of it: as it is if it was raised on purpose, else its nearest kind."""
    if isinstance(error, MovieError):
        return error
    if any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__) or isinstance(error, MemoryError):
        return DeviceError("there is too little memory", "try --batch-size 1, or a smaller --size, or --device cpu")
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        where = f" at {error.filename}" if error.filename else ""
        return OutputError(f"the disk is full{where}", "free some space, or write to another disk with -o")
    return MovieError(
        f"unexpected {type(error).__name__}: {error}" if str(error) else f"unexpected {type(error).__name__}",
        "this is a fault of movie; MOVIE_DEBUG=1 shows where, please report it",
    )


def reason_of(error: BaseException) -> str:
    """What the operating system or ffmpeg says of an error."""
    return str(getattr(error, "strerror", None) or error)


def did_you_mean(name: str, known: Iterable[str], otherwise: str, cutoff: float = 0.6) -> str:
    """The hint for a name that is not among the `known` ones: the nearest of them, `otherwise` where none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"did you mean {near[0]}?" if near else otherwise


def first_line(error: BaseException) -> str:
    """What an error says in its first line; its kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


_OUTPUT_HINTS = {
    errno.ENOSPC: "free some space or write to another disk",
    errno.EDQUOT: "free some space or write to another disk",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a folder that is not read-only",
    errno.ENOENT: "make the folder first",
    errno.EIO: "the disk may be failing",
    errno.ENAMETOOLONG: "choose a shorter name",
}


def output_error(out: Path, error: BaseException) -> OutputError:
    """The OutputError for whatever went wrong while writing `out`."""
    code = getattr(error, "errno", None)
    reason = {errno.ENOSPC: "the disk is full", errno.EACCES: "no permission"}.get(code or 0)
    reason = reason or reason_of(error)
    hint = "try another --codec, --pix-fmt or ending"
    return OutputError(f"{out} cannot be written: {reason}", _OUTPUT_HINTS.get(code or 0, hint))
