"""Frames as pictures that browsers show, and films for the player that the page of `movie compare` has."""

from __future__ import annotations

import dataclasses
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from movie_cli.backends import Pixels
from movie_cli.comparison.films import Film
from movie_cli.comparison.page import is_playable, player_film, write_copy
from movie_cli.errors import SourceError
from movie_cli.media import SourceInfo, probe
from movie_cli.media.timing import frame_times

VEIL = (230, 0, 126, 140)
"""Colour of the veil over a place, and its opacity where the edit is whole; of 255."""


@dataclass(frozen=True)
class Picture:
    """An encoded picture, what is to be said of it, and the place that its words name."""

    content: bytes
    kind: str
    advice: str = ""
    where: str = ""


def at_most(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """A size made smaller, if need be, until no side is over `longest`."""
    scale = min(1.0, longest / max(size))
    return round(size[0] * scale), round(size[1] * scale)


def png(pixels: Pixels) -> Picture:
    """Every pixel as it is; compressed little, as it goes no further than this machine."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG", compress_level=1)
    return Picture(stream.getvalue(), "image/png")


def jpeg(pixels: Pixels, size: tuple[int, int] | None = None) -> Picture:
    """A picture that need not be exact, of a size."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    if size is not None and size != picture.size:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=90)
    return Picture(stream.getvalue(), "image/jpeg")


def veil(mask: Pixels) -> Picture:
    """A mask `(h, w)` as a colour that lies over the frame, and how much of the frame it covers."""
    pixels = np.empty((*mask.shape, 4), np.uint8)
    pixels[:] = VEIL
    pixels[..., 3] = np.rint(mask * (VEIL[3] / 255))
    return dataclasses.replace(png(pixels), advice=f"{mask.mean() / 255:.0%} of the frame")


def player_films(source: Path, info: SourceInfo, output: Path, folder: Path) -> tuple[dict[str, Any], list[Path]]:
    """What the player is told, and the files that it plays as `film/0` and `film/1`.

    What browsers do not play is copied into `folder` first.

    Raises:
        SourceError: a film cannot be read.
        OutputError: a copy cannot be written.
    """
    films = [Film(source, source, "source", info, None), Film(output, output, "edited", probe(output), None)]
    every, files = [], []
    for number, film in enumerate(films):
        times, path = _times(film), film.path
        if not is_playable(film):
            path = folder / f"{number}.mp4"
            write_copy(path, film, None)
            times = [time - times[0] for time in times]
        files.append(path)
        every.append(times)
    count = min(map(len, every))
    shown = [player_film(film, f"film/{number}", every[number][:count]) for number, film in enumerate(films)]
    return {"films": shown, "frames": count, "aspect": info.video.presentation_size}, files


def _times(film: Film) -> list[float]:
    """When each frame is shown, in seconds as a player counts them."""
    video = film.info.video
    found = frame_times(film.local, film.info, None, None)
    if found is None:
        if not video.frames or not video.average_rate:
            raise SourceError(f"{film.path} does not tell when its frames are shown", "see it with `movie compare`")
        return [number / float(video.average_rate) for number in range(video.frames)]
    return [video.seconds(pts) for pts in found]
