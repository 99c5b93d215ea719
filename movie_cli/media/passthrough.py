"""Everything beside the edited video, carried over as it is: sound, subtitles, cover pictures, attached files.

Promises packets copied byte for byte by a second reader of the source that keeps step with the video, so that
nothing is held in memory; a stream that the container refuses is converted (text subtitles) or left out, and either
way a sentence says so. Knows nothing of the video's pixels.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import av.error
from av.packet import Packet
from av.stream import AttachmentStream, Stream
from av.subtitles.stream import SubtitleStream

from movie_cli.media.clock import Clock
from movie_cli.media.containers import Container, EncodeOptions
from movie_cli.media.info import SourceInfo
from movie_cli.media.opening import is_cover, open_source
from movie_cli.media.tags import stream_tags

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.codec.context import CodecContext
    from av.container import InputContainer, OutputContainer

_TEXT_SUBTITLES = {"mp4": "mov_text", "mov": "mov_text", "3gp": "mov_text", "webm": "webvtt", "matroska": "srt"}
_TEXT_CODECS = {"subrip", "ass", "ssa", "mov_text", "webvtt", "text", "srt"}


@dataclass
class _Route:
    """One copied stream: where it comes from, where it goes, and the last decoding time written."""

    source: Stream
    target: Stream
    convert: bool = False
    cover: bool = False
    last_dts: int | None = None


class StreamCopier:
    """Copies the other streams of a source into an output that is being written.

    Args:
        source: What `probe` said of the source.
        options: Which kinds are wanted.
        container: The output's kind.
        start: First instant kept, in seconds on the source's timeline, or None.
        end: Instant from which on nothing is kept, or None.
        covers: Whether there is room for a cover picture.

    `messages` grows by a sentence for each stream that is not carried over as it is.
    """

    def __init__(
        self,
        source: SourceInfo,
        options: EncodeOptions,
        container: Container,
        start: float | None,
        end: float | None,
        *,
        covers: bool = True,
    ) -> None:
        self.messages: list[str] = []
        self._info = source
        self._options = options
        self._muxer = container.muxer
        self._target = container
        self._covers = covers
        self._early = 0
        self._refused = 0
        self._start = start
        self._end = end
        self._container: InputContainer = open_source(source.path)
        self._routes: dict[int, _Route] = {}
        self._packets: Iterator[Packet[Stream]] = iter(())
        self._waiting: Packet[Stream] | None = None
        self._moved = 0
        self._origin = Fraction(source.video.origin) * source.video.time_base
        self._shift = self._origin

    def close(self) -> None:
        """Let go of the source."""
        self._container.close()

    def add_streams(self, output: OutputContainer) -> None:
        """Make the output's streams. Call it after the video's stream is added and before anything is written."""
        for stream in self._container.streams:
            if stream.index == self._info.video.index:
                stream.discard = av.stream.Discard.all
                continue
            route = self._route(stream, output)
            if route is None:
                if stream.type != "attachment":
                    stream.discard = av.stream.Discard.all
                continue
            self._routes[stream.index] = route

    def begin(self, keep_times: bool, first: float) -> None:
        """Start reading. `first` is the first video frame's time in seconds on the source's timeline.

        With `keep_times` the copied packets stay where they are, else `first` becomes their zero as it is the video's.
        """
        if not keep_times:
            self._shift = self._origin + Fraction(first).limit_denominator(1_000_000_000)
        wanted = [route.source for route in self._routes.values()]
        if not wanted:
            return
        # Times of a joined clock cannot be sought.
        sought = self._start is not None and not self._info.splices
        if sought and not any(route.cover for route in self._routes.values()):
            before = int((float(self._origin) + max(0.0, first - 1.0)) * av.time_base)
            try:
                self._container.seek(before)
            except av.error.FFmpegError as error:
                self.messages.append(f"sound is read from the beginning because the source cannot be searched: {error}")
        self._packets = map(Clock(self._info.splices), self._container.demux(wanted))
        self._waiting = self._next()

    def advance(self, until: float, output: OutputContainer) -> None:
        """Write all waiting packets that start before `until` (seconds on the source's timeline)."""
        while self._waiting is not None and self._time(self._waiting) < until:
            packet, self._waiting = self._waiting, None
            self._write(packet, output)
            self._waiting = self._next()

    def mux(self, packet: Packet[Stream], output: OutputContainer) -> None:
        """Hand a packet to the muxer, and count the copied ones that it refuses.

        Muxers look into the packets of some codecs, and complain of a damaged one when it is its turn to be written,
        which may be while another stream's is handed over. Whether the video is whole is checked at the end.
        """
        try:
            output.mux_one(packet)
        except (av.error.ArgumentError, av.error.InvalidDataError):
            if not self._routes:
                raise
            self._refused += 1

    def _next(self) -> Packet[Stream] | None:
        while True:
            try:
                packet = next(self._packets, None)
            except (av.error.FFmpegError, OSError) as error:
                self.messages.append(f"the other streams break off early: {getattr(error, 'strerror', error)}")
                return None
            if packet is None:
                self._tell_left_out()
                return None
            if packet.size and self._timed(packet) and self._wanted(packet):
                return packet

    def _timed(self, packet: Packet[Stream]) -> bool:
        """Whether it has a time. A cover picture needs none and gets 0."""
        if self._routes[packet.stream.index].cover:
            packet.pts = packet.dts = 0
        return packet.pts is not None or packet.dts is not None

    def _wanted(self, packet: Packet[Stream]) -> bool:
        if self._routes[packet.stream.index].cover:
            return True
        time = self._time(packet)
        if self._end is not None and time >= self._end:
            return False
        if time < -1e-9 and self._start is None and not self._target.negative_times:
            self._early += 1
            return False
        return self._start is None or time >= float(self._shift - self._origin) - 1e-9

    def _tell_left_out(self) -> None:
        if self._refused:
            what = "1 damaged packet" if self._refused == 1 else f"{self._refused} damaged packets"
            self.messages.append(f"{what} of the other streams cannot be kept in {self._muxer}")
            self._refused = 0
        if self._early:
            what = "1 packet" if self._early == 1 else f"{self._early} packets"
            self.messages.append(
                f"{what} of sound before 0 s, an encoder's lead-in that is not heard, cannot be kept here"
            )
            self._early = 0

    def _time(self, packet: Packet[Stream]) -> float:
        stamp = packet.pts if packet.pts is not None else packet.dts
        return float((stamp or 0) * packet.time_base - self._origin)

    def _write(self, packet: Packet[Stream], output: OutputContainer) -> None:
        route = self._routes[packet.stream.index]
        if route.convert:
            converted = _convert(route, packet)
            if converted is None:
                return
            packet = converted
        shift = round(self._shift / packet.time_base)
        if packet.dts is None:
            packet.dts = packet.pts
        if shift and not route.cover:
            packet.pts = packet.pts - shift if packet.pts is not None else None
            packet.dts = packet.dts - shift if packet.dts is not None else None
        if route.last_dts is not None and packet.dts is not None and packet.dts <= route.last_dts:
            packet.dts = route.last_dts + 1
            if packet.pts is not None and packet.pts < packet.dts:
                packet.pts = packet.dts
        route.last_dts = packet.dts
        packet.stream = route.target
        self.mux(packet, output)

    def _route(self, stream: Stream, output: OutputContainer) -> _Route | None:
        cover = isinstance(stream, av.VideoStream) and is_cover(stream)
        label = _label(stream, cover)
        refusal = self._refusal(stream, cover)
        if not self._asked_for(stream, cover) or refusal is not None:
            if refusal:
                self.messages.append(f"{label} is left out{refusal}")
            return None
        if cover and self._muxer == "matroska":
            # As an attached file: what Matroska has for covers, and it takes any picture format.
            self._attach_cover(stream, output)
            return None
        if self._accepts(stream):
            target = output.add_stream_from_template(stream, opaque=True)
            self._describe(stream, target)
            return _Route(stream, target, cover=cover) if not isinstance(stream, AttachmentStream) else None
        text = _TEXT_SUBTITLES.get(self._muxer)
        if isinstance(stream, SubtitleStream) and text and _codec_name(stream) in _TEXT_CODECS:
            converted = _add_text_stream(output, text, stream)
            self._describe(stream, converted)
            self.messages.append(f"{label} is converted to {text}, because {self._muxer} does not hold it")
            return _Route(stream, converted, convert=True)
        self.messages.append(f"{label} is left out, because {self._muxer} does not hold it (.mkv holds most)")
        return None

    def _refusal(self, stream: Stream, cover: bool) -> str | None:
        """Why a stream is not even tried; empty where nobody need be told; None where it is tried."""
        if stream.type == "data" and self._info.chapters:
            return ""
        if stream.type == "data" or (stream.type == "video" and not cover):
            return ": only one video stream, sound and subtitles are kept"
        if cover and not self._covers:
            return f": an {self._muxer} file holds either it or freely named tags such as the recipe"
        return None

    def _asked_for(self, stream: Stream, cover: bool) -> bool:
        if stream.type == "audio":
            return self._options.audio
        if stream.type in {"subtitle", "attachment"}:
            return self._options.subtitles
        return self._options.metadata or not cover

    def _has_sound(self) -> bool:
        return any(route.source.type == "audio" for route in self._routes.values())

    def _attach_cover(self, stream: Stream, output: OutputContainer) -> None:
        with open_source(self._info.path) as container:
            packet = next(iter(container.demux(container.streams[stream.index])), None)
        codec = {"mjpeg": "jpeg"}.get(_codec_name(stream) or "", _codec_name(stream) or "octet-stream")
        if packet is not None and packet.size:
            name = stream.metadata.get("filename", f"cover.{codec.replace('jpeg', 'jpg')}")
            output.add_attachment(name, stream.metadata.get("mimetype", f"image/{codec}"), bytes(packet))

    def _describe(self, stream: Stream, target: Stream) -> None:
        label = _label(stream, isinstance(stream, av.VideoStream) and is_cover(stream))
        tags, lost = stream_tags(stream.metadata, self._muxer, label)
        target.metadata.update(tags)
        self.messages.extend(lost)
        target.disposition = stream.disposition

    def _accepts(self, stream: Stream) -> bool:
        """Whether the container takes this stream: try it on a header in memory."""
        codec = _codec_name(stream)
        if codec is None and stream.type != "attachment":
            return False
        if self._target.beside is not None and codec not in self._target.beside:
            return False
        if self._target.one_sound and stream.type == "audio" and self._has_sound():
            return False
        trial = av.open(io.BytesIO(), "w", format=self._muxer)
        try:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
        except (av.error.FFmpegError, ValueError, LookupError):
            return False
        finally:
            with contextlib.suppress(av.error.FFmpegError, ValueError):
                trial.close()
        return True


_ASS_HEADER = (
    b"[Script Info]\r\nScriptType: v4.00+\r\n\r\n[V4+ Styles]\r\nFormat: Name, Fontname, Fontsize, PrimaryColour, "
    b"SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, "
    b"BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\r\nStyle: Default,Arial,16,&Hffffff,"
    b"&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1\r\n\r\n[Events]\r\nFormat: Layer, Start, End, Style, "
    b"Name, MarginL, MarginR, MarginV, Effect, Text\r\n"
)
"""The least style sheet that ffmpeg's text encoders accept."""


def _convert(route: _Route, packet: Packet[Stream]) -> Packet[Stream] | None:
    """Decode one text subtitle and encode it as the output's kind, at the same time."""
    assert isinstance(route.source, SubtitleStream)
    assert isinstance(route.target, SubtitleStream)
    subtitle = route.source.decode2(packet)
    if subtitle is None:
        return None
    encoded = route.target.codec_context.encode_subtitle(subtitle)
    if not encoded.size:
        return None
    milliseconds = Fraction(1, 1000)
    stamp = packet.pts if packet.pts is not None else packet.dts
    encoded.time_base = milliseconds
    encoded.pts = encoded.dts = round((stamp or 0) * packet.time_base / milliseconds)
    encoded.duration = round((packet.duration or 0) * packet.time_base / milliseconds)
    return encoded


def _codec_name(stream: Stream) -> str | None:
    """The codec's common name, None where this ffmpeg has no decoder for it."""
    context: CodecContext | None = stream.codec_context
    return context.codec.canonical_name if context is not None else None


def _add_text_stream(output: OutputContainer, codec: str, source: SubtitleStream) -> SubtitleStream:
    stream = output.add_stream(codec)
    assert isinstance(stream, SubtitleStream)
    stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
    stream.codec_context.subtitle_header = source.codec_context.subtitle_header or _ASS_HEADER
    return stream


def _label(stream: Stream, cover: bool) -> str:
    codec = _codec_name(stream) or getattr(stream, "name", None) or "unknown codec"
    kind = "the cover picture" if cover else f"{stream.type} stream"
    language = f", {stream.language}" if stream.language and stream.language != "und" else ""
    return f"{kind} {stream.index} ({codec}{language})"
