"""`movie compare`: videos side by side, as a page with a wipe and curves, a picture, or a video."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from movie_cli.cli.command import Command, Decorator, themed, with_options
from movie_cli.cli.edit import may_overwrite
from movie_cli.cli.fields import NO, YES, seconds, whole
from movie_cli.cli.output import LineReporter, make_reporter, output_options, shown_as
from movie_cli.cli.preview import PICTURES, save_picture
from movie_cli.editing.request import PartOptions, check_output, check_source
from movie_cli.errors import UsageError
from movie_cli.options import STREAM

PAGES = (".html", ".htm")
MOST_FILMS = 9
TILE, MOMENTS = 480, 6
LARGE_PAGE = 100_000_000

EXAMPLES = (
    "movie compare in.mp4 out.mp4 -o report.html",
    "movie compare in.mp4 winter.mp4 night.mp4 -o strip.png",
    "movie compare in.mp4 out.mp4 -o both.mp4 --start 10s",
)

_what, _file = map(themed, ("What to compare", "Output file"))


def _compare_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """All options of the command, in the order of its help."""
    options: tuple[Decorator, ...] = (
        seconds(PartOptions, "start", _what, "Where in A the others begin, if they are a part of it."),
        seconds(PartOptions, "duration", _what, "Compare this much."),
        _file("-o", "--output", setting=False, required=True, metavar="OUT", help="A page, a picture or a video."),
        _file("--embed", is_flag=True, setting=False, help="Put the videos into the page, to send one file."),
        _file("--tile-width", type=whole(64, 4096), metavar="PIXELS", help="Of picture and video."),
        _file("--moments", type=whole(1, 100), metavar="N", default=MOMENTS, help="Columns of a picture."),
        YES,
        NO,
    )
    return with_options(function, options)


@click.command(cls=Command, examples=EXAMPLES, options_metavar="-o OUT [OPTIONS]")
@click.argument("videos", metavar="A B [C ...]", nargs=-1, required=True)
@_compare_options
@output_options
def compare(videos: tuple[str, ...], **values: Any) -> None:
    """Show videos side by side: A, the source, and others.

    The ending of OUT says how: .html is a page with synchronised players, a wipe slider, curves of difference and
    flicker, and recipes; it needs no network. .png is a strip of moments; .mp4 shows all at once.
    """
    shown = shown_as(values)
    output = values["output"]
    _check(videos, output, values["embed"])
    for video in videos:
        check_source(video)
        check_output(video, output)
    replace = may_overwrite(output, values["yes"], values["no"], shown)
    from movie_cli.comparison.films import open_films, unlike_lengths

    limit = values["duration"]
    began = time.monotonic()
    path, paths = Path(output), [Path(video) for video in videos]
    with make_reporter(shown) as reporter, open_films(paths, values["start"]) as films:
        begin = films[0].start
        if values["start"] is None and begin is not None:
            place = begin - float(films[0].info.video.begin)
            reporter.message("info", f"{videos[1]} begins at {place:g} s of {videos[0]}, as its metadata says")
        elif begin is None and unlike_lengths(films):
            reporter.message("warning", "the films differ in length: --start says where the others begin")
        reporter.start(_expected(films) if limit is None and begin is None else None, path.name)
        if path.suffix.lower() in PAGES:
            frames = _page(path, films, limit, values["embed"], reporter, replace=replace)
        elif path.suffix.lower() in PICTURES:
            frames = _strip(path, films, limit, values, replace=replace)
        else:
            from movie_cli.comparison.films import write_side_by_side

            frames = write_side_by_side(
                path, films, _tile(films, values), limit, reporter.advance, replace=replace
            ).frames
        reporter.done({"output": output, "frames": frames, "seconds": round(time.monotonic() - began, 3)})


def _check(videos: tuple[str, ...], output: str, embed: bool) -> None:
    if len(videos) < 2:
        raise UsageError("one video alone cannot be compared", "name two or more, the source first")
    if len(videos) > MOST_FILMS:
        raise UsageError(f"{len(videos)} videos are more than {MOST_FILMS}", "compare fewer at a time")
    if STREAM in {*videos, output}:
        raise UsageError("videos are compared as files, not as streams", "name files")
    if embed and Path(output).suffix.lower() not in PAGES:
        raise UsageError("--embed is for pages", "end OUT in .html")


def _expected(films: Any) -> int | None:
    """How many frames are compared, if all rates are alike; headers may be wrong."""
    counts = [film.info.video.frames for film in films]
    alike = len({film.info.video.average_rate for film in films}) == 1
    return min(counts) if alike and None not in counts else None


def _page(path: Path, films: Any, limit: float | None, embed: bool, reporter: LineReporter, *, replace: bool) -> int:
    from movie_cli.comparison.films import compared_size, in_step, measure
    from movie_cli.comparison.page import copies_folder, write_page

    def counted() -> Any:
        for shown in in_step(films, compared_size(films[0]), limit):
            reporter.advance(1)
            yield shown

    curves, note = measure(counted(), len(films))
    if note:
        reporter.message("info", note)
    copied = write_page(path, films, curves, note, embed=embed, limit=limit, replace=replace)
    if copied and not embed:
        reporter.message("info", f"browsers do not play {', '.join(copied)}: copies are in {copies_folder(path)}")
    if not embed:
        reporter.message("info", "the page plays the videos where they lie: to send it, make it with --embed")
    size = path.stat().st_size
    if size > LARGE_PAGE:
        reporter.message("warning", f"the page has {size / 1e6:.0f} MB; without --embed it links the videos")
    return len(curves.times[0])


def _tile(films: Any, values: dict[str, Any]) -> tuple[int, int]:
    from movie_cli.comparison.films import tile_size

    return tile_size(films[0], values["tile_width"] or TILE)


def _strip(path: Path, films: Any, limit: float | None, values: dict[str, Any], *, replace: bool) -> int:
    from movie_cli.comparison.films import strip

    picture = strip(films, values["moments"], _tile(films, values), limit)
    save_picture(picture, path, replace=replace)
    return values["moments"]
