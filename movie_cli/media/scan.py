"""When the frames of a source are shown, and when the last one ends, from its packets alone."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import av.error

from movie_cli.media.clock import Clock
from movie_cli.media.info import SourceInfo
from movie_cli.media.opening import demuxed, only_stream, open_source
from movie_cli.media.timing import Stamps, seconds_to_pts

if TYPE_CHECKING:
    from av.container import InputContainer


_REORDERED = 64
"""More packets than come between one and another that is shown before it."""


def frame_times(
    path: Path, info: SourceInfo, start: float | None, end: float | None, most: int | None = None
) -> list[int] | None:
    """Rising timestamps, in the video's time base, of the frames from `start` until before `end` (seconds).

    With `most` only of the first so many of them.

    Raises:
        SourceError: the source cannot be opened.
    """
    video = info.video
    if video.stamps != "shown":
        return None
    even = Stamps(video).even
    first = video.start if start is None else video.origin + seconds_to_pts(start, video.time_base)
    times: list[int] = []
    count = 0
    with open_source(path) as container:
        try:
            for packet in map(Clock(info.splices), demuxed(container, only_stream(container, video.index))):
                if not packet.size or packet.is_discard:
                    continue
                if packet.pts is None or packet.is_corrupt:
                    return None
                times.append(even(packet.pts))
                count += times[-1] >= first
                if most is not None and count >= most + _REORDERED:
                    break
        except (av.error.FFmpegError, OSError, ValueError):
            return None
    times.sort()
    if len(set(times)) != len(times):
        return None
    times = [pts for pts in times if pts >= first]
    if end is not None:
        stop = video.origin + seconds_to_pts(end, video.time_base)
        times = [pts for pts in times if pts < stop]
    return times[:most] or None


def picture_end(container: InputContainer, index: int) -> Fraction | None:
    """When the last picture of video stream `index` ends, in seconds, by the packets after the last key frame.

    None where the file cannot be searched. The container is used up.
    """
    stream = only_stream(container, index)
    end = None
    with contextlib.suppress(av.error.FFmpegError, OSError, ValueError):
        container.seek(container.duration or 0)
        for packet in demuxed(container, stream):
            if packet.size and packet.pts is not None:
                this = (packet.pts + (packet.duration or 0)) * packet.time_base
                end = this if end is None else max(end, this)
    return end
