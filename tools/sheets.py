"""Pictures for people, which need no font of the system: contact sheets, a gallery, saving within a size limit."""

from __future__ import annotations

import io
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps
from torch import Tensor

from movie_cli.errors import OutputError, UsageError
from tools.options import write

Rows = list[tuple[str, list[Tensor]]]
"""A label and its pictures, each `(3, H, W)` or `(1, 3, H, W)` in [0, 1]."""

_PAPER, _TEXT = (250, 250, 248), (20, 20, 20)
_GAP, _FONT_SIZE = 4, 16
_WIDE_GAP, _LABEL, _LARGE_FONT = 6, 24, 17
_QUALITIES = (92, 88, 84, 80, 75, 70, 60, 50)


def to_picture(image: Tensor) -> Image.Image:
    """The picture of `(3, H, W)` or `(1, 3, H, W)`, values in [0, 1]."""
    pixels = image.detach().reshape(image.shape[-3:]).clamp(0, 1).mul(255).round().to(torch.uint8)
    return Image.fromarray(pixels.permute(1, 2, 0).cpu().numpy())


def _tile(image: Tensor, height: int) -> Image.Image:
    picture = to_picture(image)
    width = max(1, round(picture.width * height / picture.height))
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def contact_sheet(rows: Rows, tile_height: int = 160) -> Image.Image:
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


def gallery_sheet(blocks: Rows, columns: int, tile: tuple[int, int]) -> Image.Image:
    """A grid of labelled blocks of four pictures each, two by two; the first block is a wide row of its own.

    `tile` is a picture's width and height; pictures are cut to its shape around their middle.

    Raises:
        UsageError: a block does not have four pictures, or there is none.
    """
    if not blocks or any(len(pictures) != 4 for _, pictures in blocks):
        raise UsageError("a gallery shows four photographs")
    font = ImageFont.load_default(size=_LARGE_FONT)
    width, height = tile
    block_width, block_height = 2 * width + _WIDE_GAP, _LABEL + 2 * height + _WIDE_GAP
    rows = -(-(len(blocks) - 1) // columns)
    sheet_width = _WIDE_GAP + columns * (block_width + _WIDE_GAP)
    # The sources fill the width: that is what all the rest is compared with.
    wide = (sheet_width - 5 * _WIDE_GAP) // 4
    high = wide * height // width
    sheet = Image.new("RGB", (sheet_width, _LABEL + high + _WIDE_GAP + rows * block_height + _WIDE_GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    label, pictures = blocks[0]
    draw.text((_WIDE_GAP, _LABEL // 2), label, fill=_TEXT, font=font, anchor="lm")
    for place, picture in enumerate(pictures):
        sheet.paste(_cut(picture, (wide, high)), (_WIDE_GAP + place * (wide + _WIDE_GAP), _LABEL))
    for number, (label, pictures) in enumerate(blocks[1:]):
        left = _WIDE_GAP + number % columns * (block_width + _WIDE_GAP)
        top = _LABEL + high + _WIDE_GAP + number // columns * block_height
        draw.text((left, top + _LABEL // 2), label, fill=_TEXT, font=font, anchor="lm")
        for place, picture in enumerate(pictures):
            corner = (left + place % 2 * (width + 2), top + _LABEL + place // 2 * (height + 2))
            sheet.paste(_cut(picture, tile), corner)
    return sheet


def save_picture(picture: Image.Image, path: Path, limit: int | None = None) -> int:
    """Write a JPEG, PNG or WebP file by its name's ending; returns its bytes.

    With a `limit` in bytes a JPEG or WebP is written at the best quality that keeps to it.

    Raises:
        OutputError: it cannot be written, or not as small as that.
    """
    data = _encode(picture, path, _QUALITIES[0])
    if limit is not None and path.suffix.lower() != ".png":
        for quality in _QUALITIES[1:]:
            if len(data) <= limit:
                break
            data = _encode(picture, path, quality)
    if limit is not None and len(data) > limit:
        raise OutputError(
            f"{path} would have {len(data)} bytes, more than {limit}", "use smaller tiles, or a .jpg name"
        )
    write(path, data)
    return len(data)


def _encode(picture: Image.Image, path: Path, quality: int) -> bytes:
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in {"JPEG", "PNG", "WEBP"}:
        raise OutputError(f"{path} is no picture's name", "end it in .jpg, .png or .webp")
    stream = io.BytesIO()
    options: dict[str, int | bool] = {"optimize": True} if kind == "PNG" else {"quality": quality, "optimize": True}
    picture.save(stream, kind, **options)
    return stream.getvalue()


def _cut(picture: Tensor, size: tuple[int, int]) -> Image.Image:
    return ImageOps.fit(to_picture(picture), size, Image.Resampling.LANCZOS)
