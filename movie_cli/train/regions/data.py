"""From settings to the samples of the region network: teachers are checked, and asked where they have not been."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from movie_cli.errors import SourceError
from movie_cli.train.photos import PhotoFolder
from movie_cli.train.regions.opinions import Opinions
from movie_cli.train.regions.samples import RegionSamples
from movie_cli.train.regions.teachers import Teachers, check_teachers
from movie_cli.train.settings import RegionsSettings


def open_opinions(settings: RegionsSettings, work: Path, say: Callable[[str], None] = print) -> Opinions:
    """What the teachers say of `data.folder`, asked now where it was not before; kept in `labels` or below `work`.

    Raises:
        SourceError: no photographs are named, or there are none.
        ModelError: a teacher's file is missing or another one.
        UsageError: what runs teachers is not installed.
    """
    if not settings.data.folder:
        raise SourceError("there are no photographs to train on", "name a folder with --data")
    folder = Path(settings.teachers).expanduser()
    check_teachers(folder)
    photos = PhotoFolder(Path(settings.data.folder).expanduser())
    paths = sorted(photos.paths(held_out=False) + photos.paths(held_out=True))
    opinions = Opinions(Path(settings.labels).expanduser() if settings.labels else work / "labels", paths)
    if not opinions.complete():
        opinions.fill(Teachers(folder), say=say)
    return opinions


def open_samples(settings: RegionsSettings, opinions: Opinions) -> RegionSamples:
    """The samples that the settings ask for."""
    return RegionSamples(
        opinions,
        settings.seed,
        settings.batch,
        settings.sizes,
        settings.pasted,
        settings.plain,
        settings.balance,
    )
