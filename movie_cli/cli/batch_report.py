"""What `movie batch` shows and notes: every job's fate in the ledger, lines or a bar on the way, a table at the end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from movie_cli.batch.jobs import Job, Result
from movie_cli.cli.output import EVENT_SECONDS, LineReporter, OutputOptions, emit, make_reporter, print_table

if TYPE_CHECKING:
    from movie_cli.batch.ledger import Ledger


class BatchReport:
    """Listens to an engine. `jobs` are all, `left` those that are not done yet.

    As a context manager it leaves the terminal as it found it.
    """

    def __init__(self, shown: OutputOptions, ledger: Ledger, jobs: Sequence[Job], left: Sequence[Job]) -> None:
        self._shown, self._ledger, self._jobs = shown, ledger, jobs
        self._left = {job.number for job in left}
        self._results: dict[int, Result] = {}
        self._expected: dict[int, int] = {}
        self._frames: dict[int, int] = {}
        self._told = time.monotonic()
        self._reporter: LineReporter = make_reporter(OutputOptions(shown.progress, quiet=shown.quiet or shown.json))
        self._begun = False

    @property
    def unfinished(self) -> int:
        """Jobs that failed or were not reached."""
        return sum(1 for number in self._left if number not in self._results or self._results[number].outcome != "done")

    def started(self, job: Job, total_frames: int | None) -> None:
        """Note the beginning."""
        if not self._begun:
            self._begun = True
            done = len(self._jobs) - len(self._left)
            before = f", {done} done before" if done else ""
            if not self._shown.json:
                self._reporter.start(None, f"{len(self._left)} jobs{before}")
        request = job.request
        self._ledger.write(
            job.key,
            "started",
            number=job.number,
            source=request.source,
            instruction=request.recipe.instruction,
            output=request.output,
        )
        self._expected[job.number] = total_frames or 0
        if self._shown.json:
            emit("start", **self._name(job), total_frames=total_frames)

    def message(self, job: Job, level: Literal["info", "warning"], text: str) -> None:
        """Warnings are for all to see, other sentences for those who want to know more."""
        if self._shown.json:
            if level == "warning" or not self._shown.quiet:
                emit("message", **self._name(job), level=level, text=text)
        elif level == "warning" or self._shown.verbose:
            self._reporter.message(level, f"{job.request.source}: {text}")

    def advanced(self, job: Job, frames: int) -> None:
        """Count."""
        self._frames[job.number] = self._frames.get(job.number, 0) + frames
        if not self._shown.json:
            self._reporter.advance(frames)
        elif self._shown.progress != "none" and time.monotonic() - self._told >= EVENT_SECONDS:
            self._told = time.monotonic()
            emit(
                "progress",
                **self._name(job),
                frames=self._frames[job.number],
                total_frames=self._expected.get(job.number) or None,
            )

    def ended(self, job: Job, result: Result) -> None:
        """Note the end."""
        self._results[job.number] = result
        request = job.request
        names = {"source": request.source, "instruction": request.recipe.instruction, "output": request.output}
        facts = {key: value for key, value in result.facts.items() if key not in names}
        self._ledger.write(job.key, result.outcome, number=job.number, **names, **facts)
        if self._shown.json:
            emit(result.outcome, **self._name(job), **facts)
        elif not self._shown.quiet or result.outcome == "failed":
            self._reporter.message(
                "warning" if result.outcome == "failed" else "info",
                f"{len(self._results)} of {len(self._left)}: {request.source}: {_fate(result)}",
            )

    def show(self) -> None:
        """The table of all jobs, or an event with the counts."""
        self._reporter.__exit__(None, None, None)
        rows, counts = [], {"done": 0, "failed": 0, "interrupted": 0, "not begun": 0, "done before": 0}
        for job in self._jobs:
            result = self._results.get(job.number)
            state = "done before" if job.number not in self._left else "not begun"
            facts: Mapping[str, object] = (self._ledger.last(job.key) or {}) if state == "done before" else {}
            if result is not None:
                state, facts = result.outcome, result.facts
            counts[state] += 1
            frames, seconds = facts.get("frames"), facts.get("seconds")
            rows.append(
                (
                    str(job.number),
                    Path(job.request.source).name,
                    state,
                    "" if frames is None else str(frames),
                    f"{seconds:.1f} s" if isinstance(seconds, int | float) else "",
                    str(facts.get("error") or job.request.output),
                )
            )
        if self._shown.json:
            emit("summary", **{name.replace(" ", "_"): count for name, count in counts.items()})
        elif not self._shown.quiet:
            print_table(("job", "source", "state", "frames", "time", "output, or what went wrong"), rows)

    def _name(self, job: Job) -> dict[str, object]:
        return {"job": job.number, "source": job.request.source, "output": job.request.output}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reporter.__exit__(kind, error, trace)


def _fate(result: Result) -> str:
    if result.outcome == "done":
        return f"done, {result.facts.get('frames')} frames"
    if result.outcome == "failed":
        return str(result.facts.get("error"))
    return "interrupted; what is done of it is kept"
