"""`movie presets`: the named looks that `movie edit --preset` knows."""

from __future__ import annotations

import click

from movie_cli.cli.help import Command
from movie_cli.cli.output import emit, json_option, print_table
from movie_cli.presets import Preset, list_presets

EXAMPLES = ("movie presets", "movie edit in.mp4 --preset dusk -o out.mp4")


@click.command(cls=Command, examples=EXAMPLES)
@json_option
def presets(as_json: bool) -> None:
    """List the named looks.

    More of them can be written into config.toml: a table [presets.NAME] with an instruction and any of text-scale,
    image-scale, seed, steps, model, size, anchors and detail.
    """
    found = list_presets()
    if as_json:
        for preset in found:
            emit("preset", name=preset.name, description=preset.description, own=preset.own, **preset.values)
        return
    print_table(
        ("preset", "instruction", "options", "look"),
        [(preset.name, str(preset.values["instruction"]), options_of(preset), _look(preset)) for preset in found],
    )


def options_of(preset: Preset) -> str:
    """What one would type for the rest of the preset."""
    words = []
    for name, value in preset.values.items():
        if name == "instruction":
            continue
        text = (
            "x".join(map(str, value))
            if isinstance(value, tuple)
            else f"{value:g}"
            if isinstance(value, float)
            else value
        )
        words.append(f"--{name.replace('_', '-')} {text}")
    return " ".join(words)


def _look(preset: Preset) -> str:
    return f"{preset.description} (your own)".strip() if preset.own else preset.description
