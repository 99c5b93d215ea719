"""`movie train STAGE`: the stages of the method, one command each over the same options.

A wrong configuration, data set or starting checkpoint is refused before the first step, by `movie_cli.train.run`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from movie_cli.cli.command import Command, Group, themed
from movie_cli.cli.output import OutputOptions, emit, json_option, make_reporter, quieten_libraries
from movie_cli.errors import InterruptedEdit, UsageError

if TYPE_CHECKING:
    from movie_cli.train.settings import StageName

EXAMPLES = (
    "movie train autoencoder nano -c nano --data photos -o runs/autoencoder",
    "movie train direct nano -c nano --data photos -o runs/direct",
    "movie train base runs/direct/checkpoint -c nano --data photos -o runs/base",
    "movie train guidance runs/base/checkpoint -c nano --data photos -o runs/guidance",
    "movie train adversarial runs/guidance/checkpoint -c nano --data photos -o runs/one-step",
    'movie edit in.mp4 "make it winter" -o out.mp4 --model runs/one-step/checkpoint',
)
MORE = (
    "movie train mobile timbrooks/instruct-pix2pix -c sd15 --data pairs -o runs/mobile",
    "movie train regions -c nano --data photos --set teachers=teachers -o runs/regions",
)
_HELP: dict[StageName, str] = {
    "autoencoder": "Fit the embedded model's autoencoder, and train its decoder.",
    "direct": "Train a one-step editor on the procedural bank, without a teacher.",
    "base": "Train the multi-step editor that is run in three passes.",
    "mobile": "Make an editor or text-to-image model smaller, then fine-tune.",
    "guidance": "Distil the three passes into one (guidance distillation).",
    "adversarial": "Distil the many steps into one (adversarial distillation).",
    "regions": "Train the network that sees what is where in a frame.",
}


@click.group(cls=Group, examples=EXAMPLES)
def train() -> None:
    """Train an editor, stage by stage.

    Every stage reads a checkpoint and writes one that `movie edit --model` runs. Several GPUs: `accelerate launch
    $(command -v movie) train ...`. A run that was killed goes on with --resume.
    """


def _command(stage: StageName) -> click.Command:
    what, machine, safety = (themed(name) for name in ("What to train", "Machine", "Safety"))
    messages = themed("Messages")

    @click.argument("start", metavar="[START]", required=False, default="")
    @what("-c", "--config", default="", metavar="FILE|NAME", setting=False, help="TOML file, or nano, scratch or sd15.")
    @what("--data", default="", metavar="FOLDER", setting=False, help="Photographs, videos, or pairs.")
    @what("--set", "changes", multiple=True, metavar="KEY=VALUE", setting=False, help="Change a setting.")
    @what("--show-defaults", is_flag=True, setting=False, help="Write all settings with their sources, and stop.")
    @machine("--cpu", is_flag=True, setting=False, help="Train on the CPU though there is a GPU.")
    @machine("-o", "--output", metavar="FOLDER", setting=False, help="The run's folder; its checkpoint/ is the result.")
    @safety("--resume", is_flag=True, setting=False, help="Go on with the run in that folder.")
    @safety("--dry-run", is_flag=True, setting=False, help="Check everything, train nothing.")
    @messages("-q", "--quiet", is_flag=True, setting=False, help="Show warnings and errors only.")
    @messages("-v", "--verbose", is_flag=True, setting=False, help="Also show what the libraries say.")
    @json_option
    def run(**options: Any) -> None:
        _run(stage, **options)

    run.__doc__ = f"""{_HELP[stage]}

    START is a model's name, a checkpoint folder or owner/name on the Hub.
    """
    own = [example for example in (*EXAMPLES, *MORE) if f"train {stage} " in example]
    return click.command(name=stage, cls=Command, examples=own)(run)


def _run(stage: StageName, output: str | None, *, resume: bool, cpu: bool, **values: Any) -> None:
    as_json, quiet, dry_run = values["as_json"], values["quiet"], values["dry_run"]
    quieten_libraries(values["verbose"])
    from movie_cli.train.settings_file import commented_defaults, read_settings

    if values["show_defaults"]:
        click.echo(commented_defaults(stage), nl=False)
        return
    if not output:
        raise UsageError("-o is missing", "say where the run's folder goes, for example -o runs/base")
    named = {"start": values["start"], "data.folder": values["data"]}
    given = [*values["changes"], *(f"{key}={_quoted(text)}" for key, text in named.items() if text)]
    settings = read_settings(stage, values["config"], given)
    reporter = make_reporter(OutputOptions("plain", as_json, quiet, values["verbose"]))
    try:
        from movie_cli.train.run import train as train_stage
    except ImportError as error:
        raise UsageError(f"training needs the package {error.name}", 'pip install "movie-cli[train]"') from error
    folder, bar = Path(output).expanduser(), not quiet and not as_json
    say: Callable[[str], None] = lambda text: reporter.message("info", text)  # noqa: E731
    try:
        checkpoint = train_stage(stage, settings, folder, resume=resume, check_only=dry_run, cpu=cpu, say=say, bar=bar)
    except KeyboardInterrupt as error:
        raise InterruptedEdit("interrupted", "the same command with --resume goes on from the last state") from error
    if as_json:
        emit("done", checkpoint=str(checkpoint), trained=not dry_run)
    elif not quiet:
        use = f"run it with movie edit --model {checkpoint}"
        if stage == "regions":
            use = "copy its folder regions into the checkpoint that should have them"
        click.echo("everything is in order" if dry_run else f"{checkpoint}: {use}", err=True)


def _quoted(text: str) -> str:
    """A TOML text; paths may hold anything."""
    return json.dumps(text, ensure_ascii=False)


for _stage in _HELP:
    train.add_command(_command(_stage))
