"""How near tables of colours come to edits, applied by ffmpeg's `lut3d`, and which looks are refused one.

    python benchmarks/tables.py samples/meadow.mp4

A table is fitted as `movie lut` fits it; frames that it was not fitted on are then edited, and graded by the filter.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import av
import harness
import numpy as np
from av.filter import Graph

import movie_cli
from movie_cli.cli.lut_and_mask import LEAST
from movie_cli.editing.lut import make_table, write_cube
from movie_cli.editing.request import PreviewRequest, SilentReporter
from movie_cli.media import FrameReader, probe

LOOKS = (
    "black and white,sepia,vintage,warmer,cooler,brighter,darker,faded,high contrast,muted,duotone,matte,"
    "negative,pencil,van gogh"
)
LOSSLESS = movie_cli.EncodeOptions(codec="ffv1", pix_fmt="bgr0", audio="none")


def main() -> None:
    """The command."""
    parser = harness.parser("Compare tables of colours with the edits that they are made of.")
    parser.add_argument("clip", type=Path)
    parser.add_argument("--looks", default=LOOKS)
    parser.add_argument("--frames", type=int, default=16, help="frames that a table is made of (default: 16)")
    parser.add_argument("--judged", type=int, default=2, help="frames from the middle on that judge it (default: 2)")
    parser.add_argument("--model", default="nano", help="a checkpoint's name or folder (default: nano)")
    options = parser.parse_args()
    found: dict[str, object] = {}
    middle = movie_cli.TimeValue.parse(f"{(probe(options.clip).length or 0) / 2:.2f}s")
    part = {"start": middle, "duration": movie_cli.TimeValue(frames=options.judged)}
    with tempfile.TemporaryDirectory(prefix="movie-benchmark-") as name:
        cube, film = Path(name) / "look.cube", Path(name) / "edited.mkv"
        with FrameReader(options.clip, start=float(middle.seconds or 0)) as reader:
            sources = [frame.pixels for frame, _ in zip(reader, range(options.judged), strict=False)]
        for look in options.looks.split(","):
            recipe = movie_cli.Recipe(look, model=options.model)
            request = PreviewRequest(str(options.clip), recipe, (look,), (recipe.scales[0],), (recipe.scales[1],))
            table = make_table(request, options.frames, 0.0, SilentReporter())
            write_cube(cube, table.values, look)
            movie_cli.edit(options.clip, recipe, film, encode=LOSSLESS, overwrite=True, use_cache=False, **part)
            with FrameReader(film) as reader:
                squares = [
                    np.square(lut3d(source, cube).astype(np.float32) - frame.pixels).mean()
                    for source, frame in zip(sources, reader, strict=True)
                ]
            found[look] = round(10 * float(np.log10(255**2 / np.mean(squares))), 1)
            found[f"{look}, as movie lut says"] = round(table.psnr, 1) if table.holds(LEAST) else "refused"
    harness.show(found, options.json)


def lut3d(pixels: np.ndarray, cube: Path) -> np.ndarray:
    """A frame `(H, W, 3)` uint8 graded by ffmpeg's filter."""
    graph = Graph()
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    source = graph.add_buffer(width=frame.width, height=frame.height, format="rgb24", time_base="1/25")
    nodes = (graph.add("lut3d", file=str(cube)), graph.add("format", "rgb24"), graph.add("buffersink"))
    for one, other in zip((source, *nodes), nodes, strict=False):
        one.link_to(other)
    graph.configure()
    graph.push(frame)
    return np.asarray(graph.pull().to_ndarray())


if __name__ == "__main__":
    main()
