"""The options of `movie edit`, which `movie batch` takes for its jobs too, and the request that their values make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click
from click.core import ParameterSource

from movie_cli.cli import common, types
from movie_cli.cli.help import Decorator, themed, with_options
from movie_cli.cli.recipes import recipe_of
from movie_cli.editing.request import EditRequest, EncodeOptions
from movie_cli.errors import UsageError
from movie_cli.reading import MAX_PIXELS, MAX_SECONDS, ReadOptions
from movie_cli.recipe import DEFAULT_IMAGE_SCALE, DEFAULT_TEXT_SCALE

_what, _part, _reading = map(themed, ("What to do", "Which part", "Source file"))
_machine, _file, _safety = map(themed, ("Machine", "Output file", "Safety"))


SINGLE = frozenset({"output", "resume", "workers"})
"""Options that make no sense for many edits at once."""


def shared_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `edit` that `batch` takes for all its jobs."""
    function = edit_options(function)
    params: list[click.Parameter] = function.__click_params__  # type: ignore[attr-defined]  # where click keeps them
    params[:] = [param for param in params if param.name not in SINGLE]
    return function


def edit_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """All options of the command, in the order of its help."""
    options: tuple[Decorator, ...] = (
        _what(
            "--text-scale",
            type=types.SCALE,
            metavar="NUMBER",
            default=DEFAULT_TEXT_SCALE,
            show_default=True,
            help="How much the instruction counts.",
        ),
        _what(
            "--image-scale",
            type=types.SCALE,
            metavar="NUMBER",
            default=DEFAULT_IMAGE_SCALE,
            show_default=True,
            help="How much the source counts.",
        ),
        _what(
            "--seed",
            type=types.WholeType(0, 2**63 - 1),
            metavar="N",
            default=0,
            show_default=True,
            help="Another seed, another take.",
        ),
        common.steps(_what),
        _what(
            "--model",
            default="nano",
            show_default=True,
            metavar="MODEL",
            help="What edits: a name, a folder, or owner/name on the Hub.",
        ),
        _what("--vae", metavar="taesd|FOLDER|HUB-ID", help="Another autoencoder for a checkpoint of many steps."),
        _what(
            "--scheduler",
            metavar="NAME",
            help="Another scheduler for one: ddim, euler, euler-a, dpm++, unipc, lcm.",
        ),
        _what("--lora", metavar="FILE|FOLDER|HUB-ID", help="Low-rank layers for one, such as LCM's with --steps 4."),
        common.anchors(_what),
        _what(
            "--detail",
            type=types.FRACTION,
            metavar="0..1",
            default=1.0,
            show_default=True,
            help="How much of the source's fine detail is kept.",
        ),
        _what(
            "--still",
            type=click.FLOAT,
            metavar="0..255",
            default=0.0,
            show_default=True,
            help="Reuse an edit while no part of the picture changes by more; 0: equal frames.",
        ),
        _what(
            "--size",
            type=types.SIZE,
            metavar="WxH|source",
            default="source",
            show_default=True,
            help="Size of the output.",
        ),
        _what("--preset", setting=False, metavar="NAME", help="A named look, see `movie presets`."),
        _what(
            "--recipe-from",
            setting=False,
            metavar="VIDEO",
            help="Repeat the edit that made VIDEO; options given here replace its own.",
        ),
        _reading(
            "--rotate",
            type=click.Choice(["keep", "apply"]),
            metavar="keep|apply",
            default="keep",
            show_default=True,
            help="A turned video: keep it so, or turn its pixels.",
        ),
        _reading(
            "--hdr",
            type=click.Choice(["tonemap", "refuse"]),
            metavar="tonemap|refuse",
            default="tonemap",
            show_default=True,
            help="HDR: make it BT.709, or fail.",
        ),
        _reading("--frame-rate", type=types.RATE, metavar="NUMBER", help="Of an image sequence; default: 25."),
        _reading(
            "--max-pixels",
            type=types.WholeType(1, 2**31 - 1),
            metavar="N",
            default=MAX_PIXELS,
            show_default=True,
            help="Refuse larger pictures.",
        ),
        _reading(
            "--max-duration",
            type=types.TIME,
            metavar="TIME",
            help="Refuse longer sources; default: 24:00:00.",
        ),
        _part("--start", type=types.TIME, setting=False, help="Begin here: 90f, 1.5s or HH:MM:SS.mmm."),
        _part("--end", type=types.TIME, setting=False, help="Stop before this; all count from the first frame."),
        _part("--duration", type=types.TIME, setting=False, help="Edit this much."),
        _file("-o", "--output", setting=False, required=True, metavar="OUT", help="Where it goes; - for stdout."),
        _file("--codec", metavar="NAME", help="Video codec; default: what suits OUT's ending."),
        _file("--crf", type=click.FLOAT, metavar="NUMBER", help="Quality, smaller is better."),
        _file("--encoder-preset", metavar="NAME", help="Speed against size, such as slow."),
        _file("--pix-fmt", metavar="NAME", help="Pixel format, such as yuv420p10le."),
        _file("-e", "encoder_options", type=types.KEY_VALUE, multiple=True, setting=False, help="Any encoder option."),
        _file(
            "--audio",
            type=click.Choice(["auto", "copy", "transcode", "none"]),
            metavar="auto|copy|transcode|none",
            default="auto",
            show_default=True,
            help="Sound: auto copies what OUT's container can hold and encodes the rest.",
        ),
        _file("--no-audio", is_flag=True, help="The same as --audio none."),
        _file("--no-subtitles", is_flag=True, help="Leave out the subtitles."),
        _file("--no-metadata", is_flag=True, help="Leave out tags, chapters and the recipe."),
        common.BACKEND,
        common.PROVIDER,
        _machine(
            "--device",
            default="auto",
            show_default=True,
            metavar="DEVICE",
            help="auto, cpu, cuda, cuda:N or mps; see `movie devices`.",
        ),
        common.DTYPE,
        common.COMPILE,
        _machine(
            "--hwaccel",
            type=click.Choice(["auto", "none"]),
            metavar="auto|none",
            default="auto",
            show_default=True,
            help="Beside a network on CUDA: decode and encode there too, or in software.",
        ),
        _machine(
            "--batch-size",
            type=types.WholeType(1, 1024),
            metavar="N",
            help="Frames at once; default: what suits the device.",
        ),
        _machine(
            "--engine",
            type=click.Choice(["local", "ray"]),
            default="local",
            show_default=True,
            metavar="local|ray",
            help="This process, or a Ray cluster, segment by segment.",
        ),
        _machine("--address", metavar="ADDRESS", help="The Ray cluster; default: one made on this machine."),
        _machine("--workers", type=types.WholeType(1, 4096), metavar="N", help="Workers on the cluster."),
        common.OFFLINE,
        _machine("--cache/--no-cache", default=True, help="Keep the source's latents for the next edit."),
        common.YES,
        common.NO,
        _safety("--resume", is_flag=True, setting=False, help="Continue an edit that was interrupted."),
        _safety(
            "--segment-frames",
            type=types.WholeType(1, 1_000_000),
            metavar="N",
            help="Frames that are kept at a time for --resume; default: what suits the model.",
        ),
        _safety(
            "--strict",
            is_flag=True,
            help="Fail if the source breaks or the model does not know the instruction.",
        ),
        _safety("--dry-run", is_flag=True, setting=False, help="Show the plan, edit nothing."),
    )
    return with_options(function, options)


def request_of(
    ctx: click.Context, source: str, instruction: str | None, values: Mapping[str, Any], *, ask: bool = False
) -> EditRequest:
    """The request that the command's values make; `ask` as in `recipe_of`.

    Raises:
        UsageError: they contradict each other.
        ModelError: a recipe from a file names a checkpoint that is not here.
    """
    recipe, offline = recipe_of(ctx, instruction, values, ask=ask)
    return EditRequest(
        source=source,
        output=values["output"],
        recipe=recipe,
        start=values["start"],
        end=values["end"],
        duration=values["duration"],
        backend=values["backend"],
        device=values["device"],
        dtype=values["dtype"],
        compile=values["compile"],
        hwaccel=values["hwaccel"],
        provider=values["provider"],
        batch_size=values["batch_size"],
        encode=EncodeOptions(
            codec=values["codec"],
            crf=values["crf"],
            preset=values["encoder_preset"],
            pix_fmt=values["pix_fmt"],
            options=tuple(values["encoder_options"]),
            audio=_audio(ctx, values),
            subtitles=not values["no_subtitles"],
            metadata=not values["no_metadata"],
            rotate=values["rotate"],
        ),
        reading=_read_options(values),
        strict=values["strict"],
        use_cache=values["cache"],
        offline=offline,
        resume=values["resume"],
        segment_frames=values["segment_frames"],
    )


def _audio(ctx: click.Context, values: Mapping[str, Any]) -> Any:
    """What `--audio` and `--no-audio` say together; what is typed counts more than what is set elsewhere."""
    if not values["no_audio"]:
        return values["audio"]
    typed = [ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE for name in ("audio", "no_audio")]
    if values["audio"] != "none" and all(typed):
        raise UsageError(f"--audio {values['audio']} and --no-audio are both given", "keep one of the two")
    return values["audio"] if typed[0] else "none"


def _read_options(values: Mapping[str, Any]) -> ReadOptions:
    longest = values["max_duration"]
    if longest is not None and longest.seconds is None:
        raise UsageError(f"--max-duration is {longest}, a number of frames", "give it in seconds or as HH:MM:SS")
    return ReadOptions(
        max_pixels=values["max_pixels"],
        max_seconds=MAX_SECONDS if longest is None else float(longest.seconds),
        hdr=values["hdr"],
        frame_rate=values["frame_rate"],
    )
