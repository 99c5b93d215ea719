"""Pictures for people: a gallery of all edits on a few photographs, and saving within a size limit.

Promises pictures that need no font of the system. Knows nothing of models: it draws what it is given.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps
from torch import Tensor

from movie_cli.errors import OutputError, UsageError
from movie_cli.training.bank.sheet import to_picture

Rows = list[tuple[str, list[Tensor]]]
"""A label and its pictures, each `(3, H, W)` or `(1, 3, H, W)` in [0, 1]."""

_GAP, _LABEL, _FONT_SIZE = 6, 24, 17
_PAPER, _TEXT = (250, 250, 248), (20, 20, 20)
_QUALITIES = (92, 88, 84, 80, 75, 70, 60, 50)


def gallery_sheet(blocks: Rows, columns: int, tile: tuple[int, int]) -> Image.Image:
    """A grid of labelled blocks of four pictures each, two by two; the first block is a wide row of its own.

    `tile` is a picture's width and height; pictures are cut to its shape around their middle.

    Raises:
        UsageError: a block does not have four pictures, or there is none.
    """
    if not blocks or any(len(pictures) != 4 for _, pictures in blocks):
        raise UsageError("a gallery shows four photographs")
    font = ImageFont.load_default(size=_FONT_SIZE)
    width, height = tile
    block_width, block_height = 2 * width + _GAP, _LABEL + 2 * height + _GAP
    rows = -(-(len(blocks) - 1) // columns)
    sheet_width = _GAP + columns * (block_width + _GAP)
    # The sources fill the width: that is what all the rest is compared with.
    wide = (sheet_width - 5 * _GAP) // 4
    high = wide * height // width
    sheet = Image.new("RGB", (sheet_width, _LABEL + high + _GAP + rows * block_height + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    label, pictures = blocks[0]
    draw.text((_GAP, _LABEL // 2), label, fill=_TEXT, font=font, anchor="lm")
    for place, picture in enumerate(pictures):
        sheet.paste(_cut(picture, (wide, high)), (_GAP + place * (wide + _GAP), _LABEL))
    for number, (label, pictures) in enumerate(blocks[1:]):
        left = _GAP + number % columns * (block_width + _GAP)
        top = _LABEL + high + _GAP + number // columns * block_height
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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}", "give a folder you may write to") from error
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


def labels_of(names: Sequence[str]) -> list[str]:
    """Edit names as people write them."""
    return [name.replace("_", " ") for name in names]
