"""A few frames in many versions, and the contact sheet that shows them, before anyone waits for a whole clip.

Each tile is what `movie edit` would make of that frame with that recipe (at the working size); every frame is encoded
once and every instruction embedded once however many tiles there are. On the sheet text scales and frames go from left
to right, everything else from top to bottom; rows of several instructions go on beside one another. Labels say what to
type for each tile, in the font that Pillow brings along.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from movie_cli import media
from movie_cli.backends import Carry, Pixels
from movie_cli.checkpoints.store import open_model
from movie_cli.editing import clip
from movie_cli.editing.course import beyond
from movie_cli.editing.directing import advice, told_of
from movie_cli.editing.editor import Editor
from movie_cli.editing.frames import FrameEditor, SourceFrames, open_editor
from movie_cli.editing.request import PreviewRequest, Reporter
from movie_cli.kinds import TimeValue
from movie_cli.recipe import Recipe

CLIP_BATCH = 16
"""Frames of a grid video that are edited at once: with each change of recipe the anchor is run again."""


@dataclass(frozen=True)
class Tile:
    """One frame `(H, W, 3)` as one recipe makes it; `at` is the place that was asked for."""

    recipe: Recipe
    at: TimeValue
    pixels: Pixels


@dataclass(frozen=True)
class Preview:
    """Source frames by place, and the tiles in the order of `PreviewRequest.recipes`, all places of each."""

    sources: list[tuple[TimeValue, Pixels]]
    tiles: list[Tile]


class Previewer:
    """A source and an editor, opened once. `path` is the source as a file that can be searched (`media.local_source`).

    Where no places are asked for, several instructions are shown at `most_places`, one or three.

    Raises:
        MovieError: the source, the checkpoint or the device cannot be used.
    """

    def __init__(self, request: PreviewRequest, path: Path, reporter: Reporter, most_places: int = 3) -> None:
        self.request = request
        self._most_places = most_places
        self.info = media.probe(path)
        descriptor = open_model(request.recipe.model, request.offline)
        self.size = Editor.size_for(descriptor, *self.info.video.presentation_size)
        self._frames = SourceFrames(path, self.info, self.size)
        editor = open_editor(
            descriptor, request, self.size, len(self.places), lambda text: reporter.message("info", text)
        )
        self._editor = FrameEditor(self._frames, editor)
        self._reporter = reporter
        self._told: set[str] = set()
        steps = [step for recipe in request.recipes() for step in recipe.chain]
        for step in steps:
            for told in told_of(descriptor, step, editor.embed):
                self._say(told)
            for told in beyond(descriptor, step):
                self._say(told, "warning")
        courses = [self._editor.course(step) for step in steps]
        for instruction in dict.fromkeys(text for course in courses for text in course.texts):
            if told := advice(descriptor, instruction, editor.embed(instruction)):
                reporter.message("warning", told)

    @property
    def places(self) -> tuple[TimeValue, ...]:
        """The frames to show: those asked for, else the middle, or three of the clip for several instructions."""
        if self.request.at:
            return self.request.at
        length = self.info.length
        shares = (0.25, 0.5, 0.75) if len(self.request.instructions) > 1 and self._most_places > 1 else (0.5,)
        if length is None:
            return (TimeValue(frames=0),)
        return tuple(TimeValue.parse(f"{share * length:.2f}") for share in shares)

    def tiles(self) -> Preview:
        """Edit the asked-for frames with every recipe.

        Raises:
            SourceError: there is no frame at one of the places.
        """
        sources = [(place, self._frames.at(place)[0]) for place in self.places]
        tiles = []
        for recipe in self.request.recipes():
            for place in self.places:
                tiles.append(Tile(recipe, place, self._editor.edited(recipe, place)))
                self._tell_notes()
                self._reporter.advance(1)
        return Preview(sources, tiles)

    def clips(self, length: TimeValue) -> Iterator[tuple[media.Frame, list[Pixels]]]:
        """From the first place on, for `length`, each source frame with what every recipe makes of it."""
        span = self.clip_span(length)
        also = None if self.size == self.info.video.display_size else self.size
        with media.FrameReader(
            self._frames.path, start=span.start, end=span.end, info=self.info, also_size=also
        ) as reader:
            frames = iter(reader)
            runs = [(recipe, [Carry() for _ in recipe.chain]) for recipe in self.request.recipes()]
            while batch := list(itertools.islice(frames, CLIP_BATCH)):
                small = np.stack([frame.working for frame in batch])
                seconds = [frame.time - float(self.info.video.begin) for frame in batch]
                versions = []
                for recipe, carries in runs:
                    versions.append(self._editor.edit_over(recipe, small, seconds, carries))
                    self._tell_notes()
                for index, frame in enumerate(batch):
                    yield frame, [small[index], *(version[index] for version in versions)]
                self._reporter.advance(len(batch))

    def clip_span(self, length: TimeValue) -> clip.Span:
        """The range that `clips` shows."""
        return self._frames.span(self.places[0], length)

    def _tell_notes(self) -> None:
        """Say what the backend has noted with the first frames."""
        for note in self._editor.editor.backend.notes:
            self._say(note)

    def _say(self, note: str, level: Literal["info", "warning"] = "info") -> None:
        """Say a sentence once."""
        if note not in self._told:
            self._reporter.message(level, note)
            self._told.add(note)


PAPER, INK = (250, 250, 248), (20, 20, 20)
FONT_SIZE, SMALLEST_FONT = 15, 9
_GAP, _LABEL = 6, 24
SHEET_WIDTH, LEAST_TILE, MOST_TILE = 1800, 160, 480
SHAPE = 1.4
"""About how much wider than high a sheet of several instructions is."""


@dataclass(frozen=True)
class Cell:
    """A tile's place on the sheet: the left top corner and size of its picture, and the label above it."""

    left: int
    top: int
    width: int
    height: int
    label: str


class ContactSheet:
    """Lays out the source and all versions of a preview; `picture` size (width, height) is even on both sides.

    Args:
        request: What is shown.
        places: The frames' places, at least one.
        frame: Width and height of a frame.
        tile_width: Width of a tile in pixels; None for what fits.
    """

    def __init__(
        self,
        request: PreviewRequest,
        places: tuple[TimeValue, ...],
        frame: tuple[int, int],
        tile_width: int | None = None,
    ) -> None:
        across, recipes = len(request.text_scales) * (1 + len(request.recipe.then)), request.recipes()
        wide, rows = across * len(places), 1 + len(recipes) // across
        beside = 1
        if len(request.instructions) > 1:
            beside = min(rows, max(1, round(math.sqrt(SHAPE * rows * frame[1] / (wide * frame[0])))))
        self._columns, self._beside = wide, beside
        width = tile_width or min(MOST_TILE, max(LEAST_TILE, SHEET_WIDTH // (wide * beside))) // 2 * 2
        self._tile = (width, max(1, round(width * frame[1] / frame[0])))
        self.sources = [
            self._cell(place * across, 0, f"source at {where}" if len(places) > 1 else "source")
            for place, where in enumerate(places)
        ]
        self.tiles = {
            (number, place): self._cell(
                place * across + number % across, 1 + number // across, label_of(recipe, request, where, len(places))
            )
            for number, recipe in enumerate(recipes)
            for place, where in enumerate(places)
        }
        lines = math.ceil(rows / beside)
        sides = wide * beside * (width + _GAP) + _GAP, lines * (self._tile[1] + _LABEL + _GAP) + _GAP
        self.size = (sides[0] + sides[0] % 2, sides[1] + sides[1] % 2)

    def blank(self) -> Image.Image:
        """The sheet with its labels and no pictures."""
        sheet = Image.new("RGB", self.size, PAPER)
        draw = ImageDraw.Draw(sheet)
        for cell in (*self.sources, *self.tiles.values()):
            write_label(draw, (cell.left, cell.top - _LABEL // 2), cell.label, cell.width)
        return sheet

    def paste(self, sheet: Image.Image, cell: Cell, pixels: Pixels) -> None:
        """Put a frame `(H, W, 3)` into its cell."""
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        sheet.paste(picture.resize((cell.width, cell.height), Image.Resampling.LANCZOS), (cell.left, cell.top))

    def lines(self) -> list[str]:
        """The labels, a line for each row of tiles: a terminal's own picture is too coarse to read them in."""
        cells = sorted((*self.sources, *self.tiles.values()), key=lambda cell: (cell.top, cell.left))
        rows = itertools.groupby(cells, key=lambda cell: cell.top)
        return [" | ".join(cell.label for cell in row) for _, row in rows]

    def _cell(self, column: int, row: int, label: str) -> Cell:
        width, height = self._tile
        column, row = row % self._beside * self._columns + column, row // self._beside
        return Cell(
            _GAP + column * (width + _GAP), _GAP + _LABEL + row * (height + _LABEL + _GAP), width, height, label
        )


def write_label(draw: ImageDraw.ImageDraw, place: tuple[int, int], label: str, width: int) -> None:
    """Write one line whose left middle is at `place`, smaller or cut off where it is wider than `width` pixels."""
    size = FONT_SIZE
    while size > SMALLEST_FONT and draw.textlength(label, font=ImageFont.load_default(size=size)) > width:
        size -= 1
    font = ImageFont.load_default(size=size)
    while len(label) > 1 and draw.textlength(label, font=font) > width:
        label = label[:-2].rstrip("…") + "…"
    draw.text(place, label, fill=INK, font=font, anchor="lm")


def label_of(recipe: Recipe, request: PreviewRequest, where: TimeValue, places: int) -> str:
    """What to type for a tile: those of its options that differ between tiles, or the instruction if none does."""
    parts = []
    if len(request.instructions) > 1:
        parts.append(f'"{recipe.instruction}"')
    if len(request.text_scales) > 1:
        parts.append(f"--text-scale {_number(recipe.text_scale)}")
    if len(request.image_scales) > 1:
        parts.append(f"--image-scale {_number(recipe.image_scale)}")
    if len(request.seeds) > 1:
        parts.append(f"--seed {recipe.seed}")
    if recipe.then:
        parts.append(f'--then "{recipe.then[-1]}"')
    if places > 1 and not parts:
        parts.append(f"at {where}")
    return " ".join(parts) or f'"{recipe.instruction}"'


def _number(scale: float | str) -> str:
    return f'"{scale}"' if isinstance(scale, str) else f"{scale:g}"
