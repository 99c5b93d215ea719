"""`movie preview`: a contact sheet of scales, seeds, instructions and frames, in seconds."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from movie_cli.cli.command import Command, Decorator, themed, with_options
from movie_cli.cli.edit import may_overwrite
from movie_cli.cli.fields import (
    NO,
    YES,
    KindType,
    ListType,
    field_options,
    field_values,
    listed_option,
    still_anchors,
    whole,
)
from movie_cli.cli.output import OutputOptions, emit, make_reporter, output_options, shown_as
from movie_cli.editing.request import PreviewRequest, Reporter, check_output, check_source
from movie_cli.errors import OutputError, UsageError
from movie_cli.files import write_whole
from movie_cli.kinds import Time, TimeValue
from movie_cli.options import STREAM, MachineOptions, options_of
from movie_cli.presets import get_preset
from movie_cli.recipe import DEFAULT_IMAGE_SCALE, DEFAULT_TEXT_SCALE, Recipe
from movie_cli.tune.command import as_typed, edit_arguments

if TYPE_CHECKING:
    from PIL import Image

    from movie_cli.editing.preview import ContactSheet, Previewer

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
TEXT_SCALES, IMAGE_SCALES = (4.0, 8.0, 12.0), (1.25, 1.75)
"""What one instruction is shown at unless told otherwise (MoViE's Figure 4)."""
MOST_TILES = 400
_NO_TERMINAL = "name a file with -o sheet.png"

EXAMPLES = (
    'movie preview in.mp4 "make it winter" -o sheet.png',
    'movie preview in.mp4 "make it night" --text-scale 6,8,10 --image-scale 1.2,1.5 --at 3s -o sheet.png',
    'movie preview in.mp4 "winter" "sepia" "as a comic" --at 1s,4s -o looks.jpg',
    'movie preview in.mp4 "watercolour" --clip 2s -o grid.mp4',
)

_what, _file = map(themed, ("What to show", "Output file"))
SHARED = ("steps", "model", "fade", "only", "except_for", "feather", "then")
"""Fields of the recipe that mean here what they mean to `movie edit`; anchors may not move."""


def _preview_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """All options of the command, in the order of its help."""
    time = KindType(Time())
    options: tuple[Decorator, ...] = (
        _what("--at", type=ListType(Time()), setting=False, metavar="TIME,...", help="Which frames."),
        listed_option(Recipe, "text_scale", _what, "Text scales, from left to right."),
        listed_option(Recipe, "image_scale", _what, "Image scales, downwards."),
        listed_option(Recipe, "seed", _what, "Seeds, downwards."),
        _what("--clip", type=time, setting=False, metavar="TIME", help="A grid video this long, not a picture."),
        _what("--preset", setting=False, metavar="NAME", help="A named look, see `movie presets`."),
        still_anchors(_what),
        *field_options(Recipe, *SHARED, under=_what),
        _file(
            "-o", "--output", setting=False, metavar="OUT", help="A picture, or a video with --clip; else it is shown."
        ),
        _file("--tile-width", type=whole(64, 4096), metavar="PIXELS", help="Default: what fits."),
        *field_options(MachineOptions),
        YES,
        NO,
    )
    return with_options(function, options)


@click.command(cls=Command, examples=EXAMPLES, options_metavar="[-o OUT] [OPTIONS]")
@click.argument("source", metavar="SOURCE")
@click.argument("instructions", metavar='"INSTRUCTION"...', nargs=-1)
@_preview_options
@output_options
def preview(source: str, instructions: tuple[str, ...], **values: Any) -> None:
    """Show a few frames of a video in many versions.

    One instruction is shown over text and image scales, several side by side at the usual ones, a preset at its own,
    edits that follow (--then) after each of them.
    Each tile's label is what to type for it. Without -o the sheet is drawn in the terminal.
    """
    shown = shown_as(values)
    request = _request(source, instructions, values)
    output, length = values["output"], values["clip"]
    if source == STREAM:
        raise UsageError("a preview reads its frames from anywhere, which stdin does not allow", "name a file")
    check_source(source)
    _check_place(output, length, shown)
    overwrite = False
    if output is not None:
        check_output(source, output)
        overwrite = may_overwrite(output, values["yes"], values["no"], shown)
    with (
        make_reporter(shown) as reporter,
        opened(request, reporter, values["tile_width"], one_place=length is not None) as (previewer, sheet),
    ):
        if length is not None:
            _write_clip(previewer, sheet, output, length, reporter, replace=overwrite)
            return
        began = time.monotonic()
        picture = draw_sheet(previewer, sheet, reporter)
        if output is not None:
            save_picture(picture, Path(output), replace=overwrite)
    if output is None:
        draw(picture)
        click.echo("\n".join(sheet.lines()))
    elif shown.json:
        emit(
            "done",
            output=output,
            width=picture.width,
            height=picture.height,
            tiles=len(request.recipes()) * len(previewer.places),
            seconds=round(time.monotonic() - began, 3),
        )
    else:
        reporter.message("info", f"{output}: {len(sheet.tiles)} versions; to make one: {_next(request)}")


def _next(request: PreviewRequest) -> str:
    """The command for the version in the middle."""
    recipe = request.recipes()[len(request.recipes()) // 2]
    return as_typed(edit_arguments(request.source, "out.mp4", recipe, Recipe(recipe.instruction), {}))


def _request(source: str, instructions: tuple[str, ...], values: dict[str, Any]) -> PreviewRequest:
    preset = {} if values["preset"] is None else dict(get_preset(values["preset"]).values)
    if preset and not instructions:
        instructions = (str(preset["instruction"]),)
    if not instructions:
        raise UsageError('"INSTRUCTION" is missing', 'say what to do, for example "make it winter"')
    scales = {"text_scale": DEFAULT_TEXT_SCALE, "image_scale": DEFAULT_IMAGE_SCALE} | preset
    usual_text: tuple[float, ...] = (scales["text_scale"],)
    usual_image: tuple[float, ...] = (scales["image_scale"],)
    if len(instructions) == 1 and not (preset or values["then"] or values["text_scale"] or values["image_scale"]):
        # Who names one of the two scales, a preset, or what follows, looks at that one.
        usual_text, usual_image = TEXT_SCALES, IMAGE_SCALES
    context = click.get_current_context()
    options = options_of(Recipe)
    typed = {
        name: values[options[name].param]
        for name in ("anchors", *SHARED)
        if name not in preset or context.get_parameter_source(options[name].param) == ParameterSource.COMMANDLINE
    }
    recipe = Recipe(**{**preset, **typed, "instruction": instructions[0]})
    request = PreviewRequest(
        source=source,
        recipe=recipe,
        instructions=instructions,
        text_scales=values["text_scale"] or usual_text,
        image_scales=values["image_scale"] or usual_image,
        seeds=values["seed"] or (recipe.seed,),
        at=values["at"] or (),
        **field_values(MachineOptions, values),
    )
    tiles = len(request.recipes()) * max(1, len(request.at))
    if tiles > MOST_TILES:
        raise UsageError(f"that makes {tiles} tiles, more than {MOST_TILES}", "name fewer scales, seeds or frames")
    return request


def _check_place(output: str | None, length: TimeValue | None, shown: OutputOptions) -> None:
    if output is None:
        if length is not None:
            raise UsageError("a grid video needs a file", "name one with -o grid.mp4")
        if shown.json:
            raise UsageError("--json and a sheet would both be written to stdout", "name a file with -o sheet.png")
        check_terminal()
    elif output == STREAM:
        raise UsageError("a preview is not written to stdout", "name a file with -o")
    elif length is None and Path(output).suffix.lower() not in PICTURES:
        raise UsageError(f"{output} is no picture's name", f"end it in {', '.join(PICTURES)}; or ask for a --clip")


@contextlib.contextmanager
def opened(
    request: PreviewRequest,
    reporter: Reporter,
    tile_width: int | None = None,
    *,
    most_places: int = 3,
    one_place: bool = False,
) -> Iterator[tuple[Previewer, ContactSheet]]:
    """What makes the tiles, and the sheet that they go on; `one_place` for a video, of which each frame is a sheet.

    Raises:
        MovieError: the source, the checkpoint or the device cannot be used.
    """
    from movie_cli.editing.preview import ContactSheet, Previewer
    from movie_cli.media import local_source

    with local_source(request.source) as path:
        previewer = Previewer(request, path, reporter, most_places)
        places = previewer.places[:1] if one_place else previewer.places
        yield previewer, ContactSheet(request, places, previewer.size, tile_width)


def draw_sheet(previewer: Previewer, sheet: ContactSheet, reporter: Reporter) -> Image.Image:
    """Make all tiles and put them on the sheet."""
    recipes, places = len(previewer.request.recipes()), len(previewer.places)
    reporter.start(recipes * places, Path(previewer.request.source).name)
    made = previewer.tiles()
    picture = sheet.blank()
    for cell, (_, pixels) in zip(sheet.sources, made.sources, strict=True):
        sheet.paste(picture, cell, pixels)
    for index, tile in enumerate(made.tiles):
        sheet.paste(picture, sheet.tiles[divmod(index, places)], tile.pixels)
    return picture


def _write_clip(previewer: Previewer, sheet: ContactSheet, output: str, length: TimeValue, reporter: Reporter,
                *, replace: bool) -> None:  # fmt: skip
    import numpy as np

    from movie_cli.media import VideoWriter
    from movie_cli.media.outfile import Naming

    span = previewer.clip_span(length)
    picture = sheet.blank()
    cells = (sheet.sources[0], *(sheet.tiles[number, 0] for number in range(len(previewer.request.recipes()))))
    began = time.monotonic()
    reporter.start(span.frames, Path(previewer.request.source).name)
    with VideoWriter(output, previewer.info, size=sheet.size, start=span.start, end=span.end) as writer:
        for frame, versions in previewer.clips(length):
            for cell, pixels in zip(cells, versions, strict=True):
                sheet.paste(picture, cell, pixels)
            writer.write(np.asarray(picture), frame.pts, frame.duration)
        report = writer.commit(naming=Naming(replace=replace))
    seconds = max(time.monotonic() - began, 1e-9)
    reporter.done({"output": output, "frames": report.frames, "seconds": round(seconds, 3),
                   "fps": round(report.frames / seconds, 2), "size": sheet.size})  # fmt: skip


def save_picture(picture: Image.Image, path: Path, *, replace: bool) -> None:
    """Write a picture of the kind that the name's ending says.

    Raises:
        UsageError: something has its name by now, and not `replace`.
        OutputError: it cannot be written.
    """
    kind = {".png": "PNG", ".webp": "WEBP"}.get(path.suffix.lower(), "JPEG")
    stream = io.BytesIO()
    picture.save(stream, kind, **({} if kind == "PNG" else {"quality": 92}))
    write_whole(path, stream.getvalue(), replace=replace)


def check_terminal() -> None:
    """Refuse where nothing can be drawn.

    Raises:
        UsageError: stdout is no terminal, or one that shows neither images nor blocks.
    """
    if not sys.stdout.isatty():
        raise UsageError("there is no terminal to draw the sheet in", _NO_TERMINAL)
    if os.environ.get("TERM") == "dumb" or not (sys.stdout.encoding or "").lower().startswith("utf"):
        raise UsageError("this terminal shows neither images nor Unicode blocks", _NO_TERMINAL)


def draw(picture: Image.Image) -> None:
    """Draw across the terminal's width.

    Raises:
        OutputError: the package that draws is not installed.
    """
    if has_iterm2_images():
        sys.stdout.write(iterm2_image(picture) + "\n")
        return
    try:
        # Asks the terminal what it understands when it is imported.
        from textual_image.renderable import Image as TerminalImage
    except ImportError as error:
        raise OutputError(
            "drawing in the terminal needs textual-image, which is not installed", _NO_TERMINAL
        ) from error
    from rich.console import Console

    Console().print(TerminalImage(picture, width="100%", height="auto"))


def has_iterm2_images() -> bool:
    """Whether the terminal is iTerm2, by what it sets, also over ssh."""
    return os.environ.get("TERM_PROGRAM") == "iTerm.app" or os.environ.get("LC_TERMINAL") == "iTerm2"


def iterm2_image(picture: Image.Image) -> str:
    """The escape sequence of iTerm2's inline images protocol, as wide as the terminal."""
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    content = stream.getvalue()
    text = base64.b64encode(content).decode("ascii")
    return f"\x1b]1337;File=inline=1;size={len(content)};width=100%;preserveAspectRatio=1:{text}\a"
