"""Every way an edit can fail, one class a cause.

Promises that each error carries one sentence for a person (with the file it is about) and a hint with what to
do next. Knows nothing of exit codes as such: `exit_code` is data that `movie_cli.cli` alone acts on.
"""

from __future__ import annotations


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


class TrainingError(MovieError):
    """Training cannot go on: a loss or a gradient is not a number."""


class OutputError(MovieError):
    """The output cannot be written: no permission, disk full, unknown codec or container."""

    exit_code = 7


class InterruptedEdit(MovieError):  # noqa: N818 - nothing failed
    """The user stopped the edit. Nothing is left under the asked name."""

    exit_code = 130
