"""Text subtitles in another container's kind of text, at the same times."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from av.packet import Packet
from av.subtitles.stream import SubtitleStream

from movie_cli.media.copying import clipped

if TYPE_CHECKING:
    from av.container import OutputContainer

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
        self.broken = 0

    def take(self, packet: Packet[Any] | None) -> list[Packet[Any]]:
        """Decode one text and encode it as the output's kind."""
        kept = None if packet is None else clipped(packet, Fraction(0), self.stop)
        subtitle = None if kept is None else self.source.decode2(kept)
        if kept is None or subtitle is None:
            return []
        encoded = self.target.codec_context.encode_subtitle(subtitle)
        if not encoded.size:
            return []
        encoded.time_base = _MILLISECONDS
        encoded.pts = encoded.dts = round((kept.pts or 0) * kept.time_base / _MILLISECONDS)
        encoded.duration = round((kept.duration or 0) * kept.time_base / _MILLISECONDS)
        encoded.stream = self.target
        return [encoded]
