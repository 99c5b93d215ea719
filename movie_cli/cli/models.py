"""`movie models list|show|pull|verify` and `movie presets`: which checkpoints and named looks there are, and more."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

import click

from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.folder import FolderFacts
from movie_cli.cli.errors import one_line
from movie_cli.cli.help import Command, Group, themed
from movie_cli.cli.output import emit, human_bytes, json_option, print_pairs, print_table, quieten_libraries
from movie_cli.errors import UsageError
from movie_cli.options import options_of
from movie_cli.presets import Preset, list_presets
from movie_cli.recipe import Recipe


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
    from movie_cli.checkpoints import hub
    from movie_cli.checkpoints.store import WANTED

    if not hub.is_hub_id(model):
        raise UsageError(f"{model} is not a name on the Hub", "write owner/name, or owner/name@revision")
    folder = hub.fetch(model, WANTED)
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
