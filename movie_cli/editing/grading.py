"""Tables of colours made from an edit of a video, and videos graded by one."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from movie_cli.editing.lut import NODES, difference, fit, graded, read_cube, write_cube
from movie_cli.editing.preview import Previewer
from movie_cli.editing.request import PreviewRequest, Reporter
from movie_cli.errors import UsageError
from movie_cli.kinds import TimeValue
from movie_cli.media import FrameReader, VideoWriter, local_source, prefetch, probe
from movie_cli.media.outfile import Naming

__all__ = ["NODES", "Table", "grade_video", "make_table", "write_cube"]


@dataclass(frozen=True)
class Table:
    """A table `(3, NODES, NODES, NODES)`, its PSNR to the edit in dB on frames it was not fitted on, and how many
    frames were edited for it.
    """

    values: Tensor
    psnr: float
    frames: int


def make_table(request: PreviewRequest, count: int, least: float, reporter: Reporter) -> Table:
    """Edit `count` frames from all over the source, and fit a table to what became of their colours.

    Raises:
        UsageError: the table comes no nearer to the edit than `least`, in dB.
        MovieError: the source, the checkpoint or the device cannot be used.
    """
    with local_source(request.source) as path:
        length = probe(path).length
        shares = [(number + 0.5) / count for number in range(count)]
        at = tuple(TimeValue.parse(f"{share * length:.3f}") for share in shares) if length else ()
        previewer = Previewer(dataclasses.replace(request, at=at), path, reporter)
        reporter.start(len(previewer.places), Path(request.source).name)
        made = previewer.tiles()
    sources = [pixels for _, pixels in made.sources]
    edits = [tile.pixels for tile in made.tiles]
    judges = slice(1 if len(sources) > 1 else 0, None, 2)
    psnr = difference(fit(sources[::2], edits[::2]), sources[judges], edits[judges])
    if psnr < least:
        raise UsageError(
            f'"{request.recipe.instruction}" is more than a table of colours holds: {psnr:.1f} dB from the edit, '
            f"{least:g} are wanted",
            "edit the video itself, or lower --least",
        )
    return Table(fit(sources, edits), psnr, len(sources))


def grade_video(source: str, cube: Path, output: str, reporter: Reporter, *, replace: bool = True) -> int:
    """Write the source with a table's colours, and all else as it is; the number of frames.

    Raises:
        SourceError: the source or the table cannot be read.
        UsageError: something has the output's name by now, and not `replace`.
        OutputError: the output cannot be written.
    """
    table = read_cube(cube)
    with local_source(source) as path:
        info = probe(path)
        reporter.start(info.video.frames, Path(source).name)
        with FrameReader(path, info=info) as reader, VideoWriter(output, info) as writer:
            with prefetch(reader) as frames:
                for frame in frames:
                    writer.write(graded(frame.pixels, table), frame.pts, frame.duration)
                    reporter.advance(1)
            damage = reader.damage
            until = damage.time if damage is not None and damage.fatal else None
            report = writer.commit(until, Naming(replace=replace))
    if damage is not None:
        reporter.message("warning", f"{source}: {damage.message}; graded what could be read")
    for message in report.messages:
        reporter.message("info", message)
    return report.frames
