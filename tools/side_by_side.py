"""Two models on the same frames of clips, side by side: the source, the first model, the second.

python -m tools.side_by_side FIRST SECOND --clips ../shared/data/clips -o docs/images/side-by-side.jpg
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import movie_cli
from movie_cli.media import FrameReader
from tools.options import end
from tools.sheets import save_picture

CAR, ROOFS, WOMAN, MAN = (
    "udacity_highway_cars.mp4",
    "google_rooftop_skyline.mp4",
    "pexels_woman_pastel.mp4",
    "sam2_juggle_football.mp4",
)
PAIRS = (
    (CAR, "make it winter"),
    (MAN, "make it snow"),
    (CAR, "make it night"),
    (MAN, "put it in the desert"),
    (ROOFS, "at sunset"),
    (CAR, "in the style of van gogh"),
    (ROOFS, "as an oil painting"),
    (MAN, "as a comic"),
    (WOMAN, "as an ink drawing"),
    (CAR, "make the sky pink"),
    (CAR, "turn the car red"),
    (MAN, "blur the background"),
    (WOMAN, "turn her into a bronze statue"),
    (WOMAN, "make her hair blonde"),
)
WIDTH, GAP, LABEL, COLUMNS = 192, 4, 18, 2


def tiles(path: Path, instruction: str, models: Sequence[str]) -> list[Image.Image]:
    """The clip's first frame, and what each model makes of it."""
    part = movie_cli.TimeValue(frames=2)
    with tempfile.TemporaryDirectory() as folder:
        films = [path]
        for number, model in enumerate(models):
            films.append(Path(folder) / f"{number}.mkv")
            movie_cli.edit(path, movie_cli.Recipe(instruction, model=model), films[-1], duration=part, use_cache=False)
        frames = []
        for film in films:
            with FrameReader(film) as reader:
                picture = Image.fromarray(next(iter(reader)).pixels)
            frames.append(picture.resize((WIDTH, round(picture.height * WIDTH / picture.width))))
    return frames


def sheet(rows: Sequence[tuple[str, Sequence[Image.Image]]]) -> Image.Image:
    """Rows of three pictures under their instruction, in two columns."""
    font = ImageFont.load_default(size=13)
    high = LABEL + max(picture.height for _, row in rows for picture in row) + GAP
    wide = 3 * (WIDTH + GAP) + 2 * GAP
    page = Image.new("RGB", (COLUMNS * wide, -(-len(rows) // COLUMNS) * high), "white")
    draw = ImageDraw.Draw(page)
    for index, (label, row) in enumerate(rows):
        left, top = index % COLUMNS * wide + GAP, index // COLUMNS * high
        draw.text((left, top + LABEL // 2), label, fill="black", font=font, anchor="lm")
        for place, picture in enumerate(row):
            page.paste(picture, (left + place * (WIDTH + GAP), top + LABEL))
    return page


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(description="Show two models on the same frames.")
    parser.add_argument("models", nargs=2, metavar="MODEL", help="a checkpoint's name or folder")
    parser.add_argument("--clips", type=Path, required=True, metavar="DIR", help="folder of the clips")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="a .jpg, .png or .webp file")
    options = parser.parse_args(arguments)

    def work() -> str:
        rows = []
        for name, instruction in PAIRS:
            rows.append((instruction, tiles(options.clips / name, instruction, options.models)))
        save_picture(sheet(rows), options.output)
        return f"{options.output}\n"

    return end(work)


if __name__ == "__main__":
    sys.exit(main())
