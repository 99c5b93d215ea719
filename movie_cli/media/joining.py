"""Segments put together: packets that were encoded apart become those of one stream, without being decoded.

Promises rising decoding times, and that frames of a stream that counts them never meet at the border of two segments.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.video.stream import VideoStream

from movie_cli.errors import OutputError
from movie_cli.media.segments import MOST_WAITING, PacketEntry, Segment, joined_decoding_times


class Joiner:
    """Makes the packets of `stream`, whose output begins at `zero`, counted from the source's origin in `time_base`."""

    def __init__(self, stream: VideoStream, time_base: Fraction, zero: int) -> None:
        self._stream = stream
        self._time_base = time_base
        self._zero = zero
        self._shown: list[int] = []

    def places(self, segment: Segment) -> list[int]:
        """When the frames of the next segment are shown in the output, rising."""
        shown = sorted(packet.pts for packet in segment.packets)
        # Where frames are counted, not timed, one may begin where its neighbour ends.
        moved = max(0, self._shown[-1] + 1 - (shown[0] - self._zero)) if self._shown else 0
        return [pts - self._zero + moved for pts in shown]

    def packets(self, segment: Segment, path: Path) -> Iterator[tuple[PacketEntry, av.Packet[Any]]]:
        """The packets of the next segment, out of its file, and what they were.

        Raises:
            OSError: the file cannot be read.
            OutputError: it is cut off.
        """
        places = self.places(segment)
        moved = places[0] - min(packet.pts for packet in segment.packets)
        times = joined_decoding_times(segment.packets, [pts - moved for pts in self._shown])
        with path.open("rb") as file:
            for entry, dts in zip(segment.packets, times, strict=True):
                data = file.read(entry.size)
                if len(data) != entry.size:
                    raise OutputError(f"{path} is cut off", "-y starts the edit from the beginning")
                packet: av.Packet[Any] = av.Packet(data)
                packet.pts, packet.dts, packet.duration = entry.pts + moved, dts + moved, entry.duration
                packet.is_keyframe, packet.time_base, packet.stream = entry.keyframe, self._time_base, self._stream
                yield entry, packet
        self._shown = (self._shown + places)[-MOST_WAITING:]
