"""Videos that are compared: opened, read in step, measured frame by frame, and shown as one picture or one video.

What stands side by side was shown at the same moment: frames are matched by time, so that a video with another frame
rate, or of which only a part was edited, is still compared with what it was made from.

Difference: mean absolute difference to the first film, in [0, 1] of sRGB values. Warp error: mean absolute difference
to the frame before, brought along by the first film's optical flow (see `movie_cli.models.flow`); needs OpenCV. A strip
has a row a film and a column a moment; a side-by-side video has a tile a film.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from movie_cli import media
from movie_cli.editing.preview import PAPER, write_label
from movie_cli.errors import SourceError, UsageError
from movie_cli.media import Frame, FrameReader, SourceInfo, VideoWriter, WriteReport
from movie_cli.media.outfile import Naming
from movie_cli.recipe import Recipe, recipe_in, start_in

LARGEST_SIDE = 512
"""Pixels of the longer side at which frames are compared."""
SLACK = 0.4
"""Share of a frame's time by which two frames may differ and still count as shown together."""


@dataclass(frozen=True)
class Film:
    """One of the compared videos. `recipe` is None where it carries none; `start` is where it is read from, in s.

    `local` is the file that is read: `path` itself, or a copy of what ffmpeg cannot read.
    """

    path: Path
    local: Path
    label: str
    info: SourceInfo
    recipe: Recipe | None
    start: float | None = None


@contextmanager
def open_films(paths: Sequence[Path], start: float | None = None) -> Iterator[list[Film]]:
    """Look into all files; the first is read from `start` (seconds after its first picture), where the others begin.

    Without `start` it is read from where their metadata says that they begin, if they agree and the first is as long.

    Raises:
        SourceError: one cannot be read.
        UsageError: there are fewer than two.
    """
    if len(paths) < 2:
        raise UsageError("one video alone cannot be compared", "name two or more, the source first")
    with ExitStack() as stack:
        films = []
        for number, (path, label) in enumerate(zip(paths, _labels(paths), strict=True)):
            local = stack.enter_context(media.local_source(str(path)))
            info = media.probe(local)
            # What the user counts from the first picture.
            place = None if start is None or number else float(info.video.begin) + start
            films.append(Film(path, local, label, info, recipe_in(info.metadata), place))
        if start is None and (found := _common_start([film.info for film in films])) is not None:
            films[0] = replace(films[0], start=float(films[0].info.video.begin) + found)
        yield films


def _common_start(infos: Sequence[SourceInfo]) -> float | None:
    """Where in the first film all others begin, in seconds after its first picture, if their metadata tells."""
    first, *starts = [start_in(info.metadata) for info in infos]
    begin = None if starts[0] is None else starts[0] - (first or 0.0)
    lengths = [info.length for info in infos]
    if begin is None or begin <= 0 or set(starts) != {starts[0]} or lengths[0] is None:
        return None
    ends = [begin + length for length in lengths[1:] if length is not None]
    return begin if max(ends, default=begin) < lengths[0] + 2 * frame_seconds(infos[0]) else None


def unlike_lengths(films: Sequence[Film]) -> bool:
    """Whether a film is longer or shorter than the first by more than a frame, where their lengths are known."""
    lengths = [film.info.length for film in films]
    known = [length for length in lengths if length is not None]
    return lengths[0] is not None and max(abs(length - lengths[0]) for length in known) > 1.5 * frame_seconds(
        films[0].info
    )


def compared_size(film: Film, longest: int = LARGEST_SIDE) -> tuple[int, int]:
    """The size at which frames are compared: that of the first film on a screen, no side over `longest`, both even."""
    shown = film.info.video.presentation_size
    return _scaled(shown, min(1.0, longest / max(shown)))


def tile_size(film: Film, width: int) -> tuple[int, int]:
    """The size of a tile that is `width` pixels wide, with the shape of the film on a screen; both sides even."""
    shown = film.info.video.presentation_size
    return _scaled(shown, width / shown[0])


def _scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    width, height = (max(2, round(side * scale / 2) * 2) for side in size)
    return width, height


def in_step(films: Sequence[Film], size: tuple[int, int], limit: float | None = None) -> Iterator[tuple[Frame, ...]]:
    """What all films show at each frame of the first; `Frame.working` has `size`. Ends with the shortest film.

    `limit` is in seconds of the first film. Constant memory: one frame a film.

    Raises:
        SourceError: a file has no frames there.
    """
    with ExitStack() as stack:
        readers = [
            stack.enter_context(FrameReader(film.local, start=film.start, info=film.info, also_size=size))
            for film in films
        ]
        clocks = [_Clock(iter(reader)) for reader in readers[1:]]
        zero: float | None = None
        for frame, following in itertools.pairwise(itertools.chain(readers[0], (None,))):
            assert frame is not None
            zero = frame.time if zero is None else zero
            moment = frame.time - zero
            if limit is not None and moment >= limit:
                return
            length = (following.time - frame.time) if following else frame_seconds(films[0].info)
            shown = [clock.at(moment, SLACK * length) for clock in clocks]
            others = [other for other in shown if other is not None]
            if len(others) < len(shown):
                return
            yield (frame, *others)


def frame_seconds(info: SourceInfo) -> float:
    """How long a frame is shown, from the average rate; 1/25 s where there is none."""
    return float(1 / info.video.average_rate) if info.video.average_rate else 0.04


class _Clock:
    """A film's frames by time since its first one."""

    def __init__(self, frames: Iterator[Frame]) -> None:
        self._frames = frames
        self._shown = next(frames, None)
        if self._shown is None:
            raise SourceError("a video has no frames", "see `movie info`")
        self._zero = self._shown.time
        self._next = next(frames, None)
        self._step = 0.04

    def at(self, moment: float, slack: float) -> Frame | None:
        """The frame that is on the screen at `moment`, or begins within `slack`; None when the film is over."""
        while self._next is not None and self._next.time - self._zero <= moment + slack:
            assert self._shown is not None
            self._step = self._next.time - self._shown.time
            self._shown, self._next = self._next, next(self._frames, None)
        if (
            self._next is None
            and self._shown is not None
            and moment + slack >= self._shown.time - self._zero + self._step
        ):
            return None
        return self._shown


def _labels(paths: Sequence[Path]) -> list[str]:
    """The files' names; with a number where two are called alike."""
    names = [path.name for path in paths]
    return [name if names.count(name) == 1 else f"{name} ({number})" for number, name in enumerate(names, 1)]


@dataclass
class Curves:
    """Per film and frame: `times` in seconds of the film, `differences` to the first film, `warp_errors`.

    `differences` has no row for the first film; a warp error is NaN for a first frame and where nothing is certain,
    and `warp_errors` is empty where OpenCV is missing.
    """

    times: list[list[float]]
    differences: list[list[float]]
    warp_errors: list[list[float]] = field(default_factory=list)


def measure(frames: Iterable[tuple[Frame, ...]], films: int) -> tuple[Curves, str]:
    """Measure frames in step (see `films.in_step`); also a sentence on what could not be measured, or an empty one."""
    curves = Curves([[] for _ in range(films)], [[] for _ in range(films - 1)])
    flow, note = _Flow.open()
    if flow is not None:
        curves.warp_errors = [[] for _ in range(films)]
    for shown in frames:
        small = [_small(frame) for frame in shown]
        for times, frame in zip(curves.times, shown, strict=True):
            times.append(frame.time)
        first = small[0].astype(np.int16)
        for row, other in zip(curves.differences, small[1:], strict=True):
            row.append(float(np.abs(other - first).mean()) / 255)
        if flow is not None:
            for row, error in zip(curves.warp_errors, flow.errors(small), strict=True):
                row.append(error)
    return curves, note


class _Flow:
    """The first film's motion from frame to frame, and all films' errors along it."""

    def __init__(self) -> None:
        self._before: list[NDArray[np.uint8]] | None = None

    @classmethod
    def open(cls) -> tuple[_Flow | None, str]:
        from movie_cli.models.flow import require_cv2

        try:
            require_cv2()
        except UsageError as error:
            return None, f"warp errors are left out: {error.hint} adds OpenCV"
        return cls(), ""

    def errors(self, small: list[NDArray[np.uint8]]) -> Iterator[float]:
        from movie_cli.models.flow import steps_of, warp_error

        before, self._before = self._before, small
        if before is None:
            yield from (float("nan") for _ in small)
            return
        steps = steps_of(np.stack([before[0], small[0]]))
        for earlier, later in zip(before, small, strict=True):
            yield warp_error(np.stack([earlier, later]), steps)


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
    return np.ascontiguousarray(frame.working)


def _even(side: int) -> int:
    return side + side % 2
