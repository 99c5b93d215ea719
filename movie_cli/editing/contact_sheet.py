"""A contact sheet of a preview: text scales and frames from left to right, everything else from top to bottom.

Several instructions would make a tall sheet of few columns: their rows go on beside one another. Labels say what to
type for each tile, in the font that Pillow brings along.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from movie_cli.backends.base import Pixels
from movie_cli.editing.request import PreviewRequest
from movie_cli.kinds import TimeValue
from movie_cli.recipe import Recipe

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
