"""Many edits: jobs from a manifest, a ledger of what became of each, and engines that run them here or on a cluster.

Here is what a job is, what an engine tells of it, and what an engine is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from movie_cli.editing.request import EditRequest
from movie_cli.errors import MovieError

Outcome = Literal["done", "failed", "interrupted"]


@dataclass(frozen=True)
class Job:
    """One edit of a batch; `number` counts from 1, `where` is the place in the manifest."""

    number: int
    where: str
    request: EditRequest

    @property
    def key(self) -> str:
        """What the ledger calls it: the same for the same request, wherever it stands in a manifest."""
        return self.request.key


@dataclass(frozen=True)
class Result:
    """What became of a job. `facts` are the edit's summary, or the error with its `hint` and `exit_code`."""

    outcome: Outcome
    facts: Mapping[str, object]

    @classmethod
    def of_error(cls, error: MovieError) -> Result:
        """A failed job's result."""
        return cls("failed", {"error": str(error), "hint": error.hint, "exit_code": error.exit_code})

    def error(self) -> MovieError:
        """The error that it was made of: the class that brought the exit code in."""
        kinds = {kind.exit_code: kind for kind in MovieError.__subclasses__() if "exit_code" in vars(kind)}
        code = self.facts.get("exit_code")
        kind = kinds.get(code, MovieError) if isinstance(code, int) else MovieError
        return kind(str(self.facts.get("error")), str(self.facts.get("hint") or ""))


class Listener(Protocol):
    """Is told how jobs go, by one thread."""

    def started(self, job: Job, total_frames: int | None) -> None:
        """A worker has begun a job, or knows how long it is."""

    def message(self, job: Job, level: Literal["info", "warning"], text: str) -> None:
        """A sentence about a job."""

    def advanced(self, job: Job, frames: int) -> None:
        """More frames of a job are edited."""

    def ended(self, job: Job, result: Result) -> None:
        """A job is over."""


class Engine(Protocol):
    """Runs jobs somewhere."""

    def run(self, jobs: Sequence[Job], listener: Listener, *, fail_fast: bool) -> None:
        """Run all jobs, or with `fail_fast` until one fails; each that was begun is told of as ended.

        Raises:
            KeyboardInterrupt: as it came, when the workers have stopped and kept what they had done.
        """
