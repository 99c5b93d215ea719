"""From jobs as written to requests: each with the options, the meaning and the checks of `movie edit`.

Promises that a job may say what `JOB_OPTIONS` lists and nothing else, since a manifest may come from a stranger; and
that a job which cannot be meant is refused with the place where it was written.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Mapping
from typing import Any

import click
from click.core import ParameterSource

from movie_cli import remote
from movie_cli.batch import Job
from movie_cli.batch.manifest import Manifest, OptionValue, WrittenJob, place
from movie_cli.cli.command import ThemedOption
from movie_cli.cli.edit import JOB_OPTIONS, edit, forbids_fetching, request_of
from movie_cli.editing.request import EditRequest
from movie_cli.errors import MovieError, UsageError, did_you_mean

_OPTIONS = {param.name: param for param in edit.params if isinstance(param, ThemedOption) and param.name}
_FOR_ALL = JOB_OPTIONS | {"yes", "no", "offline"}
_OWN = ("source", "instruction", "output")
_SHORT = {"e": "encoder_options"}


def make_jobs(
    ctx: click.Context, manifest: Manifest, out_dir: str, values: Mapping[str, Any], *, outside: bool, ask: bool
) -> list[Job]:
    """All jobs as requests. What was typed for all, among the command's `values`, is for jobs that do not say.

    `ask` allows questions, on a terminal.

    Raises:
        UsageError: a job cannot be meant; two have the same output.
        ModelError: a job of its own asks for a checkpoint that is not here, and nobody has agreed to fetch it.
    """
    common = _typed(ctx, values)
    parse = functools.cache(_parse)
    jobs, outputs, agreed = [], dict[str, str](), dict[str, Any]()
    for number, written in enumerate(manifest.jobs, 1):
        source, output = place(written, manifest.folder, out_dir, outside=outside)
        real = _real(output)
        if real in outputs:
            raise UsageError(f"{outputs[real]} and {written.where} both write {output}", "give each an output")
        outputs[real] = written.where
        if real == _real(source):
            raise UsageError(
                f"{written.where}: the output is the source itself", "choose another folder with --out-dir"
            )
        if not outside:
            _refuse_writing_options(written)
        try:
            request = parse(_words(common, written), written.instruction)
        except (MovieError, click.ClickException) as error:
            from movie_cli.cli.errors import translate

            told = translate(error)
            raise UsageError(f"{written.where}: {told}", told.hint) from error
        named = {name: getattr(request.recipe, name) for name in ("model", "vae", "lora")}
        allowed = {name: value for name, value in named.items() if name not in written.options} | common | agreed
        if any(allowed.get(name) != value for name, value in named.items()):
            if forbids_fetching(written.where, request.recipe, allowed, ask=ask):
                request = dataclasses.replace(request, offline=True)
            else:
                agreed |= named
        beside: dict[str, Any] = {
            name: str(manifest.folder / file) for name, file in request.files.items() if name in written.options
        }
        jobs.append(Job(number, written.where, dataclasses.replace(request, source=source, output=output, **beside)))
    return jobs


def _parse(words: tuple[str, ...], instruction: str | None) -> EditRequest:
    """What `movie edit` would be asked to do, but for source and output; the same for most jobs of a manifest."""
    typed = ["-o", "output", *words, "--", "source", *([instruction] if instruction is not None else [])]
    with edit.make_context("edit", typed) as context:
        values = dict(context.params)
        request = request_of(context, values.pop("source"), values.pop("instruction"), values)
        return dataclasses.replace(request, overwrite=values["yes"])


def _words(common: Mapping[str, OptionValue], written: WrittenJob) -> tuple[str, ...]:
    """A job's options as they would be typed."""
    own = {_SHORT.get(name, name): value for name, value in written.options.items()}
    for name in own:
        if name not in JOB_OPTIONS:
            # Without what looks alike by chance, such as `lora` beside `colour`.
            otherwise = "`movie edit --help` tells what a job may have"
            hint = did_you_mean(name, (*_OWN, *sorted(JOB_OPTIONS)), otherwise, cutoff=0.65)
            raise UsageError(f"a job has no option {name}", hint)
    return tuple(word for name, value in {**common, **own}.items() for word in _as_typed(_OPTIONS[name], value))


def _as_typed(option: click.Option, value: OptionValue) -> list[str]:
    """The words that say the same on a command line."""
    name = max(option.opts, key=len)
    if option.is_flag:
        wanted = click.BOOL.convert(value, option, None)
        if wanted:
            return [name]
        return [option.secondary_opts[0]] if option.secondary_opts else []
    items = value if isinstance(value, list) else [value]
    # With the equals sign a value that begins with a dash is still a value.
    return [word for item in items for word in ([f"{name}={item}"] if name.startswith("--") else [name, str(item)])]


def _refuse_writing_options(written: WrittenJob) -> None:
    """Encoders can write statistics and dumps to files of any name."""
    for name in ("encoder_options", "e"):
        value = written.options.get(name, [])
        for item in value if isinstance(value, list) else [str(value)]:
            from movie_cli.media.encoding import harmless_options

            if item.partition("=")[0] not in harmless_options():
                raise UsageError(
                    f"{written.where}: the encoder option {item} may write files anywhere", "--allow-outside allows it"
                )


def _typed(ctx: click.Context, values: Mapping[str, Any]) -> dict[str, OptionValue]:
    """The options of `edit` that were typed for all jobs."""
    return {
        name: _as_text(values[name])
        for name in sorted(_FOR_ALL)
        if ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE
    }


def _as_text(value: Any) -> OptionValue:
    if isinstance(value, bool):
        return value
    if isinstance(value, tuple) and all(isinstance(item, int) for item in value):
        return "x".join(str(side) for side in value)
    if isinstance(value, tuple | list):
        return [each if isinstance(each, str) else "=".join(each) for each in value]
    return "source" if value is None else str(value)


def _real(name: str) -> str:
    return name if remote.is_url(name) else os.path.realpath(name)
