"""Everything beside the edited video, carried over: sound, subtitles, data, cover pictures, attached files.

A second reader of the source keeps step with the video, so that nothing is held in memory. Whatever is wrong with
another stream never costs the picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import av.error
from av.packet import Packet
from av.stream import Stream

from movie_cli.errors import reason_of
from movie_cli.media.clock import Clock
from movie_cli.media.copying import CopyRoute, TextRoute
from movie_cli.media.info import SourceInfo
from movie_cli.media.opening import demuxed, open_source
from movie_cli.media.routes import Route, Routes, label_of
from movie_cli.media.trial import REFUSALS

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

_LEAD_IN = 1.0
_SUBTITLE_REACH = 30.0
"""Seconds before a part's begin from which sound and subtitles are read, which may reach into it."""

_COARSE, _FINE = Fraction(1, 1000), Fraction(1, 90000)
"""Units of time in seconds: those above the first are divided before anything moves, to those of the second."""
_LARGEST = 2**31 - 1
"""The largest denominator that ffmpeg's units of time have."""


class StreamCopier:
    """Carries the other streams of a source into an output that is being written.

    Args:
        source: What `probe` said of the source.
        routes: What is to become of each stream.
        start: First instant kept, in seconds on the source's timeline, or None.
        end: Instant from which on nothing is kept, or None.
        checked: Whether the video's packets are counted when all is written: nobody counts those in a pipe.

    `messages` grows by a sentence for each loss on the way.
    """

    def __init__(
        self, source: SourceInfo, routes: Routes, start: float | None, end: float | None, *, checked: bool = True
    ) -> None:
        self.messages: list[str] = []
        self._choice = routes
        self._target = routes.container
        self._checked = checked
        self._start = start
        self._end = end
        self._container: InputContainer = open_source(source.path)
        self._routes: dict[int, Route] = {}
        self._ended: dict[int, str] = {}
        self._packets: Iterator[Packet[Stream]] = iter(())
        self._waiting: Packet[Stream] | None = None
        self._refused = 0
        self._origin = Fraction(source.video.origin) * source.video.time_base
        self._zero = Fraction(0)
        self._splices, self._video = source.splices, source.video.index
        self._length, self._picture_end = source.length, source.picture_end

    def close(self) -> None:
        """Let go of the source."""
        self._container.close()

    def add_streams(self, output: OutputContainer) -> None:
        """Make the output's streams. Call it after the video's stream is added and before anything is written.

        Raises:
            OutputError: sound is to be copied, and the container does not hold it.
        """
        self._choice.make(self._container, output)
        self._routes = self._choice.made

    def begin(self, keep_times: bool, first: float) -> None:
        """Start reading. `first` is what becomes 0, in seconds on the source's timeline, as it is the video's zero.

        With `keep_times` that is the source's own zero, or nearly so, and what comes before it may be kept.
        """
        self._zero = Fraction(first).limit_denominator(1_000_000_000)
        if not self._routes:
            return
        for route in self._routes.values():
            route.stop = None if self._end is None else Fraction(self._end) - self._zero
            if isinstance(route, CopyRoute) and not (keep_times and self._target.negative_times):
                route.early = -route.lead
        # Times of a joined clock cannot be sought.
        sought = self._start is not None and not self._splices
        if sought and not any(route.cover for route in self._routes.values()):
            texts = any(route.source.type == "subtitle" for route in self._routes.values())
            before = first - (_SUBTITLE_REACH if texts else _LEAD_IN)
            # By the picture: a stream that begins later than others would take the beginning of these with it.
            video = self._container.streams[self._video]
            assert video.time_base is not None
            wanted, video.discard = video.discard, av.stream.Discard.default
            try:
                if before > 0:
                    self._container.seek(int((float(self._origin) + before) / video.time_base), stream=video)
            except av.error.FFmpegError as error:
                self.messages.append(f"sound is read from the beginning because the source cannot be searched: {error}")
            finally:
                video.discard = wanted
        packets = demuxed(self._container, [route.source for route in self._routes.values()])
        self._packets = map(Clock(self._splices), packets)
        self._waiting = self._next()

    def advance(self, until: float, output: OutputContainer) -> None:
        """Write all waiting packets that start before `until` (seconds on the source's timeline)."""
        limit = until - float(self._zero)
        while self._waiting is not None and _time(self._waiting) < limit:
            packet, self._waiting = self._waiting, None
            self._write(packet.stream.index, packet, output)
            self._waiting = self._next()
        if limit > 0:
            for route in self._routes.values():
                if isinstance(route, CopyRoute):
                    self._mux(route.at_zero(), output)

    def finish(self, output: OutputContainer) -> None:
        """Write what decoders and encoders still hold, and say what was lost."""
        for index in self._routes:
            self._write(index, None, output)
        self._tell_losses()

    def _write(self, index: int, packet: Packet[Any] | None, output: OutputContainer) -> None:
        if index in self._ended:
            return
        route = self._routes[index]
        try:
            made = route.take(packet)
        except REFUSALS as error:
            # Whatever an odd stream makes a decoder or encoder do, the picture goes on.
            self._ended[index] = reason_of(error)
            return
        self._mux(made, output)

    def _mux(self, made: list[Packet[Any]], output: OutputContainer) -> None:
        for each in made:
            try:
                output.mux_one(each)
            except (av.error.ArgumentError, av.error.InvalidDataError):
                # Each was tried, so this may be of a packet of the video that waited for its turn.
                if not self._checked:
                    raise
                self._refused += 1

    def _next(self) -> Packet[Stream] | None:
        while True:
            try:
                packet = next(self._packets, None)
            except (av.error.FFmpegError, OSError) as error:
                self.messages.append(f"the other streams break off early: {reason_of(error)}")
                return None
            if packet is None:
                return None
            if not packet.size or packet.stream.index in self._ended or not self._place(packet):
                continue
            stop = self._routes[packet.stream.index].stop
            if stop is None or _time(packet) < stop:
                return packet

    def _place(self, packet: Packet[Stream]) -> bool:
        """Put a packet's times on the output's timeline, the only place where they move; whether it has any."""
        if self._routes[packet.stream.index].cover:
            packet.pts = packet.dts = 0
            return True
        pts, dts = packet.pts, packet.dts
        if pts is None and dts is None:
            return False
        if packet.time_base > _COARSE and ((self._origin + self._zero) / packet.time_base).denominator != 1:
            # AVI counts sound in blocks, between which a part may begin.
            finer = math.ceil(packet.time_base / _FINE)
            if (packet.time_base / finer).denominator <= _LARGEST:
                packet.time_base /= finer
                packet.duration = (packet.duration or 0) * finer
                pts, dts = (None if time is None else time * finer for time in (pts, dts))
        moved = round((self._origin + self._zero) / packet.time_base)
        packet.pts = (pts if pts is not None else dts or 0) - moved
        packet.dts = packet.pts if dts is None else dts - moved
        seconds = float((packet.duration or 0) * packet.time_base)
        if packet.stream.type == "subtitle" and self._length and self._picture_end and seconds > self._length:
            # One without an end stays until the film's.
            left = max(1, int((self._picture_end - float(self._zero)) / packet.time_base) - packet.pts)
            packet.duration = min(packet.duration or left, left)
        return True

    def _tell_losses(self) -> None:
        for index, route in self._routes.items():
            label = label_of(route.source)
            refused = route.refused if isinstance(route, CopyRoute) else 0
            if refused:
                self.messages.append(
                    f"{_packets(refused, 'damaged ')} of {label} cannot be kept in {self._target.muxer}"
                )
            if route.broken:
                self.messages.append(
                    f"{_packets(route.broken, 'damaged ')} of {label} cannot be decoded; they are silent"
                )
            if isinstance(route, TextRoute) and route.shortened:
                texts = "1 text" if route.shortened == 1 else f"{route.shortened} texts"
                self.messages.append(f"{texts} of {label} end where the next begins: mov_text shows one at a time")
            if isinstance(route, CopyRoute) and route.left and self._start is None:
                self.messages.append(
                    f"{_packets(route.left)} of {label} before 0 s, an encoder's lead-in that is not heard, cannot be "
                    f"kept in {self._target.muxer}"
                )
            if index in self._ended:
                self.messages.append(f"{label} breaks off: {self._ended[index]}")
        if self._refused:
            self.messages.append(f"{_packets(self._refused, 'damaged ')} of the other streams cannot be kept")


def _time(packet: Packet[Any]) -> float:
    return float((packet.pts or 0) * packet.time_base)


def _packets(count: int, kind: str = "") -> str:
    return f"1 {kind}packet" if count == 1 else f"{count} {kind}packets"
