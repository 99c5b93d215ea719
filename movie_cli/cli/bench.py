"""`movie bench`: frames a second, stage by stage; operations a frame; memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from movie_cli.cli.command import Command, Decorator, themed, with_options
from movie_cli.cli.edit import may_overwrite
from movie_cli.cli.fields import NO, YES, field_option, field_options, field_values, still_anchors, whole
from movie_cli.cli.output import OutputOptions, emit, human_bytes, json_option, print_pairs, quieten_libraries
from movie_cli.editing.request import EditRequest, check_output, check_source
from movie_cli.errors import OutputError, UsageError
from movie_cli.options import RunOptions
from movie_cli.recipe import Recipe

KINDS = ("nano", "sd15-movie", "sd15-base")
EXAMPLES = (
    "movie bench",
    "movie bench in.mp4 --model nano --compare --chart stages.png",
    "movie bench --random-weights sd15-movie --flops-only --size 480x480",
)
_STAGES = (
    ("decode", False),
    ("encode_latents", True),
    ("denoise", True),
    ("decode_latents", True),
    ("detail", False),
    ("encode", False),
)
_what, _file = map(themed, ("What to measure", "Output file"))


def _bench_options(function: Callable[..., Any]) -> Callable[..., Any]:
    options: tuple[Decorator, ...] = (
        field_option(Recipe, "model", _what),
        _what(
            "--random-weights",
            type=click.Choice(KINDS),
            metavar="KIND",
            setting=False,
            help="Networks of true shapes instead: nano, sd15-movie or sd15-base.",
        ),
        field_option(
            Recipe, "size", _what, setting=False, metavar="WxH", shown="", help="Of the clip; default: 512x384."
        ),
        _what(
            "--frames",
            type=whole(1, 1_000_000),
            setting=False,
            metavar="N",
            default=120,
            show_default=True,
            help="Length of the clip.",
        ),
        field_option(Recipe, "steps", _what),
        still_anchors(_what),
        _what("--flops-only", is_flag=True, setting=False, help="Count operations and run nothing."),
        _what("--compare", is_flag=True, setting=False, help="Also run diffusers' pipeline with the same weights."),
        *field_options(RunOptions, "backend", "device", "dtype", "compile", "threads", "batch_size", "offline"),
        _file("--chart", setting=False, metavar="PNG", help="Also draw the stages."),
        YES,
        NO,
    )
    return with_options(function, options)


@click.command(cls=Command, examples=EXAMPLES, options_metavar="[OPTIONS]")
@click.argument("source", metavar="[SOURCE]", required=False)
@_bench_options
@json_option
def bench(source: str | None, **values: Any) -> None:
    """Measure what an edit costs here: time, operations, memory.

    Without SOURCE a clip of moving noise is edited. Operations are floating-point, twice the multiply-adds.
    """
    quieten_libraries(verbose=False)
    size = values["size"] or (512, 384)
    if source is not None:
        if values["size"] is not None or values["flops_only"]:
            raise UsageError("SOURCE has a size of its own, and --flops-only reads none", "leave one of them out")
        check_source(source)
    chart, replace = values["chart"], False
    if chart is not None:
        if Path(chart).suffix.lower() != ".png":
            raise OutputError(f"{chart} does not end in .png", "a chart is a PNG picture")
        check_output(source or "", chart)
        replace = may_overwrite(chart, values["yes"], values["no"], OutputOptions(json=values["as_json"]))
    found = _operations(values, size) if values["flops_only"] else _measured(source, values, size)
    if values["as_json"]:
        emit("bench", **found)
    else:
        print_pairs(_lines(found))
    if chart is not None and not values["flops_only"]:
        from movie_cli.bench.stages import draw_chart, save_chart

        bars = [(name.replace("_", " "), found[f"{name}_ms"], network) for name, network in _STAGES]
        title = f"{found['model']} on {found['device']} in {found['dtype']}: {found['fps']:.1f} frames a second"
        foot = f"milliseconds a frame at {found['working_size']}; dark: the network"
        save_chart(draw_chart(title, bars, foot), Path(chart), replace=replace)


def _operations(values: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    from movie_cli.bench.measuring import operation_values, operations_of_kind, operations_of_model
    from movie_cli.bench.shapes import PROMPT_TOKENS, SHAPES
    from movie_cli.checkpoints.store import open_model

    anchored = values["anchors"] != "none"
    if values["random_weights"]:
        cost = operations_of_kind(values["random_weights"], size)
        return {"model": values["random_weights"], **operation_values(cost, size, anchored=anchored)}
    descriptor = open_model(values["model"], values["offline"])
    tokens = SHAPES["nano"].tokens if descriptor.edits else PROMPT_TOKENS
    cost = operations_of_model(descriptor, size, values["steps"] or descriptor.steps, tokens)
    return {"model": descriptor.name, **operation_values(cost, size, anchored=anchored)}


def _measured(source: str | None, values: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    from movie_cli.bench.measuring import measure

    with tempfile.TemporaryDirectory(prefix="movie-bench-") as name:
        folder, model = Path(name), values["model"]
        if values["random_weights"]:
            from movie_cli.bench.shapes import save_random

            model = str(save_random(values["random_weights"], folder / values["random_weights"]))
        request = EditRequest(
            str(folder / "clip.mp4") if source is None else source,
            str(folder / "edited.mp4"),
            Recipe("make it winter", model=model, steps=values["steps"], anchors=values["anchors"]),
            **field_values(RunOptions, values),
            use_cache=False,
            overwrite=True,
        )
        drawn = (values["frames"], size) if source is None else None
        return measure(request, drawn, compare=values["compare"])


def _lines(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name.removesuffix("_bytes").replace("_", " "), _text(name, value)) for name, value in found.items()]


def _text(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name.endswith("_bytes"):
        return human_bytes(value)
    if "flops" in name:
        return f"{value / 1e12:.4g} T" if value >= 1e12 else f"{value / 1e9:.4g} G"
    if name.startswith("share"):
        return f"{100 * value:.1f} %"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
