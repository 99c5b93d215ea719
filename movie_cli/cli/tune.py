"""`movie tune`: a page in the browser on which an edit is found by looking."""

from __future__ import annotations

import dataclasses
import os
import sys
import tempfile
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from movie_cli.cli.command import Command, Decorator, Group, themed, with_options
from movie_cli.cli.fields import field_option, field_options, field_values, whole
from movie_cli.cli.output import LineReporter, emit, make_reporter, output_options, shown_as
from movie_cli.editing.request import PreviewRequest, check_output, check_source
from movie_cli.errors import UsageError
from movie_cli.options import STREAM, MachineOptions, options_of
from movie_cli.presets import get_preset
from movie_cli.recipe import Recipe

EXAMPLES = (
    "movie tune in.mp4",
    'movie tune in.mp4 "make it winter" -o winter.mp4',
    "movie tune in.mp4 --preset dusk --no-browser --port 8000",
)

_what, _file, _page = map(themed, ("What to do", "Output file", "Page"))


def _tune_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """All options of the command, in the order of its help."""
    options: tuple[Decorator, ...] = (
        field_option(Recipe, "model"),
        _what("--preset", setting=False, metavar="NAME", help="Begin with a named look, see `movie presets`."),
        _page("--port", type=whole(0, 65535), default=0, metavar="N", help="Of this machine; default: any."),
        _page("--no-browser", is_flag=True, help="Print the page's address and open nothing."),
        _file("-o", "--output", setting=False, metavar="OUT", help="Where an edit goes; default: NAME-tuned.mp4."),
        *field_options(MachineOptions),
    )
    return with_options(function, options)


@click.command(cls=Command, examples=EXAMPLES, options_metavar="[OPTIONS]")
@click.argument("source", metavar="SOURCE")
@click.argument("instruction", metavar='["INSTRUCTION"]', required=False)
@_tune_options
@output_options
@click.pass_context
def tune(ctx: click.Context, /, source: str, instruction: str | None, **values: Any) -> None:
    """Find an edit by looking, on a page in the browser.

    Turn instruction, scales and seed and see a frame of your video change; see every look on it; copy the command, save
    a preset, or start the edit. Only this machine can reach the page. Closing it, or Ctrl-C, ends the program; an edit
    that was started is waited for.
    """
    shown = shown_as(values)
    usual, machine = _usual(ctx, values)
    preset = {} if values["preset"] is None else get_preset(values["preset"]).values
    typed = {} if instruction is None else {"instruction": instruction}
    recipe = dataclasses.replace(usual, model=values["model"], size=None, **{**preset, **typed})
    if source == STREAM:
        raise UsageError("the page looks at frames anywhere, which stdin does not allow", "name a file")
    check_source(source)
    if values["output"] == STREAM:
        raise UsageError("a page's edit is not written to stdout", "name a file with -o")
    if values["output"] is not None:
        check_output(source, values["output"])
    request = PreviewRequest(
        source,
        recipe,
        instructions=(recipe.instruction,) if typed or preset else (),
        text_scales=recipe.scales[:1],
        image_scales=recipe.scales[1:],
        **field_values(MachineOptions, values),
    )
    with make_reporter(shown) as reporter:
        reporter.message("info", f"opening {source}")
        computes = _serve(request, values, usual, machine, reporter)
    if computes:
        # A frame cannot be broken off, and where Python ended in the middle of it torch would abort the program.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _serve(
    request: PreviewRequest, values: dict[str, Any], usual: Recipe, machine: dict[str, Any], reporter: LineReporter
) -> bool:
    """Serve the page until it is closed; whether a frame is still being computed then."""
    from movie_cli.media import local_source
    from movie_cli.tune.server import Server
    from movie_cli.tune.session import Session

    def say(text: str) -> None:
        reporter.message("info", text)

    with local_source(request.source) as path, tempfile.TemporaryDirectory(prefix="movie-tune-") as folder:
        session = Session(request, path, usual, machine, values["output"], Path(folder), say)
        server = Server(session, values["port"])
        if values["as_json"]:
            emit("page", address=server.address)
        else:
            click.echo(server.address)
            say("only this machine can reach it; Ctrl-C or closing the page ends it")
        sys.stdout.flush()
        if not values["no_browser"] and _has_screen():
            webbrowser.open(server.address)
        try:
            server.run_here()
            say("the page was closed")
        except KeyboardInterrupt:
            pass  # how one leaves it
        finally:
            if session.edit.state.state == "stopped":
                reporter.message("warning", f"the edit was stopped; {session.edit.state.note or 'nothing is kept'}")
        return session.computes


def _usual(ctx: click.Context, values: dict[str, Any]) -> tuple[Recipe, dict[str, Any]]:
    """What `movie edit` does here where nothing is said, and which of our options about the machine differ from it."""
    program = ctx.find_root().command
    assert isinstance(program, Group)
    here = program.commands["edit"].make_context("edit", [STREAM, "any", "-o", STREAM], parent=ctx.parent).params
    machine = {name: values[name] for name in options_of(MachineOptions) if values[name] != here[name]}
    return Recipe("any", **field_values(Recipe, here)), machine


def _has_screen() -> bool:
    """Whether a browser has somewhere to open a window."""
    if sys.platform in {"win32", "darwin"}:
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
