"""`python -m tools.control`: whether a model still answers both guidance scales.

Over the tiles of MoViE's Figure 4, `s_T` 4, 8, 12 by `s_I` 1.25, 1.75, distance from the source must rise with the
first and fall with the second. At the corners of the trained ranges the distance is compared with a teacher's. Writes
`control.json`.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from movie_cli.evaluate.subjects import Subject, open_subject
from movie_cli.train.photos import load
from tools.fidelity import distances
from tools.measures import falls, mean, rises
from tools.options import end, held_out_photographs, known_edits, parser, pick, write

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
        found = [[distances(subject, name, text, image, photos) for text in TEXT_SCALES] for image in IMAGE_SCALES]
        for number in range(len(photos)):
            up.append(float(all(rises([tile[number] for tile in row]) for row in found)))
            down.append(float(all(falls([row[column][number] for row in found]) for column in range(len(TEXT_SCALES)))))
        for mine, row in zip(tiles, found, strict=True):
            for tile, away in zip(mine, row, strict=True):
                tile.extend(away)
        for corner, (text, image) in zip(corners, CORNERS, strict=True):
            corner.extend(distances(subject, name, text, image, photos))
        log.info("%s %s: in order so far %.0f %% and %.0f %%", subject.name, name, 100 * mean(up), 100 * mean(down))
    return Control(
        model=subject.name,
        pairs=len(up),
        rises=mean(up),
        falls=mean(down),
        tiles=[[mean(tile) for tile in row] for row in tiles],
        corners=[mean(corner) for corner in corners],
    )


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    command = parser("Measure the answer to both guidance scales.")
    add = command.add_argument
    add("--model", default="nano", help="a checkpoint's name or folder (default: nano)")
    add("--teacher", default="", help="a checkpoint to compare the ends of the ranges with")
    add("-o", "--output", type=Path, required=True, metavar="DIR", help="where control.json goes")
    add("--photos-count", type=int, default=3, metavar="N", help="photographs (default: 3)")
    options = command.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)

    def work() -> str:
        edits = known_edits(options.edits)
        photos = [load(path) for path in pick(held_out_photographs(options.photos), options.photos_count)]
        models = [options.model] + ([options.teacher] if options.teacher else [])
        found = [measure_control(open_subject(one, options.device, options.dtype), edits, photos) for one in models]
        values = [dataclasses.asdict(one) for one in found]
        write(options.output / "control.json", json.dumps(values, indent=1) + "\n")
        return "\n".join(lines(found[0], found[1] if options.teacher else None)) + "\n"

    return end(work)


if __name__ == "__main__":
    sys.exit(main())
