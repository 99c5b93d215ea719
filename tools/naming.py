"""`python -m tools.naming`: pages of edits to be named by somebody who does not know them, and the count of what was.

Each page shows sources beside their edits by number and nothing else; `looks.txt` lists all looks, `key.json` says
which were shown. Who names them writes `answers.csv`: a number and up to three looks a line; `--score` counts. A look
is shown on a photograph that it changes: a blue sky says nothing of a room.
"""

from __future__ import annotations

import csv
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from movie_cli.errors import SourceError
from movie_cli.evaluate.measures import to_float, to_frames
from movie_cli.evaluate.subjects import open_subject
from movie_cli.recipe import Recipe
from movie_cli.train.instructions import canonical
from movie_cli.train.photos import load
from tools.measures import rmse
from tools.options import end, held_out_photographs, known_edits, parser, write
from tools.sheets import to_picture

A_PAGE, ACROSS, WIDTH, LABEL, FONT = 12, 2, 300, 26, 18
GUESSES = 3
CHANGED, TRIES = 0.08, 8
"""Root mean square of a change in [0, 1] that can be seen, and photographs that are tried for one."""


def draw_pages(model: str, photos: Sequence[Path], edits: Sequence[str], count: int, seed: int, folder: Path) -> None:
    """Write pages, list and key; every look once before any comes twice, each on another photograph.

    Raises:
        MovieError: the model or a photograph cannot be opened, or a file cannot be written.
    """
    rng = random.Random(seed)  # noqa: S311 - not cryptography
    names: list[str] = []
    while len(names) < count:
        names += rng.sample(list(edits), len(edits))
    subject = open_subject(model)
    font = ImageFont.load_default(size=FONT)
    page: list[Image.Image] = []
    shown: list[Path] = []
    for number, name in enumerate(names[:count], 1):
        run = subject.prepare(Recipe(canonical(name)))
        for path in rng.sample(list(photos), min(TRIES, len(photos))):
            source = load(path, 256)
            edited = to_float(run(to_frames(source)))
            if rmse(edited, source) > CHANGED:
                break
        shown.append(path)
        pair = [to_picture(one) for one in (source, edited)]
        high = round(pair[0].height * WIDTH / pair[0].width)
        tile = Image.new("RGB", (2 * WIDTH + 8, LABEL + high), "white")
        ImageDraw.Draw(tile).text((4, 2), str(number), fill="black", font=font)
        for place, picture in enumerate(pair):
            tile.paste(picture.resize((WIDTH, high), Image.Resampling.LANCZOS), (place * (WIDTH + 4), LABEL))
        page.append(tile)
        if len(page) == A_PAGE or number == count:
            folder.mkdir(parents=True, exist_ok=True)
            _together(page).save(folder / f"page-{-(-number // A_PAGE):02d}.jpg", quality=88)
            page = []
    write(folder / "looks.txt", ("\n".join(sorted(edits)) + "\n").encode())
    key = {str(number): [name, path.name] for number, (name, path) in enumerate(zip(names, shown, strict=False), 1)}
    write(folder / "key.json", json.dumps(key, indent=1).encode())


def _together(tiles: Sequence[Image.Image]) -> Image.Image:
    """Tiles two by two, each row as high as its highest."""
    rows = [tiles[first : first + ACROSS] for first in range(0, len(tiles), ACROSS)]
    heights = [max(tile.height for tile in row) + 6 for row in rows]
    sheet = Image.new("RGB", (ACROSS * (2 * WIDTH + 16), sum(heights)), "white")
    top = 0
    for row, height in zip(rows, heights, strict=True):
        for place, tile in enumerate(row):
            sheet.paste(tile, (place * (2 * WIDTH + 16), top))
        top += height
    return sheet


def score(folder: Path) -> str:
    """How many were named first, and among the first three, and what the others were taken for.

    Raises:
        SourceError: there is no key, or there are no answers.
    """
    try:
        key = json.loads((folder / "key.json").read_text(encoding="utf-8"))
        lines = list(csv.reader((folder / "answers.csv").read_text(encoding="utf-8").splitlines()))
    except (OSError, ValueError) as error:
        raise SourceError(f"{folder} cannot be counted: {error}", "draw pages first, and write answers.csv") from error
    answers = {line[0].strip(): [guess.strip() for guess in line[1 : 1 + GUESSES]] for line in lines if line}
    first = sum(answers.get(number, [""])[:1] == [name] for number, (name, _) in key.items())
    missed = {number: name for number, (name, _) in key.items() if name not in answers.get(number, [])}
    shares = f"{first} of {len(key)} named first, {len(key) - len(missed)} among the first {GUESSES}"
    return "\n".join([shares, *(f"{n} {name}: {', '.join(answers.get(n, []))}" for n, name in missed.items())]) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    command = parser("Draw edits to be named blindly, or count how many were.", photos="folder of photographs")
    add = command.add_argument
    add("--model", default="nano", help="a checkpoint's name or folder (default: nano)")
    add("--count", type=int, default=90, choices=range(1, 1001), metavar="N", help="pairs (default: 90)")
    add("--seed", type=int, default=0, help="which looks and photographs are drawn (default: 0)")
    add("--score", action="store_true", help="count the answers in the folder instead")
    add("-o", "--output", type=Path, required=True, metavar="DIR", help="the folder of the pages")
    options = command.parse_args(arguments)

    def work() -> str:
        if options.score:
            return score(options.output)
        photos = held_out_photographs(options.photos)
        draw_pages(options.model, photos, known_edits(options.edits), options.count, options.seed, options.output)
        return f"{options.output}: {options.count} pairs\n"

    return end(work)


if __name__ == "__main__":
    sys.exit(main())
