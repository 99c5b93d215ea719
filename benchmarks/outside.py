r"""How little an edit that is bounded to a place changes elsewhere, against an unedited re-encode.

    python benchmarks/outside.py ../shared/data/clips/*.mp4 --ways "only sky,except people,drawn,video"

Each clip is edited where a place or a mask says so, and written once more unedited (text scale 0), by the same encoder.
Both are compared with the source where the mask is black, `--border` pixels away from what is edited: an encoder's
blocks carry some of that across the edge. `share` is how much of the picture that is.
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
import tempfile
from pathlib import Path

import harness
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

import movie_cli
from movie_cli.editing.masks import Bounds
from movie_cli.errors import MovieError
from movie_cli.media import EncodeOptions, FrameReader, VideoWriter, probe
from movie_cli.models.regions import input_size

Pixels = NDArray[np.uint8]


def main() -> None:
    """The command."""
    parser = harness.parser("Measure what a bounded edit changes outside of its bounds.")
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--ways", default="only sky,except people,drawn,video", help="places and masks to bound it by")
    parser.add_argument("--instruction", default="make it night")
    parser.add_argument("--model", default="nano", help="a checkpoint's name or folder (default: nano)")
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--border", type=int, default=16)
    options = parser.parse_args()
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="movie-benchmark-") as name:
        folder = Path(name)
        for number, clip in enumerate(options.clips):
            source = cut(clip, folder / f"{number}.mkv", options.frames)
            recipe = movie_cli.Recipe(options.instruction, model=options.model)
            plain = written(source, folder / "plain.mp4", dataclasses.replace(recipe, text_scale=0.0))
            for way in options.ways.split(","):
                verb, _, place = way.partition(" ")
                places = {"only": place or None} if verb == "only" else {"except_for": place or None}
                mask = None if place else drawn(source, folder / ("mask.png" if verb == "drawn" else "mask.mkv"))
                asked = dataclasses.replace(recipe, **places) if place else recipe
                edited = written(source, folder / "edited.mp4", asked, mask)
                kept = [outside(black, options.border) for black in masks(source, asked, mask)]
                key = f"{clip.stem} {way}"
                before = frames(source)
                found[f"{key} dB"] = round(psnr(before, edited, kept), 2)
                found[f"{key} re-encoded dB"] = round(psnr(before, plain, kept), 2)
                found[f"{key} share"] = round(float(np.mean(kept)), 2)
    harness.show(found, options.json)


def cut(clip: Path, to: Path, count: int) -> Path:
    """The first frames of a clip, without loss."""
    info = probe(clip)
    lossless = EncodeOptions(codec="ffv1", pix_fmt="bgr0", audio="none")
    with FrameReader(clip, info=info) as reader, VideoWriter(to, info, lossless) as writer:
        for frame in itertools.islice(reader, count):
            writer.write(frame.pixels, frame.pts, frame.duration)
        writer.commit()
    return to


def written(source: Path, to: Path, recipe: movie_cli.Recipe, mask: Path | None = None) -> list[Pixels]:
    """The frames of an edit as a player gets them."""
    movie_cli.edit(source, recipe, to, mask=None if mask is None else str(mask), overwrite=True, use_cache=False)
    return frames(to)


def frames(path: Path) -> list[Pixels]:
    """All frames."""
    with FrameReader(path) as reader:
        return [frame.pixels for frame in reader]


def drawn(source: Path, to: Path) -> Path:
    """A mask by hand: an ellipse as a picture, or as a video in which it moves to the right."""
    info = probe(source)
    width, height = info.video.display_size
    rows, columns = np.mgrid[0:height, 0:width]

    def ellipse(moved: float) -> Pixels:
        inside = np.hypot((columns / width - 0.4 - moved) / 0.25, (rows / height - 0.5) / 0.3) < 1
        return np.repeat((255 * inside).astype(np.uint8)[..., None], 3, 2)

    if to.suffix == ".png":
        Image.fromarray(ellipse(0)).save(to)
        return to
    with FrameReader(source, info=info) as reader, VideoWriter(to, info, EncodeOptions(codec="ffv1")) as writer:
        for frame in reader:
            writer.write(ellipse(0.02 * frame.index), frame.pts, frame.duration)
        writer.commit()
    return to


def masks(source: Path, recipe: movie_cli.Recipe, mask: Path | None) -> list[Pixels]:
    """The masks `(H, W)` of all frames: 255 where the edit goes."""
    info = probe(source)
    wide, high = input_size(*info.video.presentation_size)
    bounds = Bounds(Path(recipe.model), recipe.only, recipe.except_for, mask)
    bound = bounds.begin(0.0)
    begin = float(info.video.begin)
    with FrameReader(source, info=info, also_size=(2 * wide, 2 * high)) as reader:
        found = [bound.mask(frame.pixels, frame.working, frame.time - begin) for frame in reader]
    bound.close()
    return found


def outside(mask: Pixels, border: int) -> NDArray[np.bool_]:
    """Where a mask is black, and all within `border` pixels."""
    far = Image.fromarray((255 * (mask < 1)).astype(np.uint8)).filter(ImageFilter.MinFilter(2 * border + 1))
    return np.asarray(far) > 0


def psnr(ours: list[Pixels], theirs: list[Pixels], kept: list[NDArray[np.bool_]]) -> float:
    """In dB over what is kept; 99 where nothing differs, or nothing is kept."""
    square, count = 0.0, 0
    for one, other, where in zip(ours, theirs, kept, strict=True):
        square += float(np.square(one.astype(np.float32) - other)[where].sum())
        count += 3 * int(where.sum())
    return 99.0 if not square else min(99.0, 10 * float(np.log10(255**2 * count / square)))


if __name__ == "__main__":
    try:
        main()
    except MovieError as error:
        sys.exit(f"error: {error}")
