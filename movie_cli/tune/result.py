"""Source and finished edit for the player that the page of `movie compare` has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from movie_cli.comparison.films import Film
from movie_cli.comparison.page import is_playable, player_film, write_copy
from movie_cli.errors import SourceError
from movie_cli.media import SourceInfo, probe
from movie_cli.media.scan import frame_times


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
