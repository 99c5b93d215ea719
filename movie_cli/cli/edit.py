"""`movie edit`: the main job.

Promises that everything which can be refused without opening the source or the model is refused first, and that
nothing existing is replaced without consent. The work is `movie_cli.editing.video`'s.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from movie_cli.cli.edit_options import edit_options, request_of
from movie_cli.cli.help import Command
from movie_cli.cli.output import OutputOptions, emit, make_reporter, output_options, print_pairs, shown_as
from movie_cli.editing.request import STREAM, EditRequest, check_output, check_source, output_exists
from movie_cli.errors import UsageError

EXAMPLES = (
    'movie edit in.mp4 "make it winter" -o out.mp4',
    'movie edit in.mp4 "as a watercolour painting" -o out.mp4 --text-scale 10 --image-scale 1.2',
    'movie edit in.mp4 "make it night" -o out.mkv --start 10s --duration 90f --crf 16',
    "movie edit other.mp4 --recipe-from out.mp4 -o other-out.mp4",
    "movie edit in.mp4 --preset dusk -o out.mp4",
)

MANY_FRAMES = 500
"""Frames, minutes on a laptop, that are not edited without asking where the instruction is unknown."""


@click.command(cls=Command, examples=EXAMPLES, options_metavar="-o OUT [OPTIONS]")
@click.argument("source", metavar="SOURCE")
@click.argument("instruction", metavar='"INSTRUCTION"', required=False)
@edit_options
@output_options
@click.pass_context
def edit(ctx: click.Context, /, source: str, instruction: str | None, **values: Any) -> None:
    """Edit a video as an instruction says.

    Sound, subtitles, timing and size stay as they are. SOURCE may be - for stdin. Most options can also be set as
    MOVIE_TEXT_SCALE=9 in the environment or as text-scale = 9 in config.toml.
    """
    shown = shown_as(values)
    output: str = values["output"]
    check_engine(values["engine"], values["address"])
    if values["engine"] == "ray" and STREAM in {source, output}:
        raise UsageError("a cluster cannot reach standard input or output", "name files, or leave out --engine ray")
    if values["yes"] and values["no"]:
        raise UsageError("-y and -n are both given", "keep one of the two")
    request = request_of(ctx, source, instruction, values, ask=not shown.json)
    check_source(source)
    check_output(source, output)
    if values["dry_run"]:
        _show_plan(request, shown)
        return
    _check_stdout(output, shown)
    # Refused and asked before anything heavy is imported: whoever is to answer is still there.
    from movie_cli.editing import finished

    finished.check_ending(request)
    whole = request.resume and output != STREAM and output_exists(output) and finished.was_published(Path(output))
    if request.resume and not (whole or values["yes"]) and (frames := finished.frames_if_finished(request)) is not None:
        with make_reporter(shown) as reporter:
            reporter.message("info", f"{output} is complete already; -y makes it anew")
            reporter.done({"output": output, "frames": frames, "seconds": 0.0, "resumed": frames})
        return
    overwrite = values["yes"] if whole else may_overwrite(output, values["yes"], values["no"], shown)
    from movie_cli.editing.video import edit_video

    request = dataclasses.replace(request, overwrite=overwrite)
    if not request.strict and can_ask(shown):
        _ask_of_unknown(request)
    with make_reporter(shown) as reporter:
        if values["engine"] == "ray":
            from movie_cli.batch.ray_engine import edit_on_cluster

            edit_on_cluster(request, reporter, values["address"], values["workers"])
        else:
            edit_video(request, reporter)


def check_engine(engine: str, address: str | None) -> None:
    """Refuse an address without the engine that it is for.

    Raises:
        UsageError: it is given without.
    """
    if address and engine != "ray":
        raise UsageError("--address is for --engine ray", "add --engine ray")


def _check_stdout(output: str, shown: OutputOptions) -> None:
    if output != STREAM:
        return
    if shown.json:
        raise UsageError("--json and -o - would both write to stdout", "name a file with -o")
    sys.stdout.write("")  # a closed one says so now
    if sys.stdout.isatty():
        raise UsageError("a video would be written to the terminal", "name a file with -o, or pipe to a player")


def may_overwrite(output: str, yes: bool, no: bool, shown: OutputOptions) -> bool:
    """Whether the output may replace an existing file; asks on a terminal.

    Raises:
        UsageError: it exists and may not be replaced.
    """
    if not output_exists(output):
        return yes
    if yes:
        return True
    if not no and can_ask(shown):
        if click.confirm(f"{output} exists. Replace it?", err=True):
            return True
        raise UsageError(f"{output} exists and is kept", "choose another name with -o")
    raise UsageError(f"{output} exists", "-y replaces it; or choose another name with -o")


def can_ask(shown: OutputOptions) -> bool:
    """Whether somebody is there to answer a question."""
    return not shown.json and sys.stdin.isatty() and sys.stderr.isatty()


def _ask_of_unknown(request: EditRequest) -> None:
    """Ask before many frames are edited by an instruction that the model cannot follow wholly.

    Raises:
        UsageError: they are not to be edited.
    """
    planned = _planned(request) if Path(request.source).exists() else {}
    told, frames = planned.get("warning"), planned.get("frames")
    if not told or (isinstance(frames, int) and frames < MANY_FRAMES):
        return
    count = f"{frames} frames" if frames else "the whole film"
    if not click.confirm(f"{told}\nEdit {count} nevertheless?", err=True):
        raise UsageError("nothing was edited", "`movie preview` shows what comes of it")


def _planned(request: EditRequest) -> Mapping[str, object]:
    from movie_cli.editing.plan import describe_plan

    return describe_plan(request)


def _show_plan(request: EditRequest, shown: OutputOptions) -> None:
    planned = _planned(request)
    if shown.json:
        emit("plan", **planned)
    else:
        recipe = dataclasses.asdict(request.recipe).items()
        said = ", ".join(f"{name.replace('_', '-')} {value}" for name, value in recipe if value is not None)
        print_pairs((dict(planned) | {"recipe": said}).items())
