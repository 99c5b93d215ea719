"""`movie edit`: the main job, its options, which `movie batch` takes for its jobs too, and the request that they make.

Most options are the fields of the request (see `movie_cli.options`). What can be refused without opening the source or
the model is refused first, and nothing existing is replaced without consent. A recipe from a file, which may be a
stranger's, is checked as if it had been typed, and nothing is fetched because a file says so: the user is asked, or has
to name it. The work is `movie_cli.editing.video`'s.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from movie_cli.cli.command import Command, Decorator, themed, with_options
from movie_cli.cli.fields import NO, YES, field_options, field_values, whole
from movie_cli.cli.output import OutputOptions, emit, make_reporter, output_options, print_pairs, shown_as
from movie_cli.editing.request import EditRequest, PartOptions, check_output, check_source, output_exists
from movie_cli.errors import ModelError, SourceError, UsageError
from movie_cli.options import STREAM, EncodeOptions, ReadOptions, RunOptions, options_of
from movie_cli.presets import get_preset
from movie_cli.recipe import LONGEST_JSON, Recipe, recipe_text

_what, _machine, _file, _safety = map(themed, ("What to do", "Machine", "Output file", "Safety"))
SINGLE = frozenset({"output", "resume", "workers"})
"""Options that make no sense for many edits at once."""
BESIDE = frozenset({"preset", "recipe_from", "no_audio"})
"""Options of one video that are no fields of the request, but say what some of them are."""
JOB_OPTIONS = BESIDE | {
    option.param
    for part in (Recipe, ReadOptions, PartOptions, EncodeOptions, RunOptions)
    for option in options_of(part).values()
    if option.job and option.typed
}
"""What a job of a manifest may say. Consent, to replace a file or to fetch a model, is the user's to give."""


def shared_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `edit` that `batch` takes for all its jobs."""
    function = edit_options(function)
    params: list[click.Parameter] = function.__click_params__  # type: ignore[attr-defined]  # where click keeps them
    params[:] = [param for param in params if param.name not in SINGLE]
    return function


def edit_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """All options of the command, in the order of its help."""
    options: tuple[Decorator, ...] = (
        *field_options(Recipe),
        _what("--preset", setting=False, metavar="NAME", help="A named look, see `movie presets`."),
        _what(
            "--recipe-from",
            setting=False,
            metavar="VIDEO|JSON",
            help="Repeat the edit that made VIDEO, or of a .json file; options given here replace its own.",
        ),
        *field_options(ReadOptions),
        *field_options(PartOptions),
        _file("-o", "--output", setting=False, required=True, metavar="OUT", help="Where it goes; - for stdout."),
        *field_options(EncodeOptions),
        _file("--no-audio", is_flag=True, help="The same as --audio none."),
        *field_options(RunOptions),
        _machine(
            "--engine",
            type=click.Choice(["local", "ray"]),
            default="local",
            show_default=True,
            metavar="local|ray",
            help="This process, or a Ray cluster, segment by segment.",
        ),
        _machine("--address", metavar="ADDRESS", help="The Ray cluster; default: one made on this machine."),
        _machine("--workers", type=whole(1, 4096), metavar="N", help="Workers on the cluster."),
        YES,
        NO,
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
    encode = field_values(EncodeOptions, values) | {"audio": _audio(ctx, values)}
    return EditRequest(
        source,
        values["output"],
        recipe,
        encode=EncodeOptions(**encode),
        reading=ReadOptions(**field_values(ReadOptions, values)),
        **field_values(PartOptions, values),
        **field_values(RunOptions, values) | {"offline": offline},
    )


def _audio(ctx: click.Context, values: Mapping[str, Any]) -> Any:
    """What `--audio` and `--no-audio` say together; what is typed counts more than what is set elsewhere."""
    if not values["no_audio"]:
        return values["audio"]
    typed = [ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE for name in ("audio", "no_audio")]
    if values["audio"] != "none" and all(typed):
        raise UsageError(f"--audio {values['audio']} and --no-audio are both given", "keep one of the two")
    return values["audio"] if typed[0] else "none"


def recipe_of(
    ctx: click.Context, instruction: str | None, values: Mapping[str, Any], *, ask: bool
) -> tuple[Recipe, bool]:
    """The recipe, and whether nothing may be fetched for it. `ask` allows questions, on a terminal.

    Raises:
        UsageError: there is none, or it cannot be meant.
        ModelError: a recipe from a file names a checkpoint that is not here.
    """
    usual = field_values(Recipe, values)
    typed = {
        name: value
        for name, value in usual.items()
        if ctx.get_parameter_source(options_of(Recipe)[name].param) == ParameterSource.COMMANDLINE
    }
    if instruction is not None:
        typed["instruction"] = instruction
    offline: bool = values["offline"]
    if values["recipe_from"] is not None:
        if values["preset"] is not None:
            raise UsageError("--preset and --recipe-from are both given", "keep one of the two")
        path: str = values["recipe_from"]
        recipe = dataclasses.replace(_read(path), **typed)
        return recipe, forbids_fetching(path, recipe, typed, ask=ask) or offline
    if values["preset"] is not None:
        return Recipe(**{**usual, **get_preset(values["preset"]).values, **typed}), offline
    if instruction is None:
        raise UsageError('"INSTRUCTION" is missing', 'say what to do, for example "make it winter"')
    return Recipe(instruction, **usual), offline


def _read(path: str) -> Recipe:
    check_source(path)
    from movie_cli.media import probe

    text = _text_of(path) if Path(path).suffix.lower() == ".json" else recipe_text(probe(Path(path)).metadata)
    if text is None:
        raise UsageError(
            f"{path} carries no recipe",
            "only outputs of movie do, unless written with --no-metadata or converted since",
        )
    try:
        return Recipe.from_json(text)
    except UsageError as error:
        raise UsageError(f"the recipe in {path} cannot be repeated: {error}", error.hint) from error


def _text_of(path: str) -> str:
    """The beginning of a file of JSON, long enough for any recipe."""
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            return file.read(LONGEST_JSON + 1)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}", "check its permissions") from error


def forbids_fetching(path: str, recipe: Recipe, typed: Mapping[str, Any], *, ask: bool) -> bool:
    """Whether a file names something on the Hub that nobody has agreed to fetch, not even what is new of it.

    Args:
        path: The file, or the place in it, that names them.
        recipe: What it says, with what was typed.
        typed: What the user has typed, by the recipe's fields.
        ask: Whether a user at a terminal may be asked.

    Raises:
        ModelError: it is not here, and the user does not want it or cannot be asked.
    """
    from movie_cli.checkpoints.store import on_the_hub

    forbids = False
    for field, (name, here) in on_the_hub(recipe).items():
        if typed.get(field) == name:
            continue
        if not here:
            asks = f"{path} asks for {name}, which is not on this machine"
            can_ask = ask and sys.stdin.isatty() and sys.stderr.isatty()
            if can_ask and click.confirm(f"{asks}. Fetch it from the Hugging Face Hub?", err=True):
                continue
            raise ModelError(asks, f"if you trust it, name it: --{field} {name}; or choose another --{field}")
        forbids = True
    return forbids


EXAMPLES = (
    'movie edit in.mp4 "make it winter" -o out.mp4',
    'movie edit in.mp4 "as a watercolour painting" -o out.mp4 --text-scale 10 --image-scale 1.2',
    'movie edit in.mp4 "make it night" -o out.mkv --start 10s --duration 90f --crf 16',
    "movie edit other.mp4 --recipe-from out.mp4 -o other-out.mp4",
    "movie edit in.mp4 --preset dusk -o out.mp4",
)

MANY_FRAMES = 500
"""Frames, minutes on a laptop, that are not edited without asking where the instruction is unknown."""


@click.command(cls=Command, examples=EXAMPLES, options_metavar="-o OUT [OPTIONS]")
@click.argument("source", metavar="SOURCE")
@click.argument("instruction", metavar='"INSTRUCTION"', required=False)
@edit_options
@output_options
@click.pass_context
def edit(ctx: click.Context, /, source: str, instruction: str | None, **values: Any) -> None:
    """Edit a video as an instruction says.

    Sound, subtitles, timing and size stay as they are. SOURCE may be - for stdin. Most options can also be set as
    MOVIE_TEXT_SCALE=9 in the environment or as text-scale = 9 in config.toml.
    """
    shown = shown_as(values)
    output: str = values["output"]
    check_engine(values["engine"], values["address"])
    if values["engine"] == "ray" and STREAM in {source, output}:
        raise UsageError("a cluster cannot reach standard input or output", "name files, or leave out --engine ray")
    if values["yes"] and values["no"]:
        raise UsageError("-y and -n are both given", "keep one of the two")
    request = request_of(ctx, source, instruction, values, ask=not shown.json)
    check_source(source)
    check_output(source, output)
    if values["dry_run"]:
        _show_plan(request, shown)
        return
    _check_stdout(output, shown)
    # Refused and asked before anything heavy is imported: whoever is to answer is still there.
    from movie_cli.editing import outputs, work_folder

    outputs.check_ending(request)
    whole = request.resume and output != STREAM and output_exists(output) and work_folder.was_published(Path(output))
    if request.resume and not (whole or values["yes"]) and (frames := outputs.frames_if_finished(request)) is not None:
        with make_reporter(shown) as reporter:
            reporter.message("info", f"{output} is complete already; -y makes it anew")
            reporter.done({"output": output, "frames": frames, "seconds": 0.0, "resumed": frames})
        return
    overwrite = values["yes"] if whole else may_overwrite(output, values["yes"], values["no"], shown)
    from movie_cli.editing.video import edit_video

    request = dataclasses.replace(request, overwrite=overwrite)
    if not request.strict and can_ask(shown):
        _ask_of_unknown(request)
    with make_reporter(shown) as reporter:
        if values["engine"] == "ray":
            from movie_cli.batch.ray_engine import edit_on_cluster

            edit_on_cluster(request, reporter, values["address"], values["workers"])
        else:
            edit_video(request, reporter)


def check_engine(engine: str, address: str | None) -> None:
    """Refuse an address without the engine that it is for.

    Raises:
        UsageError: it is given without.
    """
    if address and engine != "ray":
        raise UsageError("--address is for --engine ray", "add --engine ray")


def _check_stdout(output: str, shown: OutputOptions) -> None:
    if output != STREAM:
        return
    if shown.json:
        raise UsageError("--json and -o - would both write to stdout", "name a file with -o")
    sys.stdout.write("")  # a closed one says so now
    if sys.stdout.isatty():
        raise UsageError("a video would be written to the terminal", "name a file with -o, or pipe to a player")


def may_overwrite(output: str, yes: bool, no: bool, shown: OutputOptions) -> bool:
    """Whether the output may replace an existing file; asks on a terminal.

    Raises:
        UsageError: it exists and may not be replaced.
    """
    if not output_exists(output):
        return yes
    if yes:
        return True
    if not no and can_ask(shown):
        if click.confirm(f"{output} exists. Replace it?", err=True):
            return True
        raise UsageError(f"{output} exists and is kept", "choose another name with -o")
    raise UsageError(f"{output} exists", "-y replaces it; or choose another name with -o")


def can_ask(shown: OutputOptions) -> bool:
    """Whether somebody is there to answer a question."""
    return not shown.json and sys.stdin.isatty() and sys.stderr.isatty()


def _ask_of_unknown(request: EditRequest) -> None:
    """Ask before many frames are edited by an instruction that the model cannot follow wholly.

    Raises:
        UsageError: they are not to be edited.
    """
    planned = _planned(request) if Path(request.source).exists() else {}
    told, frames = planned.get("warning"), planned.get("frames")
    if not told or (isinstance(frames, int) and frames < MANY_FRAMES):
        return
    count = f"{frames} frames" if frames else "the whole film"
    if not click.confirm(f"{told}\nEdit {count} nevertheless?", err=True):
        raise UsageError("nothing was edited", "`movie preview` shows what comes of it")


def _planned(request: EditRequest) -> Mapping[str, object]:
    from movie_cli.editing.plan import describe_plan

    return describe_plan(request)


def _show_plan(request: EditRequest, shown: OutputOptions) -> None:
    planned = _planned(request)
    if shown.json:
        emit("plan", **planned)
    else:
        recipe = dataclasses.asdict(request.recipe).items()
        said = ", ".join(f"{name.replace('_', '-')} {value}" for name, value in recipe if value is not None)
        print_pairs((dict(planned) | {"recipe": said}).items())
