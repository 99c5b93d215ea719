"""Packets of other streams on their way into the output: as they are, or text in another container's kind of text.

A copied packet changes only where the part that is kept begins or ends in its middle: subtitles and plain samples are
then clipped. Packets that the muxer would refuse are counted and left out.

Packets of subtitles that are pictures, Blu-ray's (PGS), broadcasts' (DVB) and DVDs', mostly say when a picture comes,
and not for how long. Which are needed to show what is there at 0 is read from their first bytes: those from the last
that begins anew (an epoch, a page that needs none before it) on.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
from av.packet import Packet
from av.stream import Stream
from av.subtitles.stream import SubtitleStream

from movie_cli.media.containers import Container
from movie_cli.media.trial import Gate, add_copy

if TYPE_CHECKING:
    from av.container import OutputContainer

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


_SAMPLES = re.compile(r"pcm_(?:[usf](?P<bits>8|16|24|32|64)(?:le|be)?|alaw|mulaw)", re.ASCII)

_HAIR = Fraction(1, 1_000_000)

TEXT_SUBTITLES = {"mp4": "mov_text", "mov": "mov_text", "3gp": "mov_text", "webm": "webvtt", "matroska": "srt"}
TEXT_CODECS = {"subrip", "ass", "ssa", "mov_text", "webvtt", "text", "srt"}

_ASS_HEADER = (
    b"[Script Info]\r\nScriptType: v4.00+\r\n\r\n[V4+ Styles]\r\nFormat: Name, Fontname, Fontsize, PrimaryColour, "
    b"SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, "
    b"BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\r\nStyle: Default,Arial,16,&Hffffff,"
    b"&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1\r\n\r\n[Events]\r\nFormat: Layer, Start, End, Style, "
    b"Name, MarginL, MarginR, MarginV, Effect, Text\r\n"
)
"""The least style sheet that ffmpeg's text encoders accept."""

_MILLISECONDS = Fraction(1, 1000)


class CopyRoute:
    """One copied stream. Times count from the output's zero. `codec` is its own, where ffmpeg takes it for another.

    `lead` is how much of the first sound, in seconds, the output says is not heard, and so may lie before 0.
    `early` is the first instant in seconds that is kept, None for all; `stop` the instant at which the output ends.
    `refused` counts packets that the muxer would not take, `left` those before `early`, which may be lead-in.
    """

    broken = 0

    def __init__(
        self,
        source: Stream,
        output: OutputContainer,
        container: Container,
        *,
        codec: str | None = None,
        lead: Fraction = Fraction(0),
        cover: bool = False,
    ) -> None:
        self.source, self.lead, self.cover = source, lead, cover
        self.target = add_copy(output, source, codec)
        self.early: Fraction | None = None
        self.stop: Fraction | None = None
        self.refused = self.left = 0
        self._gate = Gate(container, source, codec=codec)
        self._last_dts: int | None = None
        self._counted = source.type == "audio" and container.counts_sound
        self._on_screen = OnScreen(source.codec_context.codec.canonical_name if source.type == "subtitle" else "")

    def take(self, packet: Packet[Any] | None) -> list[Packet[Any]]:
        """The packet, or what of it is kept."""
        if packet is None:
            self._gate.close()
            return []
        if self._on_screen.holds(packet):
            return []
        return [*(self.at_zero() if (packet.pts or 0) >= 0 else ()), *self._kept(packet)]

    def at_zero(self) -> list[Packet[Any]]:
        """What is on screen already when the output begins; to be called when all packets before 0 are taken."""
        return [kept for packet in self._on_screen.at_zero() for kept in self._kept(packet)]

    def _kept(self, packet: Packet[Any]) -> list[Packet[Any]]:
        if not self.cover:
            kept = self._cut(packet)
            if kept is None:
                self.left += 1
                return []
            packet = kept
            if self._counted and packet.dts is not None and self.target.time_base:
                # By whatever clock they come: two at one place would be refused.
                unit = packet.time_base / self.target.time_base
                packet.pts = packet.dts = round(packet.dts * unit)
                packet.duration = max(1, round((packet.duration or 0) * unit))
                packet.time_base = self.target.time_base
            if self._last_dts is not None and packet.dts is not None:
                if self.source.type == "audio" and not packet.duration:
                    # A last packet without a length would lie outside of what an edit list shows.
                    packet.duration = max(1, packet.dts - self._last_dts)
                if packet.dts <= self._last_dts:
                    packet.dts = self._last_dts + 1
                    packet.pts = max(packet.pts or 0, packet.dts)
        if not self._gate.takes(packet):
            self.refused += 1
            return []
        self._last_dts = packet.dts
        packet.stream = self.target
        return [packet]

    def _cut(self, packet: Packet[Any]) -> Packet[Any] | None:
        if self.source.type == "subtitle":
            return _clipped(packet, Fraction(0), self.stop)
        if isinstance(self.source, av.AudioStream) and self.early == 0:
            found = _SAMPLES.fullmatch(self.source.codec_context.codec.canonical_name)
            if found:
                return _cut_samples(packet, self.source, int(found["bits"] or 8) // 8, self.stop)
        begins = (packet.pts or 0) * packet.time_base
        return packet if self.early is None or begins >= self.early - max(_HAIR, packet.time_base / 2) else None


class TextRoute:
    """One stream of text subtitles on its way into another kind. Times count from the output's zero."""

    cover = False

    def __init__(self, source: SubtitleStream, output: OutputContainer, codec: str) -> None:
        target = output.add_stream(codec)
        assert isinstance(target, SubtitleStream)
        target.time_base = target.codec_context.time_base = _MILLISECONDS
        target.codec_context.subtitle_header = source.codec_context.subtitle_header or _ASS_HEADER
        self.source, self.target = source, target
        self.stop: Fraction | None = None
        self.broken = self.shortened = 0
        self._alone = codec == "mov_text"
        self._held: Packet[Any] | None = None

    def take(self, packet: Packet[Any] | None) -> list[Packet[Any]]:
        """Convert one text. Where texts cannot overlap, each is held until it is known when the next begins."""
        made = self._converted(packet)
        if not self._alone or (packet is not None and made is None):
            return [] if made is None else [made]
        ready, self._held = self._held, made
        if ready is None:
            return []
        if made is not None and (ready.pts or 0) + (ready.duration or 0) > (made.pts or 0):
            ready.duration = max(0, (made.pts or 0) - (ready.pts or 0))
            self.shortened += 1
        return [ready]

    def _converted(self, packet: Packet[Any] | None) -> Packet[Any] | None:
        """Decode one text and encode it as the output's kind."""
        kept = None if packet is None else _clipped(packet, Fraction(0), self.stop)
        subtitle = None if kept is None else self.source.decode2(kept)
        if kept is None or subtitle is None:
            return None
        encoded = self.target.codec_context.encode_subtitle(subtitle)
        if not encoded.size:
            return None
        encoded.time_base = _MILLISECONDS
        encoded.pts = encoded.dts = round((kept.pts or 0) * kept.time_base / _MILLISECONDS)
        encoded.duration = round((kept.duration or 0) * kept.time_base / _MILLISECONDS)
        encoded.stream = self.target
        return encoded


def _clipped(packet: Packet[Any], start: Fraction, stop: Fraction | None) -> Packet[Any] | None:
    """A packet that is shown for a while, from `start` on and until `stop` at most; None where nothing is left."""
    unit = packet.time_base
    begin, end = packet.pts or 0, (packet.pts or 0) + (packet.duration or 0)
    first = -((-start / unit).__floor__())
    if begin < first:
        if end <= first:
            return None
        begin = first
    if stop is not None and end > stop / unit:
        end = max(begin, (stop / unit).__floor__())
    if packet.duration:
        packet.duration = end - begin
    packet.pts = packet.dts = begin
    return packet


def _cut_samples(packet: Packet[Any], stream: av.AudioStream, width: int, stop: Fraction | None) -> Packet[Any] | None:
    """A packet of plain samples of `width` bytes, from 0 on and until `stop` at most."""
    rate, unit = stream.codec_context.sample_rate, packet.time_base
    width *= stream.codec_context.layout.nb_channels
    begins, count = (packet.pts or 0) * unit, packet.size // width
    first = max(0, -((begins * rate).__floor__()))
    last = count if stop is None else min(count, round((stop - begins) * rate))
    if first >= last:
        return None
    if (first, last) == (0, count):
        return packet
    piece: Packet[Any] = Packet(bytes(packet)[first * width : last * width])
    piece.stream, piece.time_base, piece.is_keyframe = stream, unit, True
    piece.pts = piece.dts = round((begins + Fraction(first, rate)) / unit)
    piece.duration = max(1, round(Fraction(last - first, rate) / unit))
    return piece
