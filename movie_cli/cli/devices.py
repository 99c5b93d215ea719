"""`movie devices`: every backend and device, usable or not, and why not."""

from __future__ import annotations

import dataclasses

import click

from movie_cli.cli.help import Command
from movie_cli.cli.output import emit, json_option, print_table, quieten_libraries


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
