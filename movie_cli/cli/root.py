"""The program `movie` itself: its commands and what `movie --help` says."""

from __future__ import annotations

import click

from movie_cli.cli.batch import batch
from movie_cli.cli.bench import bench
from movie_cli.cli.command import Group
from movie_cli.cli.compare import compare
from movie_cli.cli.edit import edit
from movie_cli.cli.eval import evaluate
from movie_cli.cli.export import export
from movie_cli.cli.info import cache, completion, devices, info
from movie_cli.cli.lut_and_mask import lut, mask
from movie_cli.cli.models import looks, models, presets
from movie_cli.cli.preview import preview
from movie_cli.cli.train import train
from movie_cli.cli.tune import tune

EXAMPLES = (
    'movie edit in.mp4 "make it winter" -o out.mp4',
    'movie preview in.mp4 "make it winter" -o sheet.png',
    "movie tune in.mp4",
)
SECTIONS = {
    "Video": ("edit", "preview", "tune", "mask", "lut", "compare", "batch", "info"),
    "Models": ("looks", "presets", "models", "eval", "train", "export"),
    "Machine": ("devices", "cache", "bench", "completion"),
}


@click.group(
    cls=Group,
    sections=SECTIONS,
    examples=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="movie-cli", prog_name="movie", message="%(prog)s %(version)s")
def movie() -> None:
    """Edit videos by instruction, on your own machine.

    Say what should change, get the video back: same length, sound and timing.
    """


for command in (edit, preview, tune, mask, lut, compare, batch, info, looks, presets, models, evaluate, train, export):
    movie.add_command(command)
for command in (devices, cache, bench, completion):
    movie.add_command(command)
