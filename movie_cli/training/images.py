"""Looks at every picture of a data set before training: unreadable and tiny ones are named then, not an hour later."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from movie_cli.errors import SourceError

DECODED = 5000
"""Up to this many pictures are decoded whole; of more, only the headers are read."""


def check_images(paths: Sequence[Path], shortest: int) -> None:
    """Check that all pictures open and have sides of at least `shortest` pixels.

    Raises:
        SourceError: some do not; the sentence names the first and tells how many there are.
    """
    with ThreadPoolExecutor(4) as pool:
        faults = [
            fault for fault in pool.map(lambda path: _fault(path, shortest, len(paths) <= DECODED), paths) if fault
        ]
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise SourceError(f"{faults[0]}{more}", "take it out of the folder, or replace it")


def _fault(path: Path, shortest: int, whole: bool) -> str:
    try:
        with Image.open(path) as image:
            if min(image.size) < shortest:
                return f"{path} is {image.width}x{image.height} pixels, smaller than the crop of {shortest}"
            if whole:
                image.load()
    except FileNotFoundError:
        return f"{path}: no such file"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return f"{path} cannot be read as a picture: {error}"
    return ""
