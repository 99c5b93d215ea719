"""Makes the README's first picture: a frame of the sample clip, and what five instructions make of it.

python -m tools.before_after -o docs/images/meadow.jpg
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import movie_cli
from movie_cli.media import FrameReader
from tools.sheets import save_picture

CLIP = Path(__file__).parents[1] / "samples" / "meadow.mp4"
GAP, LABEL = 6, 26
INSTRUCTIONS = ("make it winter", "as a pencil drawing", "make it night", "autumn", "in the style of van gogh")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Make the picture of the README's head.")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--instructions", nargs="+", default=INSTRUCTIONS, metavar="TEXT")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    with FrameReader(CLIP) as reader:
        frame = next(iter(reader)).pixels[None]
    editor = movie_cli.open_editor(args.model)
    tiles = [("the source", frame)]
    for instruction in args.instructions:
        editor.set_recipe(movie_cli.Recipe(instruction))
        tiles.append((f'"{instruction}"', editor.edit(frame)))
    save_picture(page(tiles), args.output)


def page(tiles: list[tuple[str, np.ndarray]], columns: int = 3, height: int = 240) -> Image.Image:
    """Lay tiles `(1, H, W, 3)` out in columns, each under its label."""
    font = ImageFont.load_default(size=16)
    pictures = [Image.fromarray(pixels[0]) for _, pixels in tiles]
    width = round(pictures[0].width * height / pictures[0].height)
    lines = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * (width + GAP) + GAP, lines * (height + LABEL) + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for index, ((label, _), picture) in enumerate(zip(tiles, pictures, strict=True)):
        left, top = GAP + index % columns * (width + GAP), index // columns * (height + LABEL)
        draw.text((left, top + LABEL // 2), label, fill="black", font=font, anchor="lm")
        sheet.paste(picture.resize((width, height), Image.Resampling.LANCZOS), (left, top + LABEL))
    return sheet


if __name__ == "__main__":
    main()
