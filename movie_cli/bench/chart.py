"""A bar for every stage of an edit, as a picture that needs no font of the system."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from movie_cli.media.outfile import output_error

_WIDTH, _ROW, _MARGIN, _LABELS = 760, 34, 24, 150
_PAPER, _INK, _FAINT = (250, 250, 248), (20, 20, 20), (120, 120, 116)
_ON_DEVICE, _BESIDE = (38, 98, 158), (150, 170, 190)


def draw(title: str, bars: Sequence[tuple[str, float, bool]], foot: str) -> Image.Image:
    """A chart of named milliseconds a frame; those that are True belong to the network and are drawn darker."""
    large, small = ImageFont.load_default(size=18), ImageFont.load_default(size=14)
    height = 2 * _MARGIN + 34 + _ROW * len(bars) + 30
    picture = Image.new("RGB", (_WIDTH, height), _PAPER)
    pen = ImageDraw.Draw(picture)
    pen.text((_MARGIN, _MARGIN), title, fill=_INK, font=large)
    longest = max((value for _, value, _ in bars), default=0) or 1.0
    room = _WIDTH - 2 * _MARGIN - _LABELS - 90
    for number, (name, value, of_network) in enumerate(bars):
        top = _MARGIN + 40 + number * _ROW
        middle = top + _ROW // 2 - 3
        pen.text((_MARGIN, middle), name, fill=_INK, font=small, anchor="lm")
        left = _MARGIN + _LABELS
        right = left + max(1, round(room * value / longest))
        pen.rectangle((left, top, right, top + _ROW - 8), fill=_ON_DEVICE if of_network else _BESIDE)
        pen.text((right + 8, middle), f"{value:.1f} ms", fill=_INK, font=small, anchor="lm")
    pen.text((_MARGIN, height - _MARGIN), foot, fill=_FAINT, font=small, anchor="ls")
    return picture


def save(picture: Image.Image, path: Path) -> None:
    """Write it as PNG.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        picture.save(path, format="PNG", optimize=True)
    except OSError as error:
        raise output_error(path, error) from error
