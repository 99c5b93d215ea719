"""Contact sheets: the bank's edits on a folder of photographs, in one labelled picture, to look at.

Promises a picture that needs no font of the system. `python -m movie_cli.training.bank.sheet --help` says how to make
one. Knows nothing of checkpoints: it shows targets, or whatever tensors it is given.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError
from torch import Tensor

from movie_cli.errors import MovieError, OutputError, SourceError, UsageError
from movie_cli.training.bank import BANK, get

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
_GAP = 4
_FONT_SIZE = 16
_PAPER, _TEXT = (250, 250, 248), (20, 20, 20)


def read_photo(path: Path, short_side: int = 256) -> Tensor:
    """A photograph as `(1, 3, H, W)`, float32, sRGB in [0, 1], its shorter side reduced to `short_side` if longer.

    Raises:
        SourceError: the file cannot be read as a picture.
    """
    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise SourceError(f"{path} cannot be read as a picture: {error}", "give JPEG, PNG or WebP files") from error
    factor = short_side / min(picture.size)
    if factor < 1:
        width, height = (max(1, round(side * factor)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).unsqueeze(0).float() / 255


def to_picture(image: Tensor) -> Image.Image:
    """The picture of `(3, H, W)` or `(1, 3, H, W)`, values in [0, 1]."""
    pixels = image.detach().reshape(image.shape[-3:]).clamp(0, 1).mul(255).round().to(torch.uint8)
    return Image.fromarray(pixels.permute(1, 2, 0).cpu().numpy())


def _tile(image: Tensor, height: int) -> Image.Image:
    picture = to_picture(image)
    width = max(1, round(picture.width * height / picture.height))
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def contact_sheet(rows: list[tuple[str, list[Tensor]]], tile_height: int = 160) -> Image.Image:
    """A labelled grid: one row a label, its images beside it, all `tile_height` pixels high.

    Images are `(3, H, W)` or `(1, 3, H, W)` in [0, 1] and may differ in size, also within a row; a column is as wide
    as its widest image.

    Raises:
        UsageError: there are no rows, a row has no images, or `tile_height` is below 16.
    """
    if not rows or not all(images for _, images in rows):
        raise UsageError("a contact sheet needs at least one row, and an image in each row")
    if tile_height < 16:
        raise UsageError(f"tiles of {tile_height} pixels cannot be looked at", "use a tile height of 16 or more")
    font = ImageFont.load_default(size=_FONT_SIZE)
    tiles = [[_tile(image, tile_height) for image in images] for _, images in rows]
    columns = max(len(row) for row in tiles)
    widths = [max(row[column].width for row in tiles if column < len(row)) for column in range(columns)]
    margin = 3 * _GAP + max(int(font.getlength(label)) for label, _ in rows)
    size = (margin + sum(width + _GAP for width in widths), _GAP + len(rows) * (tile_height + _GAP))
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    top = _GAP
    for (label, _), row in zip(rows, tiles, strict=True):
        draw.text((_GAP, top + tile_height // 2), label, fill=_TEXT, font=font, anchor="lm")
        left = margin
        for tile, width in zip(row, widths, strict=False):
            sheet.paste(tile, (left, top))
            left += width + _GAP
        top += tile_height + _GAP
    return sheet


def bank_sheet(
    photos: Sequence[Tensor], names: Sequence[str], strength: float = 1.0, tile_height: int = 160
) -> Image.Image:
    """A contact sheet of the named edits on `photos` (each `(1, 3, H, W)` in [0, 1]), the photographs in the first row.

    Raises:
        UsageError: a name is not in the bank, or there are no photographs.
    """
    rows = [("source", list(photos))]
    with torch.inference_mode():
        for edit in [get(name) for name in names]:
            rows.append((edit.name, [edit.apply(photo, strength) for photo in photos]))
    return contact_sheet(rows, tile_height)


def _choose(folder: Path, count: int) -> list[Path]:
    """`count` picture files of `folder`, evenly spaced in the order of their names."""
    if not folder.is_dir():
        raise SourceError(f"{folder} is not a folder", "give a folder of photographs with --photos")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    if not found:
        raise SourceError(f"{folder} holds no photographs", "give a folder with JPEG, PNG or WebP files")
    count = min(count, len(found))
    return [found[k * len(found) // count] for k in range(count)]


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _strength(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a contact sheet from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m movie_cli.training.bank.sheet", description=main.__doc__)
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR", help="folder of photographs")
    parser.add_argument("--count", type=_positive, default=4, help="how many of them, evenly spaced (default: 4)")
    parser.add_argument("--edits", default=",".join(BANK), help="comma-separated, a+b combines (default: the bank)")
    parser.add_argument("--strength", type=_strength, default=1.0, help="of the edits, 0 to 1 (default: 1)")
    parser.add_argument("--tile-height", type=_positive, default=160, help="in pixels (default: 160)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="PNG", help="where the sheet goes")
    chosen = parser.parse_args(arguments)
    try:
        photos = [read_photo(path) for path in _choose(chosen.photos, chosen.count)]
        names = [name.strip() for name in chosen.edits.split(",") if name.strip()]
        sheet = bank_sheet(photos, names, chosen.strength, chosen.tile_height)
        _save(sheet, chosen.output)
    except MovieError as error:
        sys.stderr.write(f"error: {error}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        return error.exit_code
    return 0


def _save(sheet: Image.Image, path: Path) -> None:
    try:
        sheet.save(path)
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} cannot be written: {error}", "give a .png file in a folder that exists") from error


if __name__ == "__main__":
    sys.exit(main())
