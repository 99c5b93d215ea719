"""Closed captions (CEA-608 and CEA-708) in the pictures of a source, and how they get into those of an output.

The caption bytes of each frame go into the frame that is shown at the same time, from packet to packet without
decoding (ATSC A/53 part 4; ITU-T H.264 and H.265, user data registered by T.35).
"""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Iterator
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.packet import Packet

from movie_cli.media.clock import Clock
from movie_cli.media.info import SourceInfo
from movie_cli.media.opening import demuxed, only_stream, open_source

CARRIERS = frozenset({"h264", "hevc", "mpeg2video"})
"""Codecs, by ffmpeg's common names, into whose pictures captions are put."""

_REORDERED = 32
"""More packets than any stream stores before one that is shown earlier."""

_LEAD_IN = 1.0
"""Seconds before a part from which its packets are read, as some are stored before ones that are shown earlier."""

_MARK = b"GA94\x03"
_COUNTRY = b"\xb5\x00\x31"
_MOST = 31
"""Triplets that one picture may have."""


def captions_in(data: bytes) -> bytes:
    """The triplets (kind and two bytes each) in one packet, empty where there are none."""
    found = b""
    at = data.find(_MARK)
    while at >= 0:
        flags = data[at + 5] if at + 5 < len(data) else 0
        triplets = data[at + 7 : at + 7 + 3 * (flags & 0x1F)]
        # The upper five bits of each kind are set, so that no zeros in a row could pass for a start code.
        if flags & 0x40 and len(triplets) == 3 * (flags & 0x1F) and all(kind >= 0xF8 for kind in triplets[::3]):
            found += triplets
        at = data.find(_MARK, at + 1)
    return found


def with_captions(data: bytes, codec: str, triplets: bytes) -> bytes:
    """A packet of `codec` in start-code format with captions before its first slice."""
    triplets = triplets[: 3 * _MOST]
    text = _MARK + bytes([0x40 | len(triplets) // 3, 0xFF]) + triplets + b"\xff"
    if codec == "mpeg2video":
        unit = b"\0\0\1\xb2" + text
    else:
        header = b"\x06" if codec == "h264" else b"\x4e\x01"
        unit = b"\0\0\0\1" + header + bytes([4, len(_COUNTRY + text)]) + _COUNTRY + text + b"\x80"
    at = data.find(b"\0\0\1")
    while at >= 0 and at + 3 < len(data):
        if _is_slice(data[at + 3], codec):
            at -= data[at - 1 : at] == b"\0"
            return data[:at] + unit + data[at:]
        at = data.find(b"\0\0\1", at + 3)
    return data


def _is_slice(first: int, codec: str) -> bool:
    if codec == "mpeg2video":
        return 1 <= first <= 0xAF
    return first & 0x1F in {1, 5} if codec == "h264" else (first >> 1) & 0x3F < 32


def _packets(container: InputContainer, index: int) -> Iterator[Packet[Any]]:
    try:
        yield from demuxed(container, only_stream(container, index))
    except (av.error.FFmpegError, OSError, ValueError):
        return  # the reader of the pictures tells


def no_place(codec: str) -> str:
    """The sentence where an output's codec takes no captions."""
    return f"closed captions have no place in {codec} here and are left out (--codec h264 keeps them)"


class CaptionCopier:
    """Gives the frames of an output of `codec` the captions of the source's; reads it once, beside the writer.

    `start` is the first instant that is wanted, in seconds on the source's timeline, or None. `lost` says that captions
    were met for which the codec has no place.
    """

    def __init__(self, source: SourceInfo, codec: str, start: float | None) -> None:
        self.lost = False
        self._codec = codec
        self._source, self._start = source, start
        self._container: InputContainer | None = None
        self._packets: Iterator[Packet[Any]] = iter(())
        self._origin = source.video.origin * source.video.time_base
        self._half = float(1 / source.video.average_rate) / 2 if source.video.average_rate else 0.01
        self._read: list[tuple[float, bytes]] = []
        self._begun = False
        self._waiting: dict[int, bytes] = {}

    def _open(self) -> InputContainer:
        """Open the source: with the first frame, as an output may only be tried, and opening decodes a picture."""
        source, start = self._source, self._start
        container = open_source(source.path)
        self._packets = map(Clock(source.splices), _packets(container, source.video.index))
        if start is not None and not source.splices:
            with contextlib.suppress(av.error.FFmpegError):
                container.seek(int((float(self._origin) + max(0.0, start - _LEAD_IN)) * av.time_base))
        return container

    def meet(self, pts: int, time: float) -> None:
        """A frame comes that will be the packet of `pts`, and is shown at `time`, seconds on the source's timeline."""
        if self._container is None:
            self._container = self._open()
        until = time + self._half
        while sum(shown > until for shown, _ in self._read) < _REORDERED:
            packet = next(self._packets, None)
            if packet is None:
                break
            if packet.size and packet.pts is not None:
                shown = float(packet.pts * packet.time_base - self._origin)
                heapq.heappush(self._read, (shown, captions_in(bytes(packet))))
        found = b""
        while self._read and self._read[0][0] <= until:
            shown, triplets = heapq.heappop(self._read)
            # What comes before the first frame belongs to frames that are cut off.
            if self._begun or shown > time - self._half:
                found += triplets
        self._begun = True
        if found and self._codec in CARRIERS:
            self._waiting[pts] = found
        self.lost = self.lost or (bool(found) and self._codec not in CARRIERS)

    def put_into(self, packet: Packet[Any]) -> Packet[Any]:
        """The packet with the captions of its frame."""
        triplets = self._waiting.pop(packet.pts, b"") if packet.pts is not None else b""
        if not triplets:
            return packet
        made: Packet[Any] = Packet(with_captions(bytes(packet), self._codec, triplets))
        made.pts, made.dts, made.duration, made.time_base = packet.pts, packet.dts, packet.duration, packet.time_base
        made.is_keyframe, made.stream = packet.is_keyframe, packet.stream
        return made

    def close(self) -> None:
        """Let go of the source."""
        if self._container is not None:
            self._container.close()
