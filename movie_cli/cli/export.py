"""`movie export onnx|qnn|check`: folders of graphs that edit without torch.

Promises that a folder which must not be replaced, a missing extra and values that cannot be are refused before a
network is loaded. The work is `movie_cli.export`'s.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from movie_cli.cli.command import Command, Decorator, Group, themed, with_options
from movie_cli.cli.fields import YES, KindType, field_option, field_options
from movie_cli.cli.output import emit, json_option, print_table, quieten_libraries
from movie_cli.kinds import Size
from movie_cli.options import MachineOptions
from movie_cli.recipe import Recipe

if TYPE_CHECKING:
    from movie_cli.export.check import Row

EXAMPLES = (
    "movie export onnx -o nano-onnx",
    'movie edit in.mp4 "make it winter" -o out.mp4 --backend onnx --model nano-onnx',
    "movie export qnn -o nano-8gen3 --soc sm8650 --calibrate holiday.mp4",
    "movie export check nano-8gen3",
)
_what, _file = (themed(name) for name in ("What to export", "Output folder"))
_DEFAULT_SIZE = ((512, 384),)


@click.group(cls=Group, examples=EXAMPLES)
def export() -> None:
    """Make a folder of graphs that edits without torch, also on a phone.

    `movie edit --model FOLDER` runs it.
    """


def _options(*more: Decorator) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options that both kinds of export have, and `more` after the first of them."""
    options: tuple[Decorator, ...] = (
        field_option(Recipe, "model", _what, help="A one-step checkpoint."),
        _what(
            "--size",
            "sizes",
            type=KindType(Size()),
            multiple=True,
            setting=False,
            metavar="WxH",
            help="Working size of the graphs, several times for several; default: 512x384.",
        ),
        *more,
        _file("-o", "--output", required=True, setting=False, metavar="FOLDER", help="The folder to make."),
        YES,
        *field_options(MachineOptions, "offline"),
    )
    return lambda function: with_options(function, options)


_CALIBRATION: tuple[Decorator, ...] = (
    _what(
        "--calibrate",
        "clips",
        multiple=True,
        setting=False,
        metavar="VIDEO",
        help="Clips that quantized graphs are fitted to; default: drawn pictures.",
    ),
    _what(
        "--quantizer",
        type=click.Choice(["auto", "onnxruntime", "aimet"]),
        default="auto",
        show_default=True,
        metavar="NAME",
        setting=False,
        help="auto, onnxruntime or aimet; auto is onnxruntime. aimet is Qualcomm's, slow and a little nearer.",
    ),
    _what("--aimet-python", metavar="PYTHON", help="The interpreter of AIMET's environment; default: this one."),
)


@export.command(cls=Command, examples=EXAMPLES[:2], options_metavar="-o FOLDER [OPTIONS]")
@_options(
    _what(
        "--precision",
        type=click.Choice(["float32", "float16", "w8a16", "w8a8"]),
        default="float32",
        show_default=True,
        metavar="TYPE",
        setting=False,
        help="float32, float16, w8a16 or w8a8.",
    ),
    *_CALIBRATION,
)
@json_option
def onnx(precision: str, **values: Any) -> None:
    """Export for ONNX Runtime, on any of its execution providers."""
    from movie_cli.errors import UsageError

    if values["quantizer"] == "aimet" and not precision.startswith("w8"):
        raise UsageError(f"--quantizer aimet has nothing to quantize in {precision}", "add --precision w8a16")
    _export("onnx", values, precision=precision)


@export.command(cls=Command, examples=EXAMPLES[2:], options_metavar="-o FOLDER --soc SOC [OPTIONS]")
@_options(
    _what("--soc", required=True, setting=False, metavar="NAME", help="The chip: sm8650, sm8750, sm8850, ..."),
    *_CALIBRATION,
    _what(
        "--share-weights",
        is_flag=True,
        setting=False,
        help="One binary for both denoiser graphs: smaller; no simulator loads it.",
    ),
)
@json_option
def qnn(soc: str, share_weights: bool, **values: Any) -> None:
    """Export for Qualcomm's HTP: quantized to W8A16 and compiled ahead of time for one chip."""
    from movie_cli.backends.qnn_backend import soc_named

    _export("qnn", values, soc=soc_named(soc), share_weights=share_weights)


def _export(kind: str, values: dict[str, Any], **more: Any) -> None:
    """Export for a backend of that name, after what can be refused at once."""
    quieten_libraries(verbose=False)
    from movie_cli.backends import require
    from movie_cli.export.export_folder import check_target

    target, as_json = Path(values["output"]), values["as_json"]
    check_target(target, overwrite=values["yes"])
    require("torch")
    require(kind)
    from movie_cli.export.quantize import chosen

    aimet = chosen(values["quantizer"], values["aimet_python"])
    clips = _paths(values["clips"])
    from movie_cli.checkpoints.store import open_model
    from movie_cli.export.exporters import export_onnx, export_qnn

    model, sizes = open_model(values["model"], values["offline"]), tuple(dict.fromkeys(values["sizes"]))
    exports: dict[str, Callable[..., None]] = {"onnx": export_onnx, "qnn": export_qnn}
    options = {"overwrite": values["yes"], "clips": clips, "aimet": aimet}
    exports[kind](model, target, sizes or _DEFAULT_SIZE, say=_tell(as_json), **options, **more)
    if as_json:
        emit("done", output=str(target))
    else:
        click.echo(f"{target} is whole; run it with: movie edit IN INSTRUCTION -o OUT --model {target}")


def _paths(clips: tuple[str, ...]) -> tuple[Path, ...]:
    from movie_cli.editing.request import check_source

    for each in clips:
        check_source(each)
    return tuple(Path(each) for each in clips)


def _tell(as_json: bool) -> Callable[[str], None]:
    def tell(text: str) -> None:
        if as_json:
            emit("info", message=text)
        else:
            click.echo(text, err=True)

    return tell


@export.command(cls=Command, examples=EXAMPLES[3:])
@click.argument("folder", metavar="FOLDER")
@_what("--model", setting=False, metavar="MODEL", help="The checkpoint it was made of; default: by the manifest.")
@_what("--clip", "clips", multiple=True, setting=False, metavar="VIDEO", help="Videos to edit; default: drawn ones.")
@json_option
def check(folder: str, model: str | None, clips: tuple[str, ...], as_json: bool) -> None:
    """Compare an export's graphs with torch, on this machine and on the HTP's simulator.

    It fails where a graph is further from torch than it may be, or has a part that is not on the NPU.
    """
    quieten_libraries(verbose=False)
    from movie_cli.checkpoints.store import open_model
    from movie_cli.errors import MovieError
    from movie_cli.export.check import check_export

    rows = []
    for row in check_export(open_model(folder), model, _paths(clips), _tell(as_json)):
        rows.append(row)
        if as_json:
            emit("comparison", passed=row.passed, **dataclasses.asdict(row))
    missed = [row for row in rows if not row.passed]
    if not as_json:
        print_table(_HEADINGS, [_cells(row) for row in rows])
    if missed:
        worst = missed[0]
        raise MovieError(
            f"{len(missed)} of {len(rows)} comparisons miss their bar, first {worst.graph} with {worst.runs}",
            "calibrate with clips like those to be edited: --calibrate",
        )


_HEADINGS = ("size", "graph", "runs", "against", "dB", "bar", "max error", "cosine", "MB", "GMAC", "off the NPU", "")


def _cells(row: Row) -> tuple[str, ...]:
    bar = "" if row.bar is None else f"{row.bar:g}"
    return (
        row.size,
        row.graph,
        row.runs,
        row.against,
        f"{row.sqnr:.1f}",
        bar,
        "" if row.relative_error is None else f"{row.relative_error:.1e}",
        "" if row.cosine is None else f"{row.cosine:.6f}",
        "" if row.bytes is None else f"{row.bytes / 1e6:.2f}",
        "" if row.multiply_adds is None else f"{row.multiply_adds / 1e9:.3f}",
        "" if row.npu is None else str(row.npu),
        ("" if row.passed else "missed") if row.repeatable else "differs from run to run",
    )
