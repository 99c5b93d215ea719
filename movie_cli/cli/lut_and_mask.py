"""Parts of an edit as files of their own: `movie lut` has its colours, `movie mask` where a place is.

A table is read by other programs, and videos are graded by one; a mask is a grey video to look at and to mend.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from inspect import cleandoc
from pathlib import Path
from typing import Any

import click

from movie_cli.cli.command import Command, Decorator, themed, with_options
from movie_cli.cli.edit import may_overwrite
from movie_cli.cli.fields import NO, YES, field_option, field_options, field_values, seconds, still_anchors, whole
from movie_cli.cli.output import make_reporter, output_options, shown_as
from movie_cli.editing.request import PartOptions, PreviewRequest, check_output, check_source
from movie_cli.errors import UsageError
from movie_cli.models.region_names import PLACES, read_place
from movie_cli.options import STREAM, MachineOptions
from movie_cli.recipe import Recipe

ENDING = ".cube"
LEAST = 30.0
"""PSNR in dB between edit and table below which an edit is more than a matter of colour."""
LUT_EXAMPLES = (
    'movie lut in.mp4 "make it sepia" -o sepia.cube',
    "movie lut other.mp4 --apply sepia.cube -o graded.mp4",
)

_what, _where, _file = map(themed, ("What to do", "Where", "Output file"))


def _lut_options(function: Callable[..., Any]) -> Callable[..., Any]:
    options: tuple[Decorator, ...] = (
        _what("--apply", setting=False, metavar="CUBE", help="Grade SOURCE by this table instead of making one."),
        field_option(Recipe, "text_scale", metavar="NUMBER", help="How much the instruction counts."),
        field_option(Recipe, "image_scale", metavar="NUMBER", help="How much the source counts."),
        *field_options(Recipe, "steps", "model"),
        still_anchors(_what),
        _what("--frames", type=whole(2, 1000), metavar="N", default=16, show_default=True,
              help="Frames that are edited for the table; every other one judges it."),
        _what("--least", type=click.FloatRange(0, 99), metavar="DB", default=LEAST, show_default=True,
              help="Refuse a table that is further from the edit than this."),
        _file("-o", "--output", setting=False, required=True, metavar="OUT", help="A .cube file, or the video."),
        *field_options(MachineOptions, "backend", "device", "dtype", "offline"),
        YES,
        NO,
    )  # fmt: skip
    return with_options(function, options)


@click.command(cls=Command, examples=LUT_EXAMPLES, options_metavar="-o OUT [OPTIONS]")
@click.argument("source", metavar="SOURCE")
@click.argument("instruction", metavar='["INSTRUCTION"]', required=False)
@_lut_options
@output_options
def lut(source: str, instruction: str | None, **values: Any) -> None:
    """Write an edit's colours as a table, or grade a video by one.

    The table is fitted on frames from all over the video. Resolve, ffmpeg's lut3d and others read it. An edit that
    draws, or does another thing to the sky than to the road, is more than a table holds, and is refused.
    """
    shown = shown_as(values)
    output = values["output"]
    if STREAM in {source, output}:
        raise UsageError("tables are made of files, not of streams", "name files")
    if (instruction is None) == (values["apply"] is None):
        raise UsageError("either an instruction or --apply is wanted", f"for example: {LUT_EXAMPLES[0]}")
    if values["apply"] is None and Path(output).suffix.lower() != ENDING:
        raise UsageError(f"{output} is no table's name", f"end it in {ENDING}")
    check_source(source)
    check_output(source, output)
    replace = may_overwrite(output, values["yes"], values["no"], shown)
    from movie_cli.editing.lut import NODES, grade_video, make_table, write_cube

    began = time.monotonic()
    with make_reporter(shown) as reporter:
        facts: dict[str, object]
        if instruction is None:
            facts = {"frames": grade_video(source, Path(values["apply"]), output, reporter, replace=replace)}
        else:
            table = make_table(_request(source, instruction, values), values["frames"], values["least"], reporter)
            write_cube(Path(output), table.values, f"{instruction} ({values['model']})", replace=replace)
            reporter.message("info", f"the table is {table.psnr:.1f} dB from the edit, on frames it was not fitted on")
            facts = {"frames": table.frames, "nodes": NODES, "psnr": round(min(table.psnr, 99.0), 2)}
        reporter.done({"output": output, "seconds": round(time.monotonic() - began, 3), **facts})


def _request(source: str, instruction: str, values: dict[str, Any]) -> PreviewRequest:
    recipe = Recipe(instruction, **field_values(Recipe, values))
    text, image = recipe.scales
    machine = field_values(MachineOptions, values)
    return PreviewRequest(source, recipe, (instruction,), (text,), (image,), **machine)


SMALL = 0.001
"""A mean share of the frame below which a place is said not to be in the video."""
MASK_EXAMPLES = (
    "movie mask in.mp4 sky -o sky.mp4",
    "movie mask in.mp4 people,animal -o mask.mp4 --start 2 --end 5",
)


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


@click.command(cls=Command, examples=MASK_EXAMPLES, options_metavar="-o OUT [OPTIONS]")
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
