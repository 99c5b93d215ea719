"""`python -m tools.gallery`: all edits of a model on four photographs, in one picture.

Uses the canonical instructions, the default scales and the photographs' own size. Needs the extra `eval`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from movie_cli.errors import SourceError
from movie_cli.evaluate.measures import to_float, to_frames
from movie_cli.evaluate.subjects import open_subject
from movie_cli.recipe import Recipe
from movie_cli.train.instructions import canonical
from movie_cli.train.photos import load
from tools.options import end, known_edits, parser
from tools.sheets import Rows, gallery_sheet, save_picture

LIMIT = 900_000
"""Bytes a picture in the repository may have."""


def gallery_rows(model: str, photos: Sequence[Path], edits: Sequence[str], device: str, dtype: str) -> Rows:
    """The photographs, then each edit's results on them.

    Raises:
        MovieError: the model or a photograph cannot be opened, or an edit is not in the bank.
    """
    missing = [path for path in photos if not path.is_file()]
    if missing:
        raise SourceError(f"{missing[0]}: no such photograph", "name files of the folder given with --photos")
    subject = open_subject(model, device, dtype)
    sources = [load(path) for path in photos]
    rows: Rows = [("source", sources)]
    for name in edits:
        run = subject.prepare(Recipe(canonical(name)))
        rows.append((name.replace("_", " "), [to_float(run(to_frames(source))) for source in sources]))
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    command = parser("Draw every edit of a model on four photographs, two by two.", photos="folder of photographs")
    add = command.add_argument
    add("files", nargs=4, metavar="FILE", help="names of four photographs in the folder")
    add("--model", default="nano", help="a checkpoint's name or folder, or: bank, identity (default: nano)")
    add("--columns", type=int, default=5, choices=range(1, 11), metavar="N", help="edits in a row (default: 5)")
    add("--tile-width", type=int, default=144, choices=range(32, 1025), metavar="PIXELS", help="default: 144")
    add("-o", "--output", type=Path, required=True, metavar="FILE", help="a .jpg, .png or .webp file")
    options = command.parse_args(arguments)

    def work() -> str:
        paths = [options.photos / name for name in options.files]
        rows = gallery_rows(options.model, paths, known_edits(options.edits), options.device, options.dtype)
        sheet = gallery_sheet(rows, options.columns, (options.tile_width, options.tile_width * 3 // 4))
        size = save_picture(sheet, options.output, LIMIT)
        return f"{options.output}: {sheet.width}x{sheet.height}, {size} bytes\n"

    return end(work)


if __name__ == "__main__":
    sys.exit(main())
