"""Options that several commands have: one definition each, so that they mean the same everywhere."""

from __future__ import annotations

from collections.abc import Callable

import click

from movie_cli.cli import types
from movie_cli.cli.help import Decorator, themed

_machine, _safety = map(themed, ("Machine", "Safety"))

BACKEND = _machine(
    "--backend", default="auto", show_default=True, metavar="auto|torch|openvino|onnx|qnn", help="What runs it."
)
PROVIDER = _machine(
    "--provider", default="auto", show_default=True, metavar="NAME", help="What runs an export: cpu, cuda, coreml, ..."
)
DTYPE = _machine(
    "--dtype",
    type=click.Choice(["auto", "float32", "bfloat16", "float16", "int8"]),
    metavar="TYPE",
    default="auto",
    show_default=True,
    help="float32, bfloat16, float16, int8 (OpenVINO's decoder), or the fastest safe one.",
)
COMPILE = _machine(
    "--compile",
    type=click.Choice(["auto", "on", "off"]),
    metavar="auto|on|off",
    default="auto",
    show_default=True,
    help="torch.compile: a slow first frame, then faster; auto: long clips on CUDA.",
)
OFFLINE = _machine("--offline", is_flag=True, help="Fetch nothing from the network.")
YES = _safety("-y", "--yes", is_flag=True, setting=False, help="Replace OUT if it exists.")
NO = _safety("-n", "--no", is_flag=True, setting=False, help="Never replace OUT, and do not ask.")


def steps(option: Callable[..., Decorator]) -> Decorator:
    """`--steps`, under the theme of `option`."""
    return option(
        "--steps", type=types.WholeType(1, 1000), metavar="N", help="Denoising steps; default: the model's own."
    )


def anchors(option: Callable[..., Decorator], *, moving: bool = True) -> Decorator:
    """`--anchors`, under the theme of `option`; `moving` where anchors may change within a clip."""
    return option(
        "--anchors",
        type=types.ANCHOR if moving else types.STILL_ANCHOR,
        metavar="middle|first|every:N|scene|none" if moving else "middle|first|none",
        default="middle",
        show_default=True,
        help="Frames that the others follow: one, the newest of every N, or one of each scene."
        if moving
        else "Frame that the others follow.",
    )
