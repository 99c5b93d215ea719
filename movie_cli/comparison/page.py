"""A comparison as one HTML page that needs no network: players, a wipe, curves, recipes.

Promises that nothing a file or its metadata says can become markup or script: all of it is data, which the page shows
as text. Videos are linked beside the page or embedded in it; what browsers do not play gets a copy that they do.
"""

from __future__ import annotations

import base64
import html
import json
import math
import os
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

import movie_cli
from movie_cli.comparison.films import Curves, Film, compared_size, frame_seconds
from movie_cli.files import write_whole
from movie_cli.media import EncodeOptions, FrameReader, VideoWriter

PLAYABLE = {".mp4": {"h264", "av1", "vp9"}, ".m4v": {"h264"}, ".webm": {"vp8", "vp9", "av1"}}
"""Codecs that the usual browsers play, by the file's ending; 4:2:0 with 8 bits only."""
SOUNDS = {"aac", "mp3", "opus", "vorbis", "flac"}
"""Codecs of sound that they play."""
TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm"}
MOST_POINTS = 2000
"""Points a curve has at most: longer ones show the mean of neighbouring frames."""
COPY_SIDE, COPY_CRF = 1280, 18


def is_playable(film: Film) -> bool:
    """Whether the usual browsers play the file as it is."""
    video = film.info.video
    pictures = video.codec in PLAYABLE.get(film.path.suffix.lower(), set())
    return pictures and video.pix_fmt in {"yuv420p", "yuvj420p"} and _is_audible(film)


def _is_audible(film: Film) -> bool:
    """Whether nothing in the file's sound keeps browsers from playing it."""
    return all(stream.codec in SOUNDS for stream in film.info.audio)


def copies_folder(page: Path) -> Path:
    """Where copies for browsers go: a folder beside the page."""
    return page.with_name(page.stem + "-films")


def write_page(
    page: Path,
    films: Sequence[Film],
    curves: Curves,
    note: str,
    *,
    embed: bool,
    limit: float | None = None,
    replace: bool = True,
) -> list[str]:
    """Write the page, and copies of what browsers do not play; returns the labels of films that were copied.

    Raises:
        OutputError: it cannot be written.
        SourceError: a film cannot be read again.
    """
    shown, copied = [], []
    folder = copies_folder(page)
    for number, (film, times) in enumerate(zip(films, curves.times, strict=True)):
        path, own_times = film.path, times
        if not is_playable(film):
            path = folder / f"{number + 1}-{film.path.stem}.mp4"
            folder.mkdir(exist_ok=True)
            write_copy(path, film, limit)
            own_times = [time - times[0] for time in times]
            copied.append(film.label)
        source = _embedded(path) if embed else _link(path, page)
        if embed and path != film.path:
            path.unlink()
        shown.append(player_film(film, source, own_times))
    if embed and copied:
        folder.rmdir()
    aspect = films[0].info.video.presentation_size
    values = {
        "films": shown,
        "frames": len(curves.times[0]),
        "aspect": aspect,
        "charts": _charts(curves),
        "note": note,
        "facts": _facts(films),
    }
    write_whole(
        page,
        _filled(f"{films[0].label} against {', '.join(film.label for film in films[1:])}", values).encode(),
        replace=replace,
    )
    return copied


def player_film(film: Film, source: str, times: Sequence[float]) -> dict[str, Any]:
    """What `player.js` is told of a film: its address, and when its frames are shown, in seconds."""
    last = round(frame_seconds(film.info), 4)
    return {"label": film.label, "src": source, "times": _compact(times), "last": last}


def _filled(title: str, values: Mapping[str, Any]) -> str:
    """The page with its parts in place."""
    folder = resources.files("movie_cli.comparison")
    # Within a script element only "<" could end it; NaN is no JSON.
    data = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    parts = {
        "title": html.escape(title),
        "style": (folder / "page.css").read_text(encoding="utf-8"),
        "footer": html.escape(f"Made by movie {movie_cli.__version__}. Differences are of sRGB values from 0 to 1."),
        "data": data,
        "player": (folder / "player.html").read_text(encoding="utf-8"),
        # One module: a page that is opened as a file may not import another.
        "script": "\n".join((folder / name).read_text(encoding="utf-8") for name in ("player.js", "page.js")),
    }
    first, *rest = (folder / "page.html").read_text(encoding="utf-8").split("{{")
    # Split first, so that nothing that is put in is taken for a place to put something.
    pieces = [first]
    for piece in rest:
        name, _, after = piece.partition("}}")
        pieces += [parts[name], after]
    return "".join(pieces)


def _link(path: Path, page: Path) -> str:
    try:
        relative = os.path.relpath(path.resolve(), page.resolve().parent)
    except ValueError:  # another drive of Windows
        return path.resolve().as_uri()
    return quote(relative.replace(os.sep, "/"))


def _embedded(path: Path) -> str:
    kind = TYPES[path.suffix.lower()]
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def write_copy(path: Path, film: Film, limit: float | None) -> None:
    """Write what browsers play of a film, its first `limit` seconds.

    Raises:
        SourceError: the film cannot be read.
        OutputError: the copy cannot be written.
    """
    size = compared_size(film, COPY_SIDE)
    begin = float(film.info.video.begin) if film.start is None else film.start
    end = None if limit is None else begin + limit
    options = EncodeOptions(
        codec="libx264",
        crf=COPY_CRF,
        pix_fmt="yuv420p",
        audio="auto" if _is_audible(film) else "none",
        subtitles=False,
        metadata=False,
    )
    reader = FrameReader(film.local, start=film.start, end=end, info=film.info, also_size=size)
    with reader, VideoWriter(path, film.info, options, size=size, start=begin, end=end) as writer:
        for frame in reader:
            writer.write(frame.working, frame.pts, frame.duration)
        writer.commit()


def _compact(times: Sequence[float]) -> Any:
    """Times in seconds: begin and step where they are even, else a list to the tenth of a millisecond."""
    if len(times) > 1:
        step = (times[-1] - times[0]) / (len(times) - 1)
        if all(abs(time - times[0] - number * step) < 1.5e-3 for number, time in enumerate(times)):
            return {"begin": round(times[0], 6), "step": round(step, 8)}
    return [round(time, 4) for time in times]


def _charts(curves: Curves) -> list[dict[str, Any]]:
    charts = [
        {
            "title": "Difference",
            "note": "from the first film: mean absolute difference of pixel values, 0 to 1",
            "lines": [_line(film, row) for film, row in enumerate(curves.differences, 1)],
        }
    ]
    if any(len(row) > 1 for row in curves.warp_errors):
        charts.append(
            {
                "title": "Warp error",
                "note": "difference to the frame before, brought along by the first film's motion; lower is steadier",
                "lines": [_line(film, row) for film, row in enumerate(curves.warp_errors)],
            }
        )
    return charts


def _line(film: int, values: Sequence[float]) -> dict[str, Any]:
    known = [value for value in values if math.isfinite(value)]
    group = math.ceil(len(values) / MOST_POINTS)
    groups = [values[first : first + group] for first in range(0, len(values), group)] if group else []
    return {
        "film": film,
        "values": [_rounded(_mean([value for value in part if math.isfinite(value)])) for part in groups],
        "mean": _rounded(_mean(known)),
        "least": _rounded(min(known, default=math.nan)),
        "most": _rounded(max(known, default=math.nan)),
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _rounded(value: float) -> float | None:
    return float(f"{value:.4g}") if math.isfinite(value) else None


def _facts(films: Sequence[Film]) -> list[tuple[str, list[str]]]:
    """Rows of the table: what is in each file, then its recipe."""
    rows: list[tuple[str, list[str]]] = [
        ("Picture", ["{}x{}".format(*film.info.video.presentation_size) for film in films]),
        ("Video", [f"{film.info.video.codec}, {film.info.video.pix_fmt}" for film in films]),
        ("Frames a second", [_rate(film) for film in films]),
        ("Seconds", ["" if film.info.duration is None else f"{film.info.duration:.2f}" for film in films]),
        ("Megabytes", [f"{film.info.size_bytes / 1e6:.2f}" for film in films]),
    ]
    recipes = [film.recipe for film in films]
    if not any(recipes):
        return [*rows, ("Recipe", ["none in the file" for _ in films])]
    for name in ("instruction", "model", "text_scale", "image_scale", "seed", "steps", "anchors", "detail"):
        values = ["–" if recipe is None else str(_shown(getattr(recipe, name))) for recipe in recipes]
        rows.append((name.replace("_", " ").capitalize(), values))
    return rows


def _shown(value: Any) -> Any:
    if value is None:
        return "the model's own"
    return f"{value:g}" if isinstance(value, float) else value


def _rate(film: Film) -> str:
    rate = film.info.video.average_rate
    return "" if rate is None else f"{float(rate):.3f}".rstrip("0").rstrip(".")
