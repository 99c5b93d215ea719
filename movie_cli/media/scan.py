"""When the frames of a source are shown, without decoding it.

Promises the timestamps that a reader will give, or None where the packets do not tell: then only decoding does.
"""

from __future__ import annotations

from pathlib import Path

import av
import av.error

from movie_cli.media.clock import Clock
from movie_cli.media.info import SourceInfo
from movie_cli.media.opening import open_source
from movie_cli.media.timing import Stamps, seconds_to_pts


def frame_times(path: Path, info: SourceInfo, start: float | None, end: float | None) -> list[int] | None:
    """Rising timestamps, in the video's time base, of the frames from `start` until before `end` (seconds).

    Raises:
        SourceError: the source cannot be opened.
    """
    video = info.video
    if video.stamps != "shown":
        return None
    even = Stamps(video).even
    times = []
    with open_source(path) as container:
        for stream in container.streams:
            if stream.index != video.index:
                stream.discard = av.stream.Discard.all
        try:
            for packet in map(Clock(info.splices), container.demux(container.streams[video.index])):
                if not packet.size or packet.is_discard:
                    continue
                if packet.pts is None or packet.is_corrupt:
                    return None
                times.append(even(packet.pts))
        except (av.error.FFmpegError, OSError, ValueError):
            return None
    times.sort()
    if len(set(times)) != len(times):
        return None
    if start is not None:
        first = video.origin + seconds_to_pts(start, video.time_base)
        times = [pts for pts in times if pts >= first]
    if end is not None:
        stop = video.origin + seconds_to_pts(end, video.time_base)
        times = [pts for pts in times if pts < stop]
    return times or None
