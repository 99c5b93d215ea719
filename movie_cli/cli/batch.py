"""`movie batch`: many edits from one manifest.

Promises that a manifest which cannot be understood is refused whole before anything is edited, that jobs take the
options of `edit` with the same meaning and checks, and that the ledger has every job's fate before the program ends.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from movie_cli import remote
from movie_cli.batch import Engine, Job
from movie_cli.batch.manifest import read_manifest
from movie_cli.cli.batch_jobs import make_jobs
from movie_cli.cli.batch_report import BatchReport
from movie_cli.cli.command import Command, Decorator, themed, with_options
from movie_cli.cli.edit import check_engine, shared_options
from movie_cli.cli.errors import one_line
from movie_cli.cli.fields import whole
from movie_cli.cli.output import OutputOptions, emit, output_options, shown_as
from movie_cli.editing.request import check_source, output_exists
from movie_cli.errors import BatchError, InterruptedEdit, MovieError, UsageError, output_error
from movie_cli.options import STREAM

if TYPE_CHECKING:
    from movie_cli.batch.ledger import Ledger

EXAMPLES = (
    "movie batch jobs.jsonl --out-dir edited",
    'movie batch holiday/ "make it winter" --out-dir edited --jobs 2',
    'find holiday -name "*.mov" -print0 | movie batch - -0 "sepia" --out-dir edited',
    "movie batch jobs.csv --engine ray --address auto",
)
LEDGER = "movie-batch.jsonl"
SHOWN = 10
"""Unknown instructions that are told of one by one."""
BEFORE = "done before"
AGAIN = "edited again as its source changed"
_batch = themed("Batch")


def _batch_options(function: Callable[..., Any]) -> Callable[..., Any]:
    options: tuple[Decorator, ...] = (
        _batch("--out-dir", setting=False, metavar="FOLDER", help="Where outputs go; default: beside JOBS, or here."),
        _batch(
            "--jobs",
            "workers",
            type=whole(1, 4096),
            metavar="N",
            help="Workers; default: 1, or what a cluster has.",
        ),
        _batch(
            "--keep-going/--fail-fast",
            "keep_going",
            default=True,
            setting=False,
            help="Go on after a failed job (default), or stop.",
        ),
        _batch("--ledger", setting=False, metavar="FILE", help=f"What became of each job; default: {LEDGER}."),
        _batch("-0", "--null", is_flag=True, setting=False, help="Paths from stdin end with NUL, as of find -print0."),
        _batch("--allow-outside", is_flag=True, setting=False, help="Let outputs lie outside the folder."),
    )
    return with_options(function, options)


@click.command(cls=Command, examples=EXAMPLES, options_metavar="[OPTIONS]")
@click.argument("manifest", metavar="JOBS")
@click.argument("instruction", metavar='["INSTRUCTION"]', required=False)
@_batch_options
@shared_options
@output_options
@click.pass_context
def batch(ctx: click.Context, /, manifest: str, instruction: str | None, **values: Any) -> None:
    """Edit many videos; the same command again does what is left.

    JOBS is a .jsonl or .csv file, a folder of videos, or - for JSON lines or paths from stdin. A job has source,
    instruction, output and any option of `movie edit` that is about one video, such as text_scale; options given here
    are for jobs that do not say.
    """
    shown = shown_as(values)
    given: str | None = values["out_dir"]
    if values["null"] and manifest != STREAM:
        raise UsageError("--null is for paths from stdin", "write - for JOBS, or leave it out")
    read = read_manifest(manifest, instruction, given, null=values["null"])
    if not read.jobs:
        raise UsageError(f"there is nothing to do in {manifest}", "it holds no jobs, or the folder no videos")
    out_dir = given or str(read.folder if manifest != STREAM else Path())
    name = "standard input" if manifest == STREAM else manifest
    with BatchReport(shown, name, len(read.jobs)) as report:
        ask = manifest != STREAM and not shown.json
        jobs = make_jobs(ctx, read, out_dir, values, outside=values["allow_outside"], ask=ask)
        engine = _choose_engine(values)
        path = Path(values["ledger"] or (LEDGER if remote.is_url(out_dir) else Path(out_dir) / LEDGER))
        from movie_cli.batch.ledger import Ledger

        if values["dry_run"]:
            with Ledger(path, write=False) as ledger:
                left, before = _what_is_left(ledger, jobs)
            _warn_of_unknown(left, report)
            _show_plans(left, before, report, shown)
            return
        _make_folder(out_dir)
        with Ledger(path) as ledger:
            left, before = _what_is_left(ledger, jobs)
            for job in left:
                _make_folder(os.path.dirname(job.request.output))  # noqa: PTH120 - may be a URL
            report.begin(ledger, left, before)
            try:
                _warn_of_unknown(left, report)
                engine.run(left, report, fail_fast=not values["keep_going"])
            except KeyboardInterrupt as stop:
                raise InterruptedEdit("interrupted", "the same command does what is left") from stop
            finally:
                report.show()
        if report.unfinished:
            raise BatchError(
                f"{report.unfinished} of {len(jobs)} jobs failed" if values["keep_going"] else "a job failed",
                f"the same command does what is left; {path} says what became of each",
            )


def _what_is_left(ledger: Ledger, jobs: Sequence[Job]) -> tuple[list[Job], Counter[str]]:
    """The jobs to run, told to go on with what an earlier try of the very job has left; and counts of the others.

    What was made of a source that is another by now is made again. It is replaced where it is as it was written: what
    somebody has changed since is theirs.
    """
    from movie_cli.batch.ledger import is_same

    left, before = [], Counter({BEFORE: 0, AGAIN: 0})
    for job in jobs:
        request, last = job.request, ledger.last(job.key) or {}
        done = last.get("state") == "done" and output_exists(request.output)
        changed = isinstance(last.get("source_was"), dict) and not is_same(request.source, last["source_was"])
        if done and not changed:
            before[BEFORE] += 1
            continue
        if changed:
            before[AGAIN] += done
            ours = done and isinstance(last.get("output_was"), dict) and is_same(request.output, last["output_was"])
            free = ours or not output_exists(request.output)
            request = dataclasses.replace(request, overwrite=request.overwrite or free)
        else:
            request = dataclasses.replace(request, resume=bool(last))
        left.append(dataclasses.replace(job, request=request))
    return left, before


def _warn_of_unknown(jobs: Sequence[Job], report: BatchReport) -> None:
    """Say before anything is edited which instructions their models do not know.

    Raises:
        UsageError: a strict job has such an instruction.
    """
    requests = [job.request for job in jobs]
    if not requests:
        return
    from movie_cli.batch.local import find_unknown
    from movie_cli.editing.directing import STRICT_HINT

    refused, found = find_unknown(requests)
    if refused:
        more = f", and {len(refused) - 1} more like it" if len(refused) > 1 else ""
        raise UsageError(f"{refused[0][0]}{more}", STRICT_HINT)
    for text, _ in found[:SHOWN]:
        report.say("warning", text)
    if found:
        count = sum(count for _, count in found)
        report.say("warning", f"{count} of {len(jobs)} jobs ask for what their model was not trained on")


def _show_plans(left: Sequence[Job], before: Counter[str], report: BatchReport, shown: OutputOptions) -> None:
    """A line on stdout for each job that is left.

    Raises:
        BatchError: some cannot be done.
    """
    from movie_cli.batch.local import check_free
    from movie_cli.editing.plan import describe_plan

    bad = 0
    for job in left:
        request = job.request
        try:
            check_source(request.source)
            check_free(request)
            facts = dict(describe_plan(request))
            told = "{} frames at {}".format("?" if facts["frames"] is None else facts["frames"], facts["size"])
        except MovieError as error:
            bad += 1
            facts, told = {"error": str(error), "hint": error.hint, "exit_code": error.exit_code}, str(error)
        names = {"job": job.number, "source": request.source, "output": request.output}
        if shown.json:
            emit("plan", **names, **{key: value for key, value in facts.items() if key not in names})
        else:
            click.echo(one_line(f"{job.number}  {request.source} -> {request.output}: {told}"))
    counts = {"to do": len(left) - bad} | before
    report.say("info", ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "nothing to do")
    if bad:
        raise BatchError(f"{bad} of {len(left)} jobs cannot be done", "the lines above say why")


def _choose_engine(values: Mapping[str, Any]) -> Engine:
    check_engine(values["engine"], values["address"])
    if values["engine"] == "ray":
        from movie_cli.batch.ray_engine import RayEngine

        return RayEngine(values["address"], values["workers"])
    from movie_cli.batch.local import LocalEngine

    return LocalEngine(values["workers"] or 1)


def _make_folder(folder: str) -> None:
    """Make a folder for outputs; stores need none."""
    if remote.is_url(folder):
        return
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(Path(folder), error) from error
