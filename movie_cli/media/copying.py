"""Streams that are copied: packets as they are, at their times, cut to the part that is kept.

Promises that a packet is changed only where the part begins or ends in its middle: subtitles and plain samples are
then clipped. Packets that the muxer would refuse are counted and left out.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
from av.packet import Packet
from av.stream import Stream

from movie_cli.media.containers import Container
from movie_cli.media.trial import Gate, add_copy

if TYPE_CHECKING:
    from av.container import OutputContainer

_SAMPLES = re.compile(r"pcm_(?:[usf](?P<bits>8|16|24|32|64)(?:le|be)?|alaw|mulaw)", re.ASCII)

_HAIR = Fraction(1, 1_000_000)


class CopyRoute:
    """One copied stream. Times count from the output's zero.

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
        lead: Fraction = Fraction(0),
        cover: bool = False,
    ) -> None:
        self.source, self.lead, self.cover = source, lead, cover
        self.target = add_copy(output, source)
        self.early: Fraction | None = None
        self.stop: Fraction | None = None
        self.refused = self.left = 0
        self._gate = Gate(container, source)
        self._last_dts: int | None = None

    def take(self, packet: Packet[Any] | None) -> list[Packet[Any]]:
        """The packet, or what of it is kept."""
        if packet is None:
            self._gate.close()
            return []
        if not self.cover:
            kept = self._cut(packet)
            if kept is None:
                self.left += 1
                return []
            packet = kept
            if self._last_dts is not None and packet.dts is not None and packet.dts <= self._last_dts:
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
            return clipped(packet, Fraction(0), self.stop)
        if isinstance(self.source, av.AudioStream) and self.early == 0:
            found = _SAMPLES.fullmatch(self.source.codec_context.codec.canonical_name)
            if found:
                return _cut_samples(packet, self.source, int(found["bits"] or 8) // 8, self.stop)
        begins = (packet.pts or 0) * packet.time_base
        return packet if self.early is None or begins >= self.early - max(_HAIR, packet.time_base / 2) else None


def clipped(packet: Packet[Any], start: Fraction, stop: Fraction | None) -> Packet[Any] | None:
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
