"""Photographs of a folder, with stills of its videos among them.

A still's name ends in a digit that all stills of its video share, so that the rule by which photographs are held out
(a last digit of 0) never splits a video.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from PIL import Image

from movie_cli.errors import SourceError
from movie_cli.media.reader import FrameReader
from movie_cli.training.photos import SUFFIXES

VIDEOS = (".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v", ".y4m")
SECONDS_APART = 2.0
STILLS_A_VIDEO = 20
DONE = "done"


def photographs(folder: Path, stills: Path) -> list[Path]:
    """All pictures of `folder` by name, then stills of its videos, which are taken once and kept in `stills`.

    Raises:
        SourceError: the folder is missing or has neither, or a video cannot be read.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such folder", "name a folder of photographs or videos with --data")
    files = sorted(path for path in folder.iterdir() if path.is_file())
    found = [path for path in files if path.suffix.lower() in SUFFIXES]
    for path in files:
        if path.suffix.lower() in VIDEOS:
            found += _stills(path, stills / path.name)
    if not found:
        raise SourceError(f"{folder}: no photographs", f"it should hold {', '.join(SUFFIXES + VIDEOS)} files")
    return found


def _stills(video: Path, folder: Path) -> list[Path]:
    if not (folder / DONE).exists():
        folder.mkdir(parents=True, exist_ok=True)
        digit = hashlib.blake2b(video.name.encode(), digest_size=4).digest()[0] % 10
        taken, due = 0, 0.0
        with FrameReader(video) as reader:
            for frame in reader:
                if frame.time >= due:
                    taken, due = taken + 1, frame.time + SECONDS_APART
                    Image.fromarray(frame.pixels).save(folder / f"{video.stem}-{taken:03d}-{digit}.png")
                if taken == STILLS_A_VIDEO:
                    break
        (folder / DONE).touch()
    return sorted(folder.glob("*.png"))
