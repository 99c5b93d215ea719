"""The command `python -m movie_cli.evaluation.control`: whether a model still answers both guidance scales.

Over the tiles of MoViE's Figure 4, `s_T` 4, 8, 12 by `s_I` 1.25, 1.75, distance from the source must rise with the
first and fall with the second. At the corners of the trained ranges the distance is compared with a teacher's. Writes
`control.json`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from movie_cli.errors import MovieError, SourceError
from movie_cli.evaluation.bank_report import pick
from movie_cli.evaluation.measures import falls, mean, rises, rmse, to_float, to_frames
from movie_cli.evaluation.report import write_text
from movie_cli.evaluation.subjects import Subject, open_subject
from movie_cli.training import bank
from movie_cli.training.instructions import canonical
from movie_cli.training.photos import PhotoFolder, load

TEXT_SCALES = (4.0, 8.0, 12.0)
IMAGE_SCALES = (1.25, 1.75)
CORNERS = ((2.0, 1.0), (2.0, 3.0), (14.0, 1.0), (14.0, 3.0))
"""The ends of the trained ranges, text scale first."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Control:
    """Shares of (edit, photograph) pairs in order, in [0, 1], and mean distances from the source.

    A pair rises if it does at both image scales, and falls if it does at all three text scales. `tiles` are by image
    scale, then text scale; `corners` in the order of `CORNERS`.
    """

    model: str
    pairs: int
    rises: float
    falls: float
    tiles: list[list[float]]
    corners: list[float]


def measure_control(subject: Subject, edits: Sequence[str], photos: Sequence[Tensor]) -> Control:
    """Measure edits on photographs `(1, 3, H, W)` in [0, 1]; distances are root mean squared errors."""
    up, down = [], []
    tiles: list[list[list[float]]] = [[[] for _ in TEXT_SCALES] for _ in IMAGE_SCALES]
    corners: list[list[float]] = [[] for _ in CORNERS]
    for name in edits:
        found = [[_distances(subject, name, text, image, photos) for text in TEXT_SCALES] for image in IMAGE_SCALES]
        for number in range(len(photos)):
            up.append(float(all(rises([tile[number] for tile in row]) for row in found)))
            down.append(float(all(falls([row[column][number] for row in found]) for column in range(len(TEXT_SCALES)))))
        for mine, row in zip(tiles, found, strict=True):
            for tile, distances in zip(mine, row, strict=True):
                tile.extend(distances)
        for corner, (text, image) in zip(corners, CORNERS, strict=True):
            corner.extend(_distances(subject, name, text, image, photos))
        log.info("%s %s: in order so far %.0f %% and %.0f %%", subject.name, name, 100 * mean(up), 100 * mean(down))
    return Control(
        model=subject.name,
        pairs=len(up),
        rises=mean(up),
        falls=mean(down),
        tiles=[[mean(tile) for tile in row] for row in tiles],
        corners=[mean(corner) for corner in corners],
    )


def _distances(subject: Subject, name: str, text: float, image: float, photos: Sequence[Tensor]) -> list[float]:
    run = subject.prepare(canonical(name), text, image)
    return [rmse(to_float(run(to_frames(photo))), photo) for photo in photos]


def lines(student: Control, teacher: Control | None) -> list[str]:
    """The findings in words."""
    found = [
        f"{student.model}: distance rises with the text scale in {student.rises:.1%} of {student.pairs} pairs, "
        f"falls with the image scale in {student.falls:.1%}"
    ]
    for scale, row in zip(IMAGE_SCALES, student.tiles, strict=True):
        values = ", ".join(f"{text:g}: {value:.3f}" for text, value in zip(TEXT_SCALES, row, strict=True))
        found.append(f"  image scale {scale:g}, text scale {values}")
    for number, (text, image) in enumerate(CORNERS):
        line = f"  text scale {text:g}, image scale {image:g}: {student.corners[number]:.3f}"
        if teacher is not None:
            ratio = student.corners[number] / max(teacher.corners[number], 1e-9)
            line += f", teacher {teacher.corners[number]:.3f}, ratio {ratio:.2f}"
        found.append(line)
    return found


def run(options: argparse.Namespace) -> list[str]:
    """Measure what `options` (see `main`) ask for and write `control.json`; returns the findings in words.

    Raises:
        MovieError: anything that is missing or cannot be read or written.
    """
    edits = [bank.get(name.strip()).name for name in options.edits.split(",") if name.strip()]
    paths = pick(PhotoFolder(options.photos).paths(held_out=True), options.photos_count)
    if not paths or not edits:
        raise SourceError(f"{options.photos} holds no held-out photographs", "their names end in 0")
    photos = [load(path) for path in paths]
    names = [options.model] + ([options.teacher] if options.teacher else [])
    found = [measure_control(open_subject(name, options.device, options.dtype), edits, photos) for name in names]
    values = [dataclasses.asdict(one) for one in found]
    write_text(options.output / "control.json", json.dumps(values, indent=1) + "\n")
    return lines(found[0], found[1] if options.teacher else None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m movie_cli.evaluation.control", description="Measure the answer to both guidance scales."
    )
    add = parser.add_argument
    add("--photos", type=Path, required=True, metavar="DIR", help="folder of photographs; names ending in 0 are used")
    add("--model", default="nano", help="a checkpoint's name or folder (default: nano)")
    add("--teacher", default="", help="a checkpoint to compare the ends of the ranges with")
    add("-o", "--output", type=Path, required=True, metavar="DIR", help="where control.json goes")
    add("--photos-count", type=int, default=3, metavar="N", help="photographs (default: 3)")
    add("--edits", default=",".join(bank.BANK), help="comma-separated (default: the whole bank)")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    add("--dtype", default="auto", help="auto, float32, bfloat16 or float16")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        found = run(options)
    except MovieError as error:
        sys.stderr.write(f"error: {error}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        return error.exit_code
    sys.stdout.write("\n".join(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
