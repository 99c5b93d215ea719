"""`movie looks`: what a model knows, with the words to type, also on a frame of one's own video."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.cli.edit import may_overwrite
from movie_cli.cli.fields import NO, YES, KindType, field_option, field_options, field_values
from movie_cli.cli.help import Command, Decorator, themed, with_options
from movie_cli.cli.output import OutputOptions, emit, make_reporter, output_options, print_table, shown_as
from movie_cli.cli.preview import PICTURES, check_terminal, draw, draw_sheet, opened, save_picture
from movie_cli.editing.request import STREAM, PreviewRequest, check_output, check_source
from movie_cli.errors import UsageError
from movie_cli.kinds import Time
from movie_cli.looks import Look, looks_of, matching, readable
from movie_cli.options import MachineOptions
from movie_cli.recipe import DEFAULT_IMAGE_SCALE, DEFAULT_TEXT_SCALE, Recipe
from movie_cli.tune.command import as_typed, edit_arguments

EXAMPLES = (
    "movie looks",
    "movie looks painting",
    "movie looks home movie",
    "movie looks --sheet in.mp4 -o looks.jpg",
    "movie looks light --sheet in.mp4 --at 3s -o light.png",
)

_what, _file = map(themed, ("What to show", "Output file"))


def _looks_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """All options of the command, in the order of its help."""
    options: tuple[Decorator, ...] = (
        _what("--sheet", setting=False, metavar="SOURCE", help="Show each look on a frame of this video."),
        _what("--at", type=KindType(Time()), setting=False, metavar="TIME", help="Which frame; default: the middle."),
        field_option(Recipe, "model", _what, help="Whose looks."),
        _file("-o", "--output", setting=False, metavar="OUT", help="A picture; else the sheet is drawn here."),
        *field_options(MachineOptions),
        YES,
        NO,
    )
    return with_options(function, options)


@click.command(cls=Command, examples=EXAMPLES, options_metavar="[OPTIONS]")
@click.argument("words", metavar="[WORD...]", nargs=-1)
@_looks_options
@output_options
def looks(words: tuple[str, ...], **values: Any) -> None:
    """List the looks that a model knows, and what to type for each.

    With WORDs those alone that have all of them, or words that begin so, in their name, what to type, their kind, or
    among the ways to ask for them; the best first. --sheet shows them on your own video.
    """
    shown = shown_as(values)
    if values["sheet"] is None and (values["output"] or values["at"]):
        raise UsageError("-o and --at are for a sheet", "name a video with --sheet in.mp4")
    from movie_cli.checkpoints.store import open_model

    descriptor = open_model(values["model"], values["offline"])
    found = _found(descriptor, " ".join(words))
    if values["sheet"] is not None:
        _sheet(found, values, shown)
    elif shown.json:
        for look in found:
            emit("look", name=look.name, words=look.words, group=look.kind)
    else:
        print_table(("look", "what to type", "kind"), [(look.title, look.words, readable(look.kind)) for look in found])


def _found(descriptor: Descriptor, words: str) -> list[Look]:
    every = looks_of(descriptor.edits)
    if not every:
        raise UsageError(
            f"{descriptor.name} takes any text and names no looks", "try it: movie tune in.mp4, or movie preview"
        )
    found = matching(every, words) if words else every
    if not found:
        raise UsageError(f"{descriptor.name} knows no look with {words}", "`movie looks` lists them all")
    return found


def _sheet(found: list[Look], values: dict[str, Any], shown: OutputOptions) -> None:
    source, output, replace = values["sheet"], values["output"], False
    if source == STREAM:
        raise UsageError("a sheet reads its frame from anywhere, which stdin does not allow", "name a file")
    check_source(source)
    if output is None:
        check_terminal()
    elif Path(output).suffix.lower() not in PICTURES:
        raise UsageError(f"{output} is no picture's name", f"end it in {', '.join(PICTURES)}")
    else:
        check_output(source, output)
        replace = may_overwrite(output, values["yes"], values["no"], shown)
    request = PreviewRequest(
        source=source,
        recipe=Recipe(found[0].words, model=values["model"]),
        instructions=tuple(look.words for look in found),
        text_scales=(DEFAULT_TEXT_SCALE,),
        image_scales=(DEFAULT_IMAGE_SCALE,),
        at=() if values["at"] is None else (values["at"],),
        **field_values(MachineOptions, values),
    )
    with make_reporter(shown) as reporter, opened(request, reporter, most_places=1) as (previewer, sheet):
        picture = draw_sheet(previewer, sheet, reporter)
        if output is not None:
            save_picture(picture, Path(output), replace=replace)
    if output is None:
        draw(picture)
    elif shown.json:
        emit("done", output=output, width=picture.width, height=picture.height, tiles=len(found))
    else:
        recipe = request.recipe
        typed = as_typed(edit_arguments(source, "out.mp4", recipe, Recipe(recipe.instruction), {}))
        reporter.message("info", f"{output}: {len(found)} looks; to make one: {typed}")
