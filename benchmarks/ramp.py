"""How an edit rises from the source: the distance of every quarter of a second, with `--text-scale "0s=0,3s=10"`.

    python benchmarks/ramp.py ../shared/data/clips/sam2_juggle_football.mp4

Both the edit and the unedited re-encode (text scale 0) that its first frame is compared with are without loss.
Distances are means of absolute differences in code values (of 255), of the frames that are shown in each quarter.
"""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import harness
import numpy as np

import movie_cli
from movie_cli.media import FrameReader

LOSSLESS = movie_cli.EncodeOptions(codec="ffv1", pix_fmt="bgr0", audio="none")
STEP = 0.25


def main() -> None:
    """The command."""
    parser = harness.parser("Measure how an edit rises from the source.")
    parser.add_argument("clip", type=Path)
    parser.add_argument("--instruction", default="make it winter")
    parser.add_argument("--text-scale", default="0s=0,3s=10")
    parser.add_argument("--seconds", default="3s")
    parser.add_argument("--model", default="nano", help="a checkpoint's name or folder (default: nano)")
    options = parser.parse_args()
    sums: dict[int, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="movie-benchmark-") as name:
        rising, plain = Path(name) / "rising.mkv", Path(name) / "plain.mkv"
        for path, scale in ((rising, options.text_scale), (plain, 0.0)):
            recipe = movie_cli.Recipe(options.instruction, model=options.model, text_scale=scale)
            length = movie_cli.TimeValue.parse(options.seconds)
            movie_cli.edit(options.clip, recipe, path, duration=length, encode=LOSSLESS, use_cache=False)
        with FrameReader(rising) as ours, FrameReader(plain) as theirs:
            for one, other in zip(ours, theirs, strict=True):
                away = float(np.abs(one.pixels.astype(np.int16) - other.pixels).mean())
                sums.setdefault(int(one.time / STEP + 1e-6), []).append(away)
    means = [float(np.mean(sums[number])) for number in sorted(sums)]
    found = {f"{STEP * number:.2f} s": round(mean, 2) for number, mean in enumerate(means)}
    rises = all(before < after for before, after in pairwise(means))
    harness.show({**found, "first_frame": sums[0][0], "rises_throughout": rises}, options.json)


if __name__ == "__main__":
    main()
