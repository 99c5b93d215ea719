"""Subtitles that are pictures: Blu-ray's (PGS), broadcasts' (DVB) and DVDs'. What is on screen at an instant.

Their packets mostly say when a picture comes, and not for how long. Which are needed to show what is there at 0 is
read from their first bytes: those from the last that begins anew (an epoch, a page that needs none before it) on.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from av.packet import Packet

_Page = tuple[bool, bool, Fraction | None]
"""Whether a page needs none before it, whether it shows anything, and for how many seconds; None until the next."""

_ARGUMENTS = {0: 0, 1: 0, 2: 0, 3: 2, 4: 2, 5: 6, 6: 4}
"""Bytes after the commands of a DVD's picture."""


def _blu_ray(data: bytes) -> _Page | None:
    for kind, body in _segments(data, ">BH"):
        if kind == 0x16:
            return body[7] != 0, body[10] != 0, None
    return None


def _broadcast(data: bytes) -> _Page | None:
    for kind, body in _segments(data, ">xB2xH"):
        if kind == 0x10:
            return body[1] & 0x0C != 0, len(body) >= 8, Fraction(body[0])
    return None


def _segments(data: bytes, header: str) -> Iterator[tuple[int, bytes]]:
    at, size = 0, struct.calcsize(header)
    while at + size <= len(data):
        kind, length = struct.unpack_from(header, data, at)
        yield kind, data[at + size : at + size + length]
        at += size + length


def _dvd(data: bytes) -> _Page | None:
    (at,) = struct.unpack_from(">H", data, 2)
    while True:
        date, following = struct.unpack_from(">HH", data, at)
        place = at + 4
        while (command := data[place]) in _ARGUMENTS:
            if command == 2:
                return True, True, Fraction(date * 1024, 90000)
            place += 1 + _ARGUMENTS[command]
        if following <= at:
            return True, True, None
        at = following


_PAGES: dict[str, Callable[[bytes], _Page | None]] = {
    "hdmv_pgs_subtitle": _blu_ray,
    "dvb_subtitle": _broadcast,
    "dvd_subtitle": _dvd,
}


class OnScreen:
    """The packets before 0 of a stream of bitmap subtitles that show what is on screen at 0."""

    def __init__(self, codec: str) -> None:
        self._page = _PAGES.get(codec)
        self._held: list[Packet[Any]] = []
        self._shows = False
        self._until: Fraction | None = None

    def holds(self, packet: Packet[Any]) -> bool:
        """Whether a packet is kept until it is known that 0 comes; not one that says how long it is shown."""
        if self._page is None or packet.duration or (packet.pts or 0) >= 0:
            return False
        try:
            page = self._page(bytes(packet))
        except (struct.error, IndexError):
            return False  # damaged
        if page is not None:
            fresh, self._shows, shown = page
            self._until = None if shown is None else (packet.pts or 0) * packet.time_base + shown
            if fresh:
                self._held.clear()
        self._held.append(packet)
        return True

    def at_zero(self) -> list[Packet[Any]]:
        """The packets to show at 0, with their times moved there; they are given once."""
        held, self._held = self._held, []
        if not self._shows or (self._until is not None and self._until <= 0):
            return []
        for packet in held:
            packet.pts = packet.dts = 0
            if self._until is not None:
                packet.duration = max(1, round(self._until / packet.time_base))
        return held
