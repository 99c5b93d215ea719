"""`movie eval`: quality metrics over clips, instructions and models."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from movie_cli.cli.command import Command, Decorator, themed, with_options
from movie_cli.cli.fields import field_options, whole
from movie_cli.cli.output import OutputOptions, emit, make_reporter, output_options, shown_as
from movie_cli.errors import InterruptedEdit, UsageError, output_error
from movie_cli.files import write_whole
from movie_cli.options import MachineOptions

if TYPE_CHECKING:
    from movie_cli.evaluate.run import Judges, Row

ROWS, TABLE = "rows.jsonl", "README.md"
EXAMPLES = (
    "movie eval suite.toml -o quality",
    "movie eval suite.toml -o quality --model nano --model runs/one-step/checkpoint --videos",
    "movie eval loveu-tgve-2023/ -o tgve --clip openai/clip-vit-large-patch14 --pickscore yuvalkirstain/PickScore_v1",
)
_what, _weights, _file = map(themed, ("What to measure", "Measures with weights of their own", "Output"))


def _eval_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """All options of the command, in the order of its help."""
    options: tuple[Decorator, ...] = (
        _what("--model", "models", multiple=True, setting=False, metavar="MODEL", help="In place of the suite's."),
        _what("--frames", type=whole(2, 100_000), metavar="N", setting=False, help="Of each clip."),
        _weights("--clip", setting=False, metavar="MODEL", help="A CLIP checkpoint, for CLIPFrame and others."),
        _weights("--pickscore", setting=False, metavar="MODEL", help="PickScore's checkpoint."),
        _weights("--lpips", setting=False, metavar="FILE", help="LPIPS over AlexNet, as safetensors."),
        *field_options(MachineOptions, "device", "dtype", "offline"),
        _file("-o", "--output", setting=False, required=True, metavar="FOLDER", help="Rows, table and plots."),
        _file("--videos", is_flag=True, setting=False, help="Also write each edit there as an mp4."),
    )
    return with_options(function, options)


@click.command(name="eval", cls=Command, examples=EXAMPLES, options_metavar="-o FOLDER [OPTIONS]")
@click.argument("suite", metavar="SUITE")
@_eval_options
@output_options
def evaluate(suite: str, **values: Any) -> None:
    """Edit the clips of a suite and measure how good the edits are.

    SUITE is a .toml file or a folder in the layout of TGVE. FOLDER gets a row an edit in rows.jsonl, a table in
    README.md, and plots. The same command again measures what is left.
    """
    shown = shown_as(values)
    from movie_cli.evaluate.suite import read_suite

    planned = read_suite(Path(suite)).narrowed(values["models"], values["frames"])
    folder = Path(values["output"])
    rows = _earlier(folder)
    try:
        from movie_cli.models.flow import require_cv2

        require_cv2()
    except UsageError as error:
        raise UsageError("measuring needs OpenCV, which is not installed", error.hint) from error
    judges = _judges(values)
    from movie_cli.evaluate.report import to_line
    from movie_cli.evaluate.run import run_suite
    from movie_cli.evaluate.subjects import open_subject

    done = {row["key"] for row in rows}
    total = len(planned.models) * sum(len(clip.edits) for clip in planned.clips)
    began = time.monotonic()
    with make_reporter(shown) as reporter, (folder / ROWS).open("a", encoding="utf-8") as file:
        _tell_absent(values, reporter)
        reporter.start(total * planned.frames, Path(suite).name)
        wanted = {
            (clip.name, edit.name, model) for model in planned.models for clip in planned.clips for edit in clip.edits
        }
        reporter.advance(len(done & wanted) * planned.frames)
        try:
            for row in run_suite(
                planned,
                lambda model: open_subject(model, values["device"], values["dtype"]),
                judges,
                lambda *key: key in done,
                folder if values["videos"] else None,
            ):
                file.write(to_line(row))
                file.flush()
                rows.append(row)
                reporter.advance(row["frames"])
        except KeyboardInterrupt as stop:
            raise InterruptedEdit("interrupted", "the same command measures what is left") from stop
    _report(folder, rows, shown, time.monotonic() - began)


def _earlier(folder: Path) -> list[Row]:
    """The rows that are there already; makes the folder, and ends a line that was cut off."""
    from movie_cli.evaluate.report import read_rows, to_line

    try:
        folder.mkdir(parents=True, exist_ok=True)
        rows = read_rows(folder / ROWS)
    except OSError as error:
        raise output_error(folder, error) from error
    write_whole(folder / ROWS, "".join(map(to_line, rows)).encode())
    return rows


def _judges(values: dict[str, Any]) -> Judges:
    from movie_cli.evaluate.measures import ClipScorer, Lpips
    from movie_cli.evaluate.run import Judges

    offline = values["offline"]
    return Judges(
        clip=ClipScorer(values["clip"], offline) if values["clip"] else None,
        pick=ClipScorer(values["pickscore"], offline) if values["pickscore"] else None,
        lpips=Lpips(Path(values["lpips"])) if values["lpips"] else None,
    )


def _tell_absent(values: dict[str, Any], reporter: Any) -> None:
    absent = [name for name in ("clip", "pickscore", "lpips") if not values[name]]
    if absent:
        reporter.message("info", f"not measured without weights: {', '.join(absent)}; name them with --{absent[0]}")


def _report(folder: Path, rows: list[Row], shown: OutputOptions, seconds: float) -> None:
    from movie_cli.evaluate.report import plots, to_markdown

    command = shlex.join(["movie", *_typed()])
    table = to_markdown(rows, command)
    write_whole(folder / TABLE, table.encode())
    for name, text in plots(rows).items():
        write_whole(folder / name, text.encode())
    if shown.json:
        emit("done", output=str(folder), edits=len(rows), seconds=round(seconds, 3))
    else:
        click.echo(table.split("## Means")[1].split("##")[0].strip())


def _typed() -> list[str]:
    """The command as it was typed, for the table's head."""
    context: click.Context | None = click.get_current_context()
    words: list[str] = []
    while context is not None and context.parent is not None:
        words = [context.info_name or "", *words]
        context = context.parent
    current = click.get_current_context()
    words.append(str(current.params["suite"]))
    for param in current.command.params:
        value = current.params.get(param.name or "")
        if isinstance(param, click.Option) and value not in (None, (), False, param.default):
            name = param.opts[0]
            values = value if isinstance(value, tuple) else (value,)
            words += [name] if param.is_flag else [word for item in values for word in (name, str(item))]
    return words
