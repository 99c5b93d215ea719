"""`movie info`: what is in a file, and what an edit would do with it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from movie_cli.cli.help import Command
from movie_cli.cli.output import emit, human_bytes, json_option, print_pairs, quieten_libraries
from movie_cli.editing.request import check_source
from movie_cli.errors import ModelError
from movie_cli.options import options_of
from movie_cli.recipe import Recipe

if TYPE_CHECKING:
    from movie_cli.media import SourceInfo


@click.command(cls=Command, examples=["movie info in.mp4", "movie info in.mp4 --json"])
@click.argument("source", metavar="SOURCE")
@json_option
def info(source: str, as_json: bool) -> None:
    """Show what is in a video, and what an edit would do with it."""
    check_source(source)
    quieten_libraries(verbose=False)
    from movie_cli import media
    from movie_cli.comparison import films

    with media.local_source(source) as path:
        found = media.probe(path)
        output = media.usual_output(path)
        changes = media.what_changes(output, found)
    size = _working_size(found)
    recipe, start = films.recipe_of(found), films.start_of(found)
    if as_json:
        made = {"recipe": recipe and dataclasses.asdict(recipe), "begins_at": start}
        emit("info", **found.to_dict() | {"path": source}, working_size=size, not_kept=changes, **made)
        return
    print_pairs([("file", source), *_lines(found), *_made(recipe, start)])
    click.echo()
    print_pairs(_outlook(found, size) + [(f"in {output.suffix}", text) for text in changes])


def _made(recipe: Recipe | None, start: float | None) -> list[tuple[str, object]]:
    """What edit a film of ours is, and of which part."""
    if recipe is None:
        return []
    told = [f'"{recipe.instruction}"']
    for name, option in options_of(Recipe).items():
        value = getattr(recipe, name)
        if name in {"text_scale", "image_scale", "model"} or (option.typed and value != option.default):
            told.append(f"{option.words} {option.kind.show(value)}")
    part = [] if start is None else [("part", f"begins at {start:g} s of its source")]
    return [("made by", ", ".join(told)), *part]


def _working_size(found: SourceInfo) -> tuple[int, int] | None:
    """The size at which the default model would work; None without that model."""
    from movie_cli.checkpoints.descriptor import read_descriptor
    from movie_cli.checkpoints.store import DEFAULT_MODEL, resolve
    from movie_cli.editing.editor import working_size

    try:
        model = read_descriptor(resolve(DEFAULT_MODEL, offline=True))
    except ModelError:
        return None
    width, height = found.video.presentation_size
    return working_size(width, height, model.native_area, model.size_multiple)


def _lines(found: SourceInfo) -> list[tuple[str, object]]:
    video = found.video
    width, height = video.display_size
    lines: list[tuple[str, object]] = [
        ("container", f"{found.container}, {human_bytes(found.size_bytes)}"),
        ("duration", "unknown" if found.duration is None else f"{found.duration:.3f} s"),
        ("video", f"{video.codec}, {width}x{height}, {video.pix_fmt}"),
        ("frames", "unknown until decoded" if video.frames is None else video.frames),
    ]
    if video.average_rate is not None:
        kind = "variable" if video.variable else "constant"
        lines.append(("rate", f"{float(video.average_rate):.3f} fps, {kind}"))
    if abs(video.begin) >= 0.001:
        lines.append(("picture", f"begins at {float(video.begin):.3f} s; --start and --end count from there"))
    if video.rotation:
        stored = "x".join(map(str, video.coded_size))
        lines.append(("rotation", f"{video.rotation} degrees, stored as {stored}"))
    if not video.square_pixels:
        ratio = video.sample_aspect_ratio
        shown = "x".join(map(str, video.presentation_size))
        lines.append(("pixels", f"{ratio.numerator}:{ratio.denominator}, shown as {shown}"))
    told = ("range", "matrix", "primaries", "transfer")
    tags = [f"{name} {value}" for name, value in video.colour.to_dict().items() if value and name in told]
    if tags:
        lines.append(("colour", ", ".join(tags)))
    for stream in found.streams:
        parts = [stream.codec or "unknown codec"]
        if stream.sample_rate:
            parts.append(f"{stream.sample_rate} Hz, {stream.channels} channels")
        parts += [part for part in (stream.language, stream.title) if part]
        lines.append((stream.kind, ", ".join(parts)))
    if found.chapters:
        lines.append(("chapters", len(found.chapters)))
    return lines + [("note", note) for note in found.notes]


def _outlook(found: SourceInfo, size: tuple[int, int] | None) -> list[tuple[str, object]]:
    width, height = found.video.display_size
    works = "" if size is None else f"the model works at {size[0]}x{size[1]}, "
    kept = [
        f"{len(streams)} {kind}" for kind, streams in (("audio", found.audio), ("subtitle", found.subtitles)) if streams
    ]
    copied = (
        f"; copied: {' and '.join(kept)} " + ("stream" if len(found.audio + found.subtitles) == 1 else "streams")
        if kept
        else ""
    )
    return [("an edit", f"{works}the output has {width}x{height} and every timestamp{copied}")]
