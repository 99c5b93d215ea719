"""Comparisons as one picture or one video: films beside or under one another, with their names.

A strip has a row a film and a column a moment; a side-by-side video has a tile a film.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from movie_cli.comparison.films import Film, in_step
from movie_cli.editing.preview import PAPER, write_label
from movie_cli.media import Frame, VideoWriter, WriteReport
from movie_cli.media.outfile import Naming

GAP, LABEL = 6, 24
ABREAST = 3


def strip(films: Sequence[Film], moments: int, size: tuple[int, int], limit: float | None) -> Image.Image:
    """A picture of `moments` columns, evenly spread over what the films have in common; fewer where they are shorter.

    Raises:
        SourceError: a film cannot be read.
    """
    count = sum(1 for _ in in_step(films, (2, 2), limit))
    wanted = sorted({int((column + 0.5) * count / moments) for column in range(min(moments, count))})
    rows = len(films)
    cell = (size[0] + GAP, size[1] + LABEL + GAP)
    sheet = Image.new("RGB", (GAP + cell[0] * max(1, len(wanted)), GAP + cell[1] * rows), PAPER)
    draw = ImageDraw.Draw(sheet)
    columns = iter(enumerate(wanted))
    column, index = next(columns, (0, -1))
    for number, shown in enumerate(in_step(films, size, limit)):
        if number != index:
            continue
        for row, (film, frame) in enumerate(zip(films, shown, strict=True)):
            left, top = GAP + column * cell[0], GAP + row * cell[1]
            label = film.label if column == 0 else f"{frame.time:.2f} s"
            write_label(draw, (left, top + LABEL // 2), label, size[0])
            sheet.paste(Image.fromarray(_small(frame)), (left, top + LABEL))
        column, index = next(columns, (0, -1))
    return sheet


def write_side_by_side(
    output: Path,
    films: Sequence[Film],
    size: tuple[int, int],
    limit: float | None,
    advance: Callable[[int], None],
    *,
    replace: bool = True,
) -> WriteReport:
    """Write a video with a tile of `size` a film, in the first one's time and with its sound.

    Raises:
        MovieError: a film cannot be read, or the video not written.
    """
    across = len(films) if len(films) <= ABREAST else math.ceil(math.sqrt(len(films)))
    rows = math.ceil(len(films) / across)
    cell = (size[0] + GAP, size[1] + LABEL + GAP)
    whole = (_even(GAP + across * cell[0]), _even(GAP + rows * cell[1]))
    canvas = Image.new("RGB", whole, PAPER)
    draw = ImageDraw.Draw(canvas)
    places = [
        (GAP + number % across * cell[0], GAP + number // across * cell[1] + LABEL) for number in range(len(films))
    ]
    for film, (left, top) in zip(films, places, strict=True):
        write_label(draw, (left, top - LABEL // 2), film.label, size[0])
    info, start = films[0].info, films[0].start
    end = None if limit is None else (start or 0.0) + limit
    with VideoWriter(output, info, size=whole, start=start, end=end) as writer:
        for pixels, frame in _tiled(canvas, places, in_step(films, size, limit)):
            writer.write(pixels, frame.pts, frame.duration)
            advance(1)
        return writer.commit(naming=Naming(replace=replace))


def _tiled(
    canvas: Image.Image, places: Sequence[tuple[int, int]], frames: Iterator[tuple[Frame, ...]]
) -> Iterator[tuple[NDArray[np.uint8], Frame]]:
    for shown in frames:
        for frame, place in zip(shown, places, strict=True):
            canvas.paste(Image.fromarray(_small(frame)), place)
        yield np.asarray(canvas), shown[0]


def _small(frame: Frame) -> NDArray[np.uint8]:
    return np.ascontiguousarray(frame.pixels if frame.small is None else frame.small)


def _even(side: int) -> int:
    return side + side % 2
