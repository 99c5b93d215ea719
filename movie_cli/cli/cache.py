"""`movie cache info|clear`: the latents kept on disk."""

from __future__ import annotations

import click

from movie_cli.cli.help import Command, Group
from movie_cli.cli.output import emit, human_bytes, json_option, print_pairs
from movie_cli.editing.latent_cache import LatentCache


@click.group(cls=Group)
def cache() -> None:
    """Show or clear the latents kept for second edits."""


@cache.command(cls=Command)
@json_option
def info(as_json: bool) -> None:
    """Show where the cache is and how full it is."""
    facts = LatentCache().info()
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
    store = LatentCache()
    before = store.info().bytes
    removed = store.clear()
    after = store.info()
    if as_json:
        emit("cleared", removed=removed, bytes=max(before - after.bytes, 0), kept=after.entries)
        return
    clips = "1 clip" if removed == 1 else f"{removed} clips"
    kept = f"; {after.entries} in use were kept" if after.entries else ""
    click.echo(f"removed {clips}, {human_bytes(max(before - after.bytes, 0))}{kept}")
