"""What `movie batch` shows and notes: every job's fate in the ledger, lines or a bar on the way, a table at the end."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import click

from movie_cli.batch import Job, Result
from movie_cli.cli.output import EVENT_SECONDS, LineReporter, OutputOptions, emit, make_reporter, print_table

if TYPE_CHECKING:
    from movie_cli.batch.ledger import Ledger

MANY = 100
"""Jobs from which on it is told that they are being read."""
BEAT_SECONDS = 1.0


class BatchReport:
    """Listens to an engine, once `begin` has told it of the jobs. `name` is the manifest's, `count` its jobs'.

    As a context manager it leaves the terminal as it found it.
    """

    def __init__(self, shown: OutputOptions, name: str, count: int) -> None:
        self._shown, self._name = shown, name
        self._left: Sequence[Job] = ()
        self._before: Counter[str] = Counter()
        self._results: dict[int, Result] = {}
        self._expected: dict[int, int] = {}
        self._frames: Counter[int] = Counter()
        self._sources: dict[int, dict[str, object] | None] = {}
        self._told = time.monotonic()
        self._reporter: LineReporter = make_reporter(
            OutputOptions(shown.progress, quiet=shown.quiet or shown.json), unit="job"
        )
        self._over = threading.Event()
        self._said: set[str] = set()
        if count >= MANY:
            self.say("info", f"{name}: reading {count} jobs")

    def begin(self, ledger: Ledger, left: Sequence[Job], before: Counter[str]) -> None:
        """Tell of what is ahead: the jobs that are `left`, and counts of what an earlier call has done."""
        self._ledger, self._left, self._before = ledger, left, before
        if left and not self._shown.json:
            self._reporter.start(len(left), self._name)
        told = ", ".join(f"{count} {what}" for what, count in before.items() if count)
        if told and left:  # else it is all that there is to say in the end
            self.say("info", told)
        threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self) -> None:
        """Show that it is alive while a model is loaded or a long job is at its end."""
        while not self._over.wait(BEAT_SECONDS):
            self._reporter.tick("" if self._expected else "loading")

    def say(self, level: Literal["info", "warning"], text: str) -> None:
        """A sentence about all jobs; they need not repeat it."""
        self._said.add(text)
        if not self._shown.json:
            self._reporter.message(level, text)
        elif level == "warning" or not self._shown.quiet:
            emit("message", level=level, text=text)

    @property
    def unfinished(self) -> int:
        """Jobs that failed or were not reached."""
        return sum(1 for job in self._left if not self._is_done(job))

    def _is_done(self, job: Job) -> bool:
        return job.number in self._results and self._results[job.number].outcome == "done"

    def started(self, job: Job, total_frames: int | None) -> None:
        """Note the beginning."""
        from movie_cli.batch.ledger import witness

        if job.number not in self._sources:
            self._sources[job.number] = witness(job.request.source)
        self._ledger.write(job.key, "started", **self._facts(job))
        self._expected[job.number] = total_frames or 0
        if self._shown.json:
            emit("start", **self._names(job), total_frames=total_frames)

    def _facts(self, job: Job) -> dict[str, object]:
        request = job.request
        facts: dict[str, object] = {
            "number": job.number,
            "source": request.source,
            "instruction": request.recipe.instruction,
            "output": request.output,
        }
        source = self._sources.get(job.number)
        return facts | {"source_was": source} if source else facts

    def message(self, job: Job, level: Literal["info", "warning"], text: str) -> None:
        """Warnings are for all to see, other sentences for those who want to know more."""
        if self._shown.json:
            if level == "warning" or not self._shown.quiet:
                emit("message", **self._names(job), level=level, text=text)
        elif text not in self._said and (level == "warning" or self._shown.verbose):
            self._reporter.message(level, f"{job.request.source}: {text}")

    def advanced(self, job: Job, frames: int) -> None:
        """Count."""
        before = self._share(job)
        self._frames[job.number] += frames
        if not self._shown.json:
            self._reporter.advance(self._share(job) - before)
        elif self._shown.progress != "none" and time.monotonic() - self._told >= EVENT_SECONDS:
            self._told = time.monotonic()
            emit(
                "progress",
                **self._names(job),
                frames=self._frames[job.number],
                total_frames=self._expected.get(job.number) or None,
                jobs=len(self._results),
                total_jobs=len(self._left),
            )

    def _share(self, job: Job) -> float:
        """How much of a job is done, 0 to 1, as far as that can be told."""
        expected = self._expected.get(job.number)
        return min(1.0, self._frames[job.number] / expected) if expected else 0.0

    def ended(self, job: Job, result: Result) -> None:
        """Note the end."""
        from movie_cli.batch.ledger import witness

        self._results[job.number] = result
        names = self._facts(job)
        facts = {key: value for key, value in result.facts.items() if key not in names}
        if result.outcome == "done":
            names["output_was"] = witness(job.request.output, content=False)
        self._ledger.write(job.key, result.outcome, **names, **facts)
        if self._shown.json:
            emit(result.outcome, **self._names(job), **facts)
            return
        if result.outcome != "interrupted":
            self._reporter.advance(1 - self._share(job))
        if not self._shown.quiet or result.outcome == "failed":
            self._reporter.message(
                "warning" if result.outcome == "failed" else "info",
                f"{len(self._results)} of {len(self._left)}: {job.request.source}: {_fate(result)}",
            )

    def show(self) -> None:
        """A table of the jobs that were begun, and counts; or an event with the counts."""
        self._reporter.__exit__(None, None, None)
        counts: Counter[str] = Counter(result.outcome for result in self._results.values())
        counts["not begun"] = len(self._left) - len(self._results)
        counts.update(self._before)
        if self._shown.json:
            names = ("done", "failed", "interrupted", "not begun", *self._before)
            emit("summary", **{name.partition(" as ")[0].replace(" ", "_"): counts[name] for name in names})
            return
        if self._shown.quiet:
            return
        rows = []
        for job in self._left:
            result = self._results.get(job.number)
            if result is None:
                continue
            frames, seconds = result.facts.get("frames"), result.facts.get("seconds")
            rows.append(
                (
                    str(job.number),
                    Path(job.request.source).name,
                    result.outcome,
                    "" if frames is None else str(frames),
                    f"{seconds:.1f} s" if isinstance(seconds, int | float) else "",
                    str(result.facts.get("error") or job.request.output),
                )
            )
        if rows:
            print_table(("job", "source", "state", "frames", "time", "output, or what went wrong"), rows)
        click.echo(", ".join(f"{count} {what}" for what, count in counts.items() if count) or "nothing was begun")

    def _names(self, job: Job) -> dict[str, object]:
        return {"job": job.number, "source": job.request.source, "output": job.request.output}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._reporter.__exit__(*exception)


def _fate(result: Result) -> str:
    if result.outcome == "done":
        return f"done, {result.facts.get('frames')} frames"
    if result.outcome == "failed":
        return str(result.facts.get("error"))
    return "interrupted; what is done of it is kept"
