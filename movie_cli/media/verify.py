"""Reading a finished file back before it gets its name: the frames are counted, the first and the last one decoded."""

from __future__ import annotations

import math
from pathlib import Path

import av
import av.error

from movie_cli.errors import MovieError, OutputError
from movie_cli.media import webp
from movie_cli.media.opening import demuxed, open_source

REACH = (0.0, 12.0, math.inf)
"""Seconds before the last frame from which decoding is tried. Some formats only find their key frames by reading on."""


def check_written(path: Path, frames: int, size: tuple[int, int], name: Path) -> None:
    """Check the file at `path`, called `name` in the error.

    Raises:
        OutputError: it is not whole.
    """
    problem = ""
    try:
        problem = _problem(path, frames, size)
    except (av.error.FFmpegError, OSError, ValueError, MovieError) as error:
        problem = str(error)
    if problem:
        raise OutputError(
            f"{name} was written but is not whole: {problem}", "the disk may be full or failing; nothing was replaced"
        )


def _problem(path: Path, frames: int, size: tuple[int, int]) -> str:
    if webp.is_animated(path):
        return webp.problem(path, size)
    with open_source(path) as container:
        stream = container.streams.video[0]
        found, last = 0, None
        for packet in demuxed(container, stream):
            if packet.size:
                found += 1
                if packet.pts is not None:
                    last = packet.pts if last is None else max(last, packet.pts)
        if found != frames:
            return f"{found} frames instead of {frames}"
    with open_source(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        first = next(container.decode(stream), None)
        if first is None or (first.width, first.height) != size:
            return "its first frame does not decode at the right size"
    if frames > 1 and not any(_ends_well(path, last, seconds) for seconds in REACH):
        return "its last frame does not decode"
    return ""


def _ends_well(path: Path, last: int | None, seconds: float) -> bool:
    """Whether the last frame decodes when decoding starts that long before it (infinity: at the beginning)."""
    with open_source(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        if last is not None and math.isfinite(seconds):
            try:
                container.seek(last - int(seconds / (stream.time_base or 1)), stream=stream)
            except av.error.FFmpegError:
                return False
        final = None
        try:
            for frame in container.decode(stream):
                final = frame
        except av.error.FFmpegError:
            if math.isinf(seconds):
                raise
            return False  # it began in the middle of a group of pictures
        return final is not None and (final.pts is None or last is None or final.pts == last)
