"""Text on pictures, in the font that Pillow brings along. Knows nothing of what it says."""

from __future__ import annotations

from PIL import ImageDraw, ImageFont

PAPER, INK = (250, 250, 248), (20, 20, 20)
FONT_SIZE, SMALLEST_FONT = 15, 9


def write_label(draw: ImageDraw.ImageDraw, place: tuple[int, int], label: str, width: int) -> None:
    """Write one line whose left middle is at `place`, smaller or cut off where it is wider than `width` pixels."""
    size = FONT_SIZE
    while size > SMALLEST_FONT and draw.textlength(label, font=ImageFont.load_default(size=size)) > width:
        size -= 1
    font = ImageFont.load_default(size=size)
    while len(label) > 1 and draw.textlength(label, font=font) > width:
        label = label[:-2].rstrip("…") + "…"
    draw.text(place, label, fill=INK, font=font, anchor="lm")
