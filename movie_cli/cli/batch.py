"""`movie batch`: many edits from one manifest.

Promises that a manifest which cannot be understood is refused whole before anything is edited, that jobs take the
options of `edit` with the same meaning and checks, and that the ledger has every job's fate before the program ends.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from movie_cli import remote
from movie_cli.batch.jobs import Engine, Job
from movie_cli.batch.manifest import STREAM, Manifest, OptionValue, WrittenJob, place, read_manifest
from movie_cli.cli import types
from movie_cli.cli.batch_report import BatchReport
from movie_cli.cli.edit import SINGLE, check_engine, edit, request_of, shared_options
from movie_cli.cli.help import Command, Decorator, themed, with_options
from movie_cli.cli.output import output_options, shown_as
from movie_cli.editing.request import EditRequest, output_exists
from movie_cli.errors import BatchError, InterruptedEdit, MovieError, UsageError

if TYPE_CHECKING:
    from movie_cli.batch.ledger import Ledger

EXAMPLES = (
    "movie batch jobs.jsonl --out-dir edited",
    'movie batch holiday/ "make it winter" --out-dir edited --jobs 2',
    "movie batch jobs.csv --engine ray --address auto",
)
LEDGER = "movie-batch.jsonl"
_WRITING = re.compile(r"params|opts|file|stats|log|path|dump", re.ASCII)
"""Encoder options that can name files. Values of such options may write anywhere."""
_ALL_JOBS = SINGLE | {"engine", "address", "progress", "as_json", "quiet", "verbose", "help"}
"""Options that no single job may have."""
_batch = themed("Batch")


def _batch_options(function: Callable[..., Any]) -> Callable[..., Any]:
    options: tuple[Decorator, ...] = (
        _batch("--out-dir", setting=False, metavar="FOLDER", help="Where outputs go; default: beside JOBS, or here."),
        _batch(
            "--jobs",
            "workers",
            type=types.WholeType(1, 4096),
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

    JOBS is a .jsonl or .csv file, a folder of videos, or - for JSON lines from stdin. A job has source, instruction,
    output and any option of `movie edit`, such as text_scale; options given here are for jobs that do not say.
    """
    shown = shown_as(values)
    from movie_cli.batch.ledger import Ledger

    given: str | None = values["out_dir"]
    read = read_manifest(manifest, instruction, given)
    if not read.jobs:
        raise UsageError(f"there is nothing to do in {manifest}", "it holds no jobs, or the folder no videos")
    out_dir = given or str(read.folder if manifest != STREAM else Path())
    common = _typed(ctx, values)
    jobs = _jobs(read, out_dir, common, outside=values["allow_outside"])
    engine = _choose_engine(values)
    _make_folder(out_dir)
    noted = values["ledger"] or (LEDGER if remote.is_url(out_dir) else Path(out_dir) / LEDGER)
    with Ledger(Path(noted)) as ledger:
        left = [job for job in jobs if not _is_done(ledger, job)]
        for job in left:
            _make_folder(os.path.dirname(job.request.output))  # noqa: PTH120 - may be a URL
        with BatchReport(shown, ledger, jobs, left) as report:
            try:
                engine.run([_continuing(ledger, job) for job in left], report, fail_fast=not values["keep_going"])
            except KeyboardInterrupt as stop:
                raise InterruptedEdit("interrupted", "the same command does what is left") from stop
            finally:
                report.show()
        if report.unfinished:
            raise BatchError(
                f"{report.unfinished} of {len(jobs)} jobs failed" if values["keep_going"] else "a job failed",
                f"the same command does what is left; {ledger.path} says what became of each",
            )


def _jobs(manifest: Manifest, out_dir: str, common: Mapping[str, OptionValue], *, outside: bool) -> list[Job]:
    """All jobs as requests.

    Raises:
        UsageError: a job cannot be meant; two have the same output.
    """
    jobs, outputs = [], dict[str, str]()
    for number, written in enumerate(manifest.jobs, 1):
        source, output = place(written, manifest.folder, out_dir, outside=outside)
        real = _real(output)
        if real in outputs:
            raise UsageError(f"{outputs[real]} and {written.where} both write {output}", "give each an output")
        outputs[real] = written.where
        if real == _real(source):
            raise UsageError(
                f"{written.where}: the output is the source itself", "choose another folder with --out-dir"
            )
        request = _request(written, source, output, common, outside=outside)
        jobs.append(Job(number, written.where, request))
    return jobs


def _request(
    written: WrittenJob, source: str, output: str, common: Mapping[str, OptionValue], *, outside: bool
) -> EditRequest:
    """What `movie edit` with the job's options would be asked to do."""
    options = dict(common) | dict(written.options)
    if not outside:
        _refuse_writing_options(written)
    known = {param.name: param for param in edit.params if isinstance(param, click.Option) and param.name}
    known |= {"e": known["encoder_options"]}
    arguments = ["-o", output]
    for name, value in options.items():
        option = known.get(name)
        if option is None or name in _ALL_JOBS:
            names = [key for key in known if key not in _ALL_JOBS]
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]}?" if near else "`movie edit --help` tells what a job may have"
            raise UsageError(f"{written.where}: a job has no option {name}", hint)
        arguments += _as_typed(option, value)
    typed = [*arguments, "--", source, *([written.instruction] if written.instruction is not None else [])]
    try:
        with edit.make_context("edit", typed, resilient_parsing=False) as context:
            values = dict(context.params)
            return dataclasses.replace(
                request_of(context, values.pop("source"), values.pop("instruction"), values), overwrite=values["yes"]
            )
    except (MovieError, click.ClickException) as error:
        from movie_cli.cli.errors import translate

        told = translate(error)
        raise UsageError(f"{written.where}: {told}", told.hint) from error


def _as_typed(option: click.Option, value: OptionValue) -> list[str]:
    """The words that say the same on a command line."""
    name = max(option.opts, key=len)
    if option.is_flag:
        wanted = click.BOOL.convert(value, option, None)
        if wanted:
            return [name]
        return [option.secondary_opts[0]] if option.secondary_opts else []
    items = value if isinstance(value, list) else [value]
    # With the equals sign a value that begins with a dash is still a value.
    return [word for item in items for word in ([f"{name}={item}"] if name.startswith("--") else [name, str(item)])]


def _refuse_writing_options(written: WrittenJob) -> None:
    """Encoders can write statistics and dumps to files of any name."""
    for name in ("encoder_options", "e"):
        value = written.options.get(name, [])
        for item in value if isinstance(value, list) else [str(value)]:
            if _WRITING.search(item.partition("=")[0]):
                raise UsageError(
                    f"{written.where}: the encoder option {item} may write files anywhere", "--allow-outside allows it"
                )


def _typed(ctx: click.Context, values: Mapping[str, Any]) -> dict[str, OptionValue]:
    """The options of `edit` that were typed for all jobs."""
    names = {param.name for param in edit.params} - _ALL_JOBS - {"source", "instruction"}
    typed = {}
    for name in sorted(name for name in names if name):
        if ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE:
            typed[name] = _as_text(values[name])
    return typed


def _as_text(value: Any) -> OptionValue:
    if isinstance(value, bool):
        return value
    if isinstance(value, tuple) and all(isinstance(item, int) for item in value):
        return "x".join(str(side) for side in value)
    if isinstance(value, tuple | list):
        return [f"{key}={text}" for key, text in value]
    return "source" if value is None else str(value)


def _is_done(ledger: Ledger, job: Job) -> bool:
    last = ledger.last(job.key)
    return last is not None and last["state"] == "done" and output_exists(job.request.output)


def _continuing(ledger: Ledger, job: Job) -> Job:
    """The job, told to go on with what an earlier try of this very job has left."""
    return dataclasses.replace(job, request=dataclasses.replace(job.request, resume=ledger.last(job.key) is not None))


def _choose_engine(values: Mapping[str, Any]) -> Engine:
    check_engine(values["engine"], values["address"])
    if values["engine"] == "ray":
        from movie_cli.batch.ray_engine import RayEngine

        return RayEngine(values["address"], values["workers"])
    from movie_cli.batch.local import LocalEngine

    return LocalEngine(values["workers"] or 1)


def _real(name: str) -> str:
    return name if remote.is_url(name) else os.path.realpath(name)


def _make_folder(folder: str) -> None:
    """Make a folder for outputs; stores need none."""
    from movie_cli.media.outfile import output_error

    if remote.is_url(folder):
        return
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(Path(folder), error) from error
