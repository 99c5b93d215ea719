"""The end of an edit: its output's writer, put together from segments, and a summary.

Promises the same output whoever made the segments, and that it gets its name only while the source is what was edited.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from movie_cli import media
from movie_cli.editing.job import SourceWatch
from movie_cli.editing.plan import Plan, encode_options
from movie_cli.editing.work_folder import WorkFolder
from movie_cli.media import VideoWriter
from movie_cli.media.outfile import Naming
from movie_cli.media.segments import SegmentEncoder
from movie_cli.recipe import RECIPE_KEY


@dataclass(frozen=True)
class EditSummary:
    """What an edit did. `seconds` is the time from the first frame to the finished file, without start-up.

    `resumed` of the `frames` were there already from a run that was interrupted.
    """

    output: str
    frames: int
    seconds: float
    fps: float
    size: tuple[int, int]
    working_size: tuple[int, int]
    model: str
    device: str
    dtype: str
    cached: bool
    resumed: int = 0


def summarize(made: Plan, frames: int, seconds: float, *, cached: bool, resumed: int) -> EditSummary:
    """The summary of a finished edit of `frames` frames."""
    return EditSummary(
        output=made.request.output,
        frames=frames,
        seconds=round(seconds, 3),
        fps=round((frames - resumed) / max(seconds, 1e-9), 2),
        size=made.size,
        working_size=made.working,
        model=made.descriptor.name,
        device=made.choice.device,
        dtype=made.choice.dtype,
        cached=cached,
        resumed=resumed,
    )


def open_writer(made: Plan, hidden_in: Path | None) -> VideoWriter:
    """A writer of the output, whose hidden file is in the folder given."""
    keep_tags = made.request.encode.metadata
    return VideoWriter(
        made.request.output,
        made.info,
        encode_options(made.request),
        size=made.size,
        start=made.span.start,
        end=made.span.end,
        metadata={RECIPE_KEY: made.request.recipe.to_json()} if keep_tags else {},
        hidden_in=hidden_in,
    )


def open_encoder(made: Plan, part: Path) -> SegmentEncoder:
    """An encoder of one segment's file."""
    return SegmentEncoder(part, made.request.output, made.info, encode_options(made.request), made.size)


def naming_of(made: Plan, watch: SourceWatch, folder: WorkFolder | None) -> Naming:
    """How the output gets its name: what cannot be continued later is kept if the name is taken meanwhile."""

    def ready(whole: Path) -> None:
        watch.check()
        if folder is not None:
            folder.note_published(whole)

    return Naming(ready, replace=made.request.overwrite, keep=not made.resumable)


def join(made: Plan, folder: WorkFolder, count: int, watch: SourceWatch, until: float | None) -> media.WriteReport:
    """Put the output together from the first `count` segments, check it and give it its name.

    Raises:
        MovieError: it cannot be written, or the source has changed.
    """
    with open_writer(made, folder.path) as writer:
        for number in range(count):
            writer.write_segment(folder.load(number), folder.packets(number))
        return writer.commit(until=until, naming=naming_of(made, watch, folder))
