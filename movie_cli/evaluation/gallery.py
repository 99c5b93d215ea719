"""The command `python -m movie_cli.evaluation.gallery`: all edits of a model on four photographs, in one picture.

Uses the canonical instructions, the default scales and the photographs' own size. Needs the extra `eval`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from movie_cli.errors import MovieError, SourceError, UsageError
from movie_cli.evaluation.measures import to_float, to_frames
from movie_cli.evaluation.sheets import Rows, gallery_sheet, labels_of, save_picture
from movie_cli.evaluation.subjects import open_subject
from movie_cli.training import bank
from movie_cli.training.instructions import canonical
from movie_cli.training.photos import load

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
    for name, label in zip(edits, labels_of(edits), strict=True):
        run = subject.prepare(canonical(bank.get(name).name))
        rows.append((label, [to_float(run(to_frames(source))) for source in sources]))
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m movie_cli.evaluation.gallery",
        description="Draw every edit of a model on four photographs, two by two, with a label.",
    )
    add = parser.add_argument
    add("files", nargs=4, metavar="FILE", help="names of four photographs in the folder")
    add("--photos", type=Path, required=True, metavar="DIR", help="folder of photographs")
    add("--model", default="nano", help="a checkpoint's name or folder, or: bank, identity (default: nano)")
    add("--edits", default=",".join(bank.BANK), help="comma-separated (default: the whole bank)")
    add("--columns", type=int, default=5, choices=range(1, 11), metavar="N", help="edits in a row (default: 5)")
    add("--tile-width", type=int, default=144, choices=range(32, 1025), metavar="PIXELS", help="default: 144")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    add("--dtype", default="auto", help="auto, float32, bfloat16 or float16")
    add("-o", "--output", type=Path, required=True, metavar="FILE", help="a .jpg, .png or .webp file")
    options = parser.parse_args(arguments)
    edits = [name.strip() for name in options.edits.split(",") if name.strip()]
    try:
        if not edits:
            raise UsageError("no edits are named", "leave --edits out for the whole bank")
        paths = [options.photos / name for name in options.files]
        rows = gallery_rows(options.model, paths, edits, options.device, options.dtype)
        sheet = gallery_sheet(rows, options.columns, (options.tile_width, options.tile_width * 3 // 4))
        size = save_picture(sheet, options.output, LIMIT)
    except MovieError as error:
        sys.stderr.write(f"error: {error}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        return error.exit_code
    sys.stdout.write(f"{options.output}: {sheet.width}x{sheet.height}, {size} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
