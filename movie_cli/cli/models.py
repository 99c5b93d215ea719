"""What there is to edit with: `movie models list|show|pull|verify`, `movie presets` and `movie looks`."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.folder import FolderFacts
from movie_cli.cli.command import Command, Decorator, Group, themed, with_options
from movie_cli.cli.edit import may_overwrite
from movie_cli.cli.errors import one_line
from movie_cli.cli.fields import NO, YES, KindType, field_option, field_options, field_values
from movie_cli.cli.output import (
    OutputOptions,
    emit,
    human_bytes,
    json_option,
    make_reporter,
    output_options,
    print_pairs,
    print_table,
    quieten_libraries,
    shown_as,
)
from movie_cli.cli.preview import PICTURES, check_terminal, draw, draw_sheet, opened, save_picture
from movie_cli.editing.request import PreviewRequest, check_output, check_source
from movie_cli.errors import UsageError
from movie_cli.kinds import Time
from movie_cli.looks import Look, looks_of, matching, readable
from movie_cli.options import STREAM, MachineOptions, options_of
from movie_cli.presets import Preset, list_presets
from movie_cli.recipe import DEFAULT_IMAGE_SCALE, DEFAULT_TEXT_SCALE, Recipe
from movie_cli.tune.command import as_typed, edit_arguments


@click.group(cls=Group)
def models() -> None:
    """Show which models are here and what they can do; fetch and verify more."""


@models.command(name="list", cls=Command)
@json_option
def list_(as_json: bool) -> None:
    """List the embedded models and those in the models folder."""
    from movie_cli.checkpoints.store import DEFAULT_MODEL, list_models
    from movie_cli.files import models_folder

    found, damaged = list_models()
    for name, error in damaged:
        click.echo(f"warning: the model {name} cannot be used: {one_line(str(error))}", err=True)
    if as_json:
        for model in found:
            emit("model", default=model.name == DEFAULT_MODEL, **_values(model))
        return
    if found:
        print_table(
            ("model", "stage", "edits", "licence", "description"),
            [
                (
                    model.name + (" (default)" if model.name == DEFAULT_MODEL else ""),
                    model.stage,
                    str(len(model.edits)) if model.edits else "open",
                    model.licence,
                    model.description,
                )
                for model in found
            ],
        )
    else:
        click.echo(f"no models are here; put checkpoint folders into {models_folder()}")


@models.command(cls=Command, examples=["movie models show nano", "movie models show ./my-checkpoint"])
@click.argument("model", metavar="NAME|FOLDER|HUB-ID")
@themed("Machine")("--offline", is_flag=True, setting=False, help="Fetch nothing from the network.")
@json_option
def show(model: str, offline: bool, as_json: bool) -> None:
    """Show what a model can do, after checking its folder."""
    quieten_libraries(verbose=False)
    from movie_cli.checkpoints.descriptor import read_descriptor
    from movie_cli.checkpoints.folder import check_folder
    from movie_cli.checkpoints.store import resolve

    folder = resolve(model, offline)
    facts = check_folder(folder)
    descriptor = read_descriptor(folder)
    if as_json:
        emit("model", parameters=facts.parameters, bytes=facts.bytes, **_values(descriptor))
        return
    print_pairs(_lines(descriptor, facts))


@models.command(
    cls=Command, examples=["movie models pull timbrooks/instruct-pix2pix", "movie models pull owner/name@v1.0"]
)
@click.argument("model", metavar="HUB-ID[@REVISION]")
@json_option
def pull(model: str, as_json: bool) -> None:
    """Fetch a model from the Hugging Face Hub, and verify it.

    Only JSON, safetensors and vocabularies are fetched. Files that are here already are not fetched again, so
    an interrupted download goes on.
    """
    quieten_libraries(verbose=False)
    if not as_json and sys.stderr.isatty():
        os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "0"
    from movie_cli.checkpoints import store

    if not store.is_hub_id(model):
        raise UsageError(f"{model} is not a name on the Hub", "write owner/name, or owner/name@revision")
    folder = store.fetch_from_hub(model, store.WANTED)
    _verify(folder, as_json, details=False)
    if as_json:
        emit("model", model=model, folder=str(folder), revision=folder.name)
    else:
        click.echo(f"{model} is in {folder}")


@models.command(cls=Command, examples=["movie models verify nano", "movie models verify ./my-checkpoint"])
@click.argument("model", metavar="NAME|FOLDER|HUB-ID")
@json_option
def verify(model: str, as_json: bool) -> None:
    """Read every byte of a model: hashes where they are known, whole files, finite numbers.

    Hashes are those of the Hub, or of a file SHA256SUMS in the folder.
    """
    quieten_libraries(verbose=False)
    from movie_cli.checkpoints.store import resolve

    _verify(resolve(model, offline=True), as_json, details=True)


def _verify(folder: Path, as_json: bool, *, details: bool) -> None:
    from movie_cli.checkpoints.folder import verify as verified

    count = size = known = 0
    for file in verified(folder):
        count, size, known = count + 1, size + file.bytes, known + bool(file.against)
        if as_json:
            emit("file", **dataclasses.asdict(file))
        elif details:
            click.echo(f"{file.sha256}  {file.name}" + (f"  as {file.against} says" if file.against else ""))
    if not as_json:
        hashes = f", {known} with a known hash" if known else ""
        click.echo(f"{count} files are whole ({human_bytes(size)}){hashes}")


def _lines(model: Descriptor, facts: FolderFacts) -> list[tuple[str, object]]:
    passes = "1 pass" if model.passes == 1 else f"{model.passes} passes"
    steps = "1 step" if model.steps == 1 else f"{model.steps} steps"
    return [
        ("name", model.name),
        ("folder", model.folder),
        ("description", model.description),
        ("licence", model.licence),
        ("stage", f"{model.stage}: {steps} of {passes} a frame"),
        ("text scale", "{:g} to {:g}".format(*model.text_scale_range)),
        ("image scale", "{:g} to {:g}".format(*model.image_scale_range)),
        ("works at", f"{model.native_area} pixels a frame, sides in multiples of {model.size_multiple}"),
        ("latents", f"{model.latent_channels} channels, scaled by {model.latent_scaling:g}"),
        ("size", f"{facts.parameters / 1e6:.1f} million parameters, {human_bytes(facts.bytes)}"),
        ("edits", ", ".join(model.edits) if model.edits else "open vocabulary"),
    ]


def _values(model: Descriptor) -> dict[str, object]:
    return dataclasses.asdict(model) | {"folder": str(model.folder)}


@click.command(cls=Command, examples=("movie presets", "movie edit in.mp4 --preset dusk -o out.mp4"))
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
        [(preset.name, str(preset.values["instruction"]), words_of(preset), _look(preset)) for preset in found],
    )


def words_of(preset: Preset) -> str:
    """What one would type for the rest of the preset."""
    options = options_of(Recipe)
    return " ".join(
        " ".join(options[name].typed_as(value)) for name, value in preset.values.items() if name != "instruction"
    )


def _look(preset: Preset) -> str:
    return f"{preset.description} (your own)".strip() if preset.own else preset.description


EXAMPLES = (
    "movie looks",
    "movie looks painting",
    "movie looks home movie",
    "movie looks --sheet in.mp4 -o looks.jpg",
    "movie looks light --sheet in.mp4 --at 3s -o light.png",
)

_what, _file = map(themed, ("What to show", "Output file"))


def _looks_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """All options of the command, in the order of its help."""
    options: tuple[Decorator, ...] = (
        _what("--sheet", setting=False, metavar="SOURCE", help="Show each look on a frame of this video."),
        _what("--at", type=KindType(Time()), setting=False, metavar="TIME", help="Which frame; default: the middle."),
        field_option(Recipe, "model", _what, help="Whose looks."),
        _file("-o", "--output", setting=False, metavar="OUT", help="A picture; else the sheet is drawn here."),
        *field_options(MachineOptions),
        YES,
        NO,
    )
    return with_options(function, options)


@click.command(cls=Command, examples=EXAMPLES, options_metavar="[OPTIONS]")
@click.argument("words", metavar="[WORD...]", nargs=-1)
@_looks_options
@output_options
def looks(words: tuple[str, ...], **values: Any) -> None:
    """List the looks that a model knows, and what to type for each.

    With WORDs those alone that have all of them, or words that begin so, in their name, what to type, their kind, or
    among the ways to ask for them; the best first. --sheet shows them on your own video.
    """
    shown = shown_as(values)
    if values["sheet"] is None and (values["output"] or values["at"]):
        raise UsageError("-o and --at are for a sheet", "name a video with --sheet in.mp4")
    from movie_cli.checkpoints.store import open_model

    descriptor = open_model(values["model"], values["offline"])
    found = _found(descriptor, " ".join(words))
    if values["sheet"] is not None:
        _sheet(found, values, shown)
    elif shown.json:
        for look in found:
            emit("look", name=look.name, words=look.words, group=look.kind)
    else:
        print_table(("look", "what to type", "kind"), [(look.title, look.words, readable(look.kind)) for look in found])


def _found(descriptor: Descriptor, words: str) -> list[Look]:
    every = looks_of(descriptor.edits)
    if not every:
        raise UsageError(
            f"{descriptor.name} takes any text and names no looks", "try it: movie tune in.mp4, or movie preview"
        )
    found = matching(every, words) if words else every
    if not found:
        raise UsageError(f"{descriptor.name} knows no look with {words}", "`movie looks` lists them all")
    return found


def _sheet(found: list[Look], values: dict[str, Any], shown: OutputOptions) -> None:
    source, output, replace = values["sheet"], values["output"], False
    if source == STREAM:
        raise UsageError("a sheet reads its frame from anywhere, which stdin does not allow", "name a file")
    check_source(source)
    if output is None:
        check_terminal()
    elif Path(output).suffix.lower() not in PICTURES:
        raise UsageError(f"{output} is no picture's name", f"end it in {', '.join(PICTURES)}")
    else:
        check_output(source, output)
        replace = may_overwrite(output, values["yes"], values["no"], shown)
    request = PreviewRequest(
        source=source,
        recipe=Recipe(found[0].words, model=values["model"]),
        instructions=tuple(look.words for look in found),
        text_scales=(DEFAULT_TEXT_SCALE,),
        image_scales=(DEFAULT_IMAGE_SCALE,),
        at=() if values["at"] is None else (values["at"],),
        **field_values(MachineOptions, values),
    )
    with make_reporter(shown) as reporter, opened(request, reporter, most_places=1) as (previewer, sheet):
        picture = draw_sheet(previewer, sheet, reporter)
        if output is not None:
            save_picture(picture, Path(output), replace=replace)
    if output is None:
        draw(picture)
    elif shown.json:
        emit("done", output=output, width=picture.width, height=picture.height, tiles=len(found))
    else:
        recipe = request.recipe
        typed = as_typed(edit_arguments(source, "out.mp4", recipe, Recipe(recipe.instruction), {}))
        reporter.message("info", f"{output}: {len(found)} looks; to make one: {typed}")
