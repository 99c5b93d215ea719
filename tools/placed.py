"""`python -m tools.placed`: looks bounded to places on photographs, what they leave outside and change inside.

Sixty pairs of a look and a place, each on held-out photographs that have the place. Outside is where the mask is black,
`BORDER` pixels away from what is edited.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from movie_cli.backends import Pixels
from movie_cli.backends.fidelity import psnr
from movie_cli.checkpoints.store import open_model
from movie_cli.editing.editor import Editor
from movie_cli.editing.frames import FrameEditor, SourceFrames, open_editor
from movie_cli.editing.request import PreviewRequest
from movie_cli.kinds import TimeValue
from movie_cli.looks import looks_of
from movie_cli.media import probe
from movie_cli.recipe import Recipe
from tools.options import end, held_out_photographs, parser

PAIRS = {
    "sky": "pink red clear_sky cloudy sunset purple golden_hour storm night turquoise",
    "people": "bronze gold marble black_and_white silver stone pencil",
    "hair": "blonde red blue black",
    "clothes": "red blue green white",
    "face_and_skin": "green pale silver",
    "plants": "autumn snow yellow jungle winter pink",
    "ground": "snow desert mars ice lava beach",
    "water": "green ice night red",
    "building": "gold red night yellow",
    "vehicle": "red blue yellow pink gold",
    "animal": "white gold clay",
    "background": "blur black_and_white night pencil",
}
BORDER = 16
EQUAL = 99.0
"""Decibels where nothing differs."""
SHARES = 0.04, 0.9
"""Least and largest part of a picture that a place is measured in."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    command = parser("Measure looks that are bounded to places.", photos="folder of photographs")
    command.add_argument("--model", default="nano", help="a checkpoint's name or folder (default: nano)")
    command.add_argument("--photographs", type=int, default=12, metavar="N", help="for each pair (default: 12)")
    options = command.parse_args(arguments)

    def work() -> str:
        paths = held_out_photographs(options.photos)
        rows = [row for place in PAIRS for row in measured(place, paths, options.model, options.photographs)]
        least, inside = min(row[2] for row in rows), statistics.mean(row[3] for row in rows)
        lines = ["| look | place | photographs | outside, least | inside changes by |", "|---|---|---|---|---|"]
        lines += [
            f"| {look} | {place} | {count} | {outside:.1f} dB | {change:.1f} |"
            for look, place, outside, change, count in rows
        ]
        lines.append(
            f"\n{len(rows)} pairs: at least {least:.1f} dB outside; inside {inside:.1f} code values on average"
        )
        return "\n".join(lines) + "\n"

    return end(work)


def measured(place: str, paths: Sequence[Path], model: str, most: int) -> Iterator[tuple[str, str, float, float, int]]:
    """For each look of a place: look, place, least dB outside, mean change inside, number of photographs."""
    descriptor = open_model(model)
    words = {look.name: look.words for look in looks_of(descriptor.edits)}
    found: dict[str, list[tuple[float, float]]] = {look: [] for look in PAIRS[place].split()}
    editors: dict[tuple[int, int], Editor] = {}
    for path in paths:
        info = probe(path)
        size = Editor.size_for(descriptor, *info.video.presentation_size)
        request = PreviewRequest(str(path), Recipe("any", model=model), ("any",), (7.5,), (1.5,))
        if size not in editors:
            editors[size] = open_editor(descriptor, request, size, 1, lambda _: None)
        frames = SourceFrames(path, info, size)
        editor, at = FrameEditor(frames, editors[size]), TimeValue(frames=0)
        source = frames.at(at)[0]
        mask = editor.mask(Recipe("any", model=model, only=place), source)
        if not SHARES[0] <= float(mask.mean()) / 255 <= SHARES[1]:
            continue
        far = np.asarray(Image.fromarray(mask).filter(ImageFilter.MaxFilter(2 * BORDER + 1))) == 0
        for look, values in found.items():
            edited = editor.edited(Recipe(words[look], model=model, only=place), at)
            kept = psnr(source[far], edited[far]) if far.any() else EQUAL
            values.append((kept, change(source[mask > 128], edited[mask > 128])))
        if all(len(values) >= most for values in found.values()):
            break
    for look, values in found.items():
        if values:
            outside, inside = zip(*values, strict=True)
            yield look, place, min(outside), statistics.mean(inside), len(values)


def change(one: Pixels, other: Pixels) -> float:
    """Mean absolute difference in code values."""
    return float(np.abs(one.astype(np.float32) - other).mean()) if one.size else 0.0


if __name__ == "__main__":
    sys.exit(main())
