"""The small commands about this machine: `movie devices`, `movie cache info|clear` and `movie completion SHELL`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click
from click.shell_completion import get_completion_class

from movie_cli.cli.errors import COMPLETION
from movie_cli.cli.help import Command, Group
from movie_cli.cli.output import emit, human_bytes, json_option, print_pairs, print_table, quieten_libraries

if TYPE_CHECKING:
    from movie_cli.editing.latent_cache import LatentCache


@click.command(cls=Command, examples=["movie devices", 'movie edit in.mp4 "make it night" -o out.mp4 --device cpu'])
@json_option
def devices(as_json: bool) -> None:
    """Show what this machine can compute on, and what `auto` picks."""
    quieten_libraries(verbose=False)
    from movie_cli.backends.registry import list_devices
    from movie_cli.backends.torch_devices import choose_torch

    found = list_devices()
    choice = choose_torch() if any(device.backend == "torch" for device in found) else None
    if as_json:
        for device in found:
            emit("device", **dataclasses.asdict(device))
        if choice is not None:
            emit("choice", **dataclasses.asdict(choice))
        return
    print_table(
        ("backend", "device", "usable", "dtype", "name", "why"),
        [
            (device.backend, device.device, "yes" if device.usable else "no", device.dtype, device.name, device.reason)
            for device in found
        ],
    )
    if choice is None:
        click.echo("\ntorch is not installed: only exports are run")
    else:
        click.echo(f"\n--device auto picks {choice.reason}")


@click.group(cls=Group)
def cache() -> None:
    """Show or clear the latents kept for second edits."""


def _latents() -> LatentCache:
    from movie_cli.editing.latent_cache import LatentCache

    return LatentCache()


@cache.command(cls=Command)
@json_option
def info(as_json: bool) -> None:
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
