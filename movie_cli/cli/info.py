"""The commands that only tell: `movie info` of a video; `movie devices`, `cache` and `completion` of this machine."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click
from click.shell_completion import get_completion_class

from movie_cli.cli.command import Command, Group
from movie_cli.cli.errors import COMPLETION
from movie_cli.cli.output import emit, human_bytes, json_option, print_pairs, print_table, quieten_libraries
from movie_cli.editing.request import check_source
from movie_cli.errors import ModelError
from movie_cli.options import options_of
from movie_cli.recipe import Recipe, recipe_in, start_in

if TYPE_CHECKING:
    from movie_cli.editing.latent_cache import LatentCache
    from movie_cli.media import SourceInfo


@click.command(cls=Command, examples=["movie info in.mp4", "movie info in.mp4 --json"])
@click.argument("source", metavar="SOURCE")
@json_option
def info(source: str, as_json: bool) -> None:
    """Show what is in a video, and what an edit would do with it."""
    check_source(source)
    quieten_libraries(verbose=False)
    from movie_cli import media

    with media.local_source(source) as path:
        found = media.probe(path)
        output = media.usual_output(path)
        changes = media.what_changes(output, found)
    size = _working_size(found)
    recipe, start = recipe_in(found.metadata), start_in(found.metadata)
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


@click.command(cls=Command, examples=["movie devices", 'movie edit in.mp4 "make it night" -o out.mp4 --device cpu'])
@json_option
def devices(as_json: bool) -> None:
    """Show what this machine can compute on, and what `auto` picks."""
    quieten_libraries(verbose=False)
    from movie_cli.backends.registry import list_devices
    from movie_cli.backends.torch_devices import choose_torch

    found = list_devices()
    config = choose_torch() if any(device.backend == "torch" for device in found) else None
    if as_json:
        for device in found:
            emit("device", **dataclasses.asdict(device))
        if config is not None:
            emit("choice", **dataclasses.asdict(config))
        return
    print_table(
        ("backend", "device", "usable", "dtype", "name", "why"),
        [
            (device.backend, device.device, "yes" if device.usable else "no", device.dtype, device.name, device.reason)
            for device in found
        ],
    )
    if config is None:
        click.echo("\ntorch is not installed: only exports are run")
    else:
        click.echo(f"\n--device auto picks {config.reason}")


@click.group(cls=Group)
def cache() -> None:
    """Show or clear the latents kept for second edits."""


def _latents() -> LatentCache:
    from movie_cli.editing.latent_cache import LatentCache

    return LatentCache()


@cache.command(name="info", cls=Command)
@json_option
def cache_info(as_json: bool) -> None:
    """Show where the cache is and how full it is."""
    facts = _latents().info()
    if as_json:
        emit("cache", entries=facts.entries, bytes=facts.bytes, limit=facts.limit, root=str(facts.root))
        return
    print_pairs(
        [
            ("folder", facts.root),
            ("clips", facts.entries),
            ("size", f"{human_bytes(facts.bytes)} of at most {human_bytes(facts.limit)}"),
        ]
    )


@cache.command(cls=Command)
@json_option
def clear(as_json: bool) -> None:
    """Remove every clip from the cache, except those in use at the moment."""
    store = _latents()
    before = store.info().bytes
    removed = store.clear()
    after = store.info()
    if as_json:
        emit("cleared", removed=removed, bytes=max(before - after.bytes, 0), kept=after.entries)
        return
    clips = "1 clip" if removed == 1 else f"{removed} clips"
    kept = f"; {after.entries} in use were kept" if after.entries else ""
    click.echo(f"removed {clips}, {human_bytes(max(before - after.bytes, 0))}{kept}")


SHELLS = ("bash", "zsh", "fish")
EXAMPLES = (
    'eval "$(movie completion bash)"            # in ~/.bashrc',
    'eval "$(movie completion zsh)"             # in ~/.zshrc, after compinit',
    "movie completion fish > ~/.config/fish/completions/movie.fish",
)


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("shell", metavar="|".join(SHELLS), type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, /, shell: str) -> None:
    """Print the completion script of a shell."""
    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(ctx.find_root().command, {}, "movie", COMPLETION).source()
    click.echo(script)
