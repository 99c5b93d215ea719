"""`movie mask`: where a place is in a video, as a grey video to look at and to mend."""

from __future__ import annotations

import time
from collections.abc import Callable
from inspect import cleandoc
from pathlib import Path
from typing import Any

import click

from movie_cli.cli.edit import may_overwrite
from movie_cli.cli.fields import NO, YES, field_option, field_options, seconds
from movie_cli.cli.help import Command, Decorator, themed, with_options
from movie_cli.cli.output import make_reporter, output_options, shown_as
from movie_cli.editing.request import STREAM, PartOptions, check_output, check_source
from movie_cli.errors import UsageError
from movie_cli.models.region_names import PLACES, read_place
from movie_cli.options import MachineOptions
from movie_cli.recipe import Recipe

SMALL = 0.001
"""A mean share of the frame below which a place is said not to be in the video."""
EXAMPLES = (
    "movie mask in.mp4 sky -o sky.mp4",
    "movie mask in.mp4 people,animal -o mask.mp4 --start 2 --end 5",
)

_where, _file = map(themed, ("Where", "Output file"))


def _mask_options(function: Callable[..., Any]) -> Callable[..., Any]:
    options: tuple[Decorator, ...] = (
        seconds(PartOptions, "start", _where, "Begin here."),
        seconds(PartOptions, "end", _where, "Stop before this."),
        _file("-o", "--output", setting=False, required=True, metavar="OUT", help="The mask's video."),
        field_option(Recipe, "model", themed("Machine"), help="Whose regions."),
        *field_options(MachineOptions, "offline"),
        YES,
        NO,
    )
    return with_options(function, options)


@click.command(cls=Command, examples=EXAMPLES, options_metavar="-o OUT [OPTIONS]")
@click.argument("source", metavar="SOURCE")
@click.argument("place", metavar="PLACE")
@_mask_options
@output_options
def mask(source: str, place: str, **values: Any) -> None:
    """Write where something is, as a grey video.

    It is white where the PLACE is and black where it is not, of the source's size and times. PLACE is one of the
    places below, or several with commas between them.
    """
    shown = shown_as(values)
    output = values["output"]
    weights = read_place(place)
    if STREAM in {source, output}:
        raise UsageError("masks are made of files, not of streams", "name files")
    check_source(source)
    check_output(source, output)
    replace = may_overwrite(output, values["yes"], values["no"], shown)
    from movie_cli import media
    from movie_cli.editing.masks import RegionMasks, network_of, write_mask

    network = network_of(values["model"], values["offline"])
    info = media.probe(source)
    began = time.monotonic()
    with make_reporter(shown) as reporter:
        whole = values["start"] is None and values["end"] is None
        reporter.start(info.video.frames if whole else None, Path(output).name)
        span = values["start"], values["end"]
        report = write_mask(Path(output), info, RegionMasks(network, weights), span, reporter.advance, replace=replace)
        for message in report.written.messages:
            reporter.message("info", message)
        if report.share < SMALL:
            reporter.message("warning", f"there is hardly any {place} in {source}: the mask is black")
        seconds = round(time.monotonic() - began, 3)
        facts = {"output": output, "frames": report.written.frames, "seconds": seconds}
        reporter.done(facts | {"share": round(report.share, 4)})


mask.help = f"{cleandoc(mask.help or '')}\n\nPlaces: {', '.join(PLACES)}."
