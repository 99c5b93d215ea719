"""What becomes of each stream beside the edited video: copied, converted or left out.

A stream is copied where container and players take it, which is tried with its own packets; a sentence tells of each
that is not. Nothing that is wrong with one is an error, unless `--audio copy` makes it one.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import av.error
from av.packet import Packet
from av.stream import AttachmentStream, Stream
from av.subtitles.stream import SubtitleStream

from movie_cli.errors import OutputError, reason_of
from movie_cli.media.containers import Container, kept_tags, stream_tags
from movie_cli.media.copying import TEXT_CODECS, TEXT_SUBTITLES, CopyRoute, TextRoute
from movie_cli.media.info import SourceInfo
from movie_cli.media.opening import is_cover, open_source
from movie_cli.media.sound import SoundRoute, plan_sound
from movie_cli.media.trial import REFUSALS, add_copy, codec_name, first_packets, try_copy
from movie_cli.options import EncodeOptions

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

Route = CopyRoute | SoundRoute | TextRoute

_HOLD_COVERS = frozenset({"mp4", "mov", "3gp", "matroska"})
"""Muxers in which a cover picture is none of the film's; elsewhere it would be a second film of one picture."""

_LATE = Fraction(1, 100)
"""Seconds by which sound may begin after the picture where the container lets it begin with it."""

_WITH_TIMECODE = frozenset({"mp4", "mov", "matroska", "webm"})
"""Muxers that keep the timecode among the picture's tags."""


class Routes:
    """Decides about the streams of a source, and makes those of the output.

    Args:
        source: What `probe` said of the source.
        options: Which kinds are wanted.
        container: The output's kind.
        begin: What becomes 0 in the output, in seconds on the source's timeline.
        covers: Whether there is room for a cover picture.

    `container` is the output's kind, `made` are the routes by the source's stream, `messages` sentences about the
    streams that are not copied.
    """

    def __init__(
        self, source: SourceInfo, options: EncodeOptions, container: Container, begin: float, *, covers: bool
    ) -> None:
        self.made: dict[int, Route] = {}
        self.messages: list[str] = []
        self._source = source
        self._options = options
        self.container = container
        self._zero = source.video.origin * source.video.time_base + Fraction(begin)
        self._room_for_covers = covers

    def make(self, container: InputContainer, output: OutputContainer) -> None:
        """Look at the streams of `container`, whose packets will be read later, and add to `output` what is kept.

        Raises:
            OutputError: sound is to be copied, and the container does not hold it.
        """
        with open_source(self._source.path) as again:
            firsts = first_packets(again, [stream for stream in again.streams if self._asked_for(stream)])
            for stream in container.streams:
                packets = firsts.get(stream.index)
                if packets is not None:
                    self._add(stream, packets, again, output)
                if stream.index not in self.made and stream.type != "attachment":
                    stream.discard = av.stream.Discard.all

    def refuse_all(self) -> None:
        """Say that the container holds only the picture.

        Raises:
            OutputError: sound is to be copied.
        """
        if self._source.audio and self._options.audio == "copy":
            raise OutputError(f"{self.container.muxer} holds no sound to copy", "--audio none leaves it out")
        if self._source.streams:
            kinds = ", ".join(sorted({stream.kind for stream in self._source.streams}))
            self.messages.append(
                f"{self.container.muxer} holds only the picture: the source's other streams ({kinds}) are left out"
            )

    def _asked_for(self, stream: Stream) -> bool:
        """Whether a stream is wanted at all; if not, nobody need be told."""
        if stream.index == self._source.video.index:
            return False
        if stream.type == "audio":
            return self._options.audio != "none"
        if stream.type in {"subtitle", "attachment"}:
            return self._options.subtitles
        if stream.type == "data":
            # The text of chapters is not meant to be read; the muxer makes its own.
            return self._options.metadata and stream.discard != av.stream.Discard.all
        return self._options.metadata or not _is_cover(stream)

    def _add(self, stream: Stream, packets: list[Packet[Any]], again: InputContainer, output: OutputContainer) -> None:
        """Add one stream to the output, or say why not."""
        label = label_of(stream)
        try:
            if isinstance(stream, av.AudioStream):
                refusal = self._add_sound(stream, packets, again, output)
            elif isinstance(stream, av.VideoStream):
                refusal = self._add_picture(stream, packets, output)
            else:
                refusal = self._add_other(stream, packets, output)
        except REFUSALS as error:
            refusal = f": {reason_of(error)}"
        if refusal:
            self.messages.append(f"{label} is left out{refusal}")

    def _add_sound(
        self, stream: av.AudioStream, packets: list[Packet[Any]], again: InputContainer, output: OutputContainer
    ) -> str:
        wanted, target, codec = self._options.audio, self.container, codec_name(stream, packets)
        label = label_of(stream, codec)
        full = target.one_sound and any(route.source.type == "audio" for route in self.made.values())
        held = f"because {target.muxer} holds one sound" if full else f"because {target.muxer} does not hold it"
        if wanted == "transcode":
            held = "as asked"
        elif wanted == "auto" and codec and codec.startswith(target.unplayed):
            held = f"because few players play it in {target.muxer} (--audio copy keeps it)"
        elif wanted == "auto" and target.channels and (stream.codec_context.channels or 0) > target.channels:
            few = f"few players find more than {target.channels} channels in {target.muxer}"
            held = f"because {few} (--audio copy keeps them)"
        elif self._begins_late(packets):
            held = f"because sound in {target.muxer} begins with the picture: silence goes before it"
        elif codec and not full and self._may_hold(codec) and stream.codec_context.channels:
            skipped = try_copy(target, stream, packets)
            if skipped is not None:
                self._copy(stream, output, Fraction(skipped, stream.codec_context.sample_rate or 1), codec)
                return ""
        if wanted == "copy":
            raise OutputError(
                f"{label} cannot be copied, {held}", "--audio auto encodes it anew; .mkv holds most sound as it is"
            )
        if full:
            return f", {held} (.mkv holds most)"
        decoder = again.streams[stream.index]
        assert isinstance(decoder, av.AudioStream)
        lossless = target.lossless and wanted == "auto"
        plan = plan_sound(decoder, packets, target.sound, lossless=lossless, channels=target.channels)
        if plan is None:
            return f", {held}, and it cannot be decoded (.mkv holds most)"
        negative = target.negative_times or target.codec_delay
        route = SoundRoute(stream, output, plan, negative_times=negative, from_zero=target.counts_sound)
        self._describe(route)
        mixed = f", mixed down to {plan.layout}" if _channels(plan.layout) < stream.codec_context.channels else ""
        self.messages.append(f"{label} is converted to {plan}{mixed}, {held}")
        return ""

    def _add_picture(self, stream: av.VideoStream, packets: list[Packet[Any]], output: OutputContainer) -> str:
        if not is_cover(stream):
            return ": only one video stream is kept"
        if self.container.muxer not in _HOLD_COVERS:
            return f", because {self.container.muxer} has no place for it (.mkv has)"
        if not self._room_for_covers:
            return f": an {self.container.muxer} file holds either it or freely named tags such as the recipe"
        if self.container.muxer == "matroska":
            # As an attached file: what Matroska has for covers, and it takes any picture format.
            codec = {"mjpeg": "jpeg"}.get(codec_name(stream) or "", codec_name(stream) or "octet-stream")
            if packets:
                name = stream.metadata.get("filename", f"cover.{codec.replace('jpeg', 'jpg')}")
                output.add_attachment(name, stream.metadata.get("mimetype", f"image/{codec}"), bytes(packets[0]))
            return ""
        return self._add_other(stream, packets, output)

    def _add_other(self, stream: Stream, packets: list[Packet[Any]], output: OutputContainer) -> str:
        target = self.container
        if stream.type == "data" and "timecode" in stream.metadata and target.muxer in _WITH_TIMECODE:
            return ""
        codec = codec_name(stream)
        known = codec is not None or stream.type in {"attachment", "data"}
        if known and self._may_hold(codec) and try_copy(target, stream, packets) is not None:
            if isinstance(stream, AttachmentStream):
                add_copy(output, stream).metadata.update(kept_tags(stream.metadata))
            else:
                self._copy(stream, output)
            return ""
        text = TEXT_SUBTITLES.get(target.muxer)
        if isinstance(stream, SubtitleStream) and text and codec in TEXT_CODECS:
            self._describe(TextRoute(stream, output, text))
            self.messages.append(f"{label_of(stream)} is converted to {text}, because {target.muxer} does not hold it")
            return ""
        return f", because {target.muxer} does not hold it" + ("" if stream.type == "data" else " (.mkv holds most)")

    def _begins_late(self, packets: list[Packet[Any]]) -> bool:
        """Whether sound would be heard too early where the container has no place for its beginning."""
        if not self.container.counts_sound or not packets or packets[0].pts is None:
            return False
        return packets[0].pts * packets[0].time_base - self._zero > _LATE

    def _may_hold(self, codec: str | None) -> bool:
        return self.container.beside is None or codec in self.container.beside

    def _copy(
        self, stream: Stream, output: OutputContainer, lead: Fraction = Fraction(0), codec: str | None = None
    ) -> None:
        cover = _is_cover(stream)
        self._describe(CopyRoute(stream, output, self.container, codec=codec, lead=lead, cover=cover))

    def _describe(self, route: Route) -> None:
        """Say of the new stream what was said of the old one, and take the route."""
        tags, lost = stream_tags(route.source.metadata, self.container.muxer, label_of(route.source))
        self.messages += lost
        # The picture's, which moves with a part's begin, is written with the picture.
        tags.pop("timecode", None)
        route.target.metadata.update(tags)
        route.target.disposition = route.source.disposition
        self.made[route.source.index] = route


def _channels(layout: str) -> int:
    return av.AudioLayout(layout).nb_channels


def _is_cover(stream: Stream) -> bool:
    return isinstance(stream, av.VideoStream) and is_cover(stream)


def label_of(stream: Stream, codec: str | None = None) -> str:
    """What a stream is called in a sentence; `codec` is its own, where ffmpeg takes it for another."""
    codec = codec or codec_name(stream) or "unknown codec"
    kind = "the cover picture" if _is_cover(stream) else f"{stream.type} stream"
    language = f", {stream.language}" if stream.language and stream.language != "und" else ""
    return f"{kind} {stream.index} ({codec}{language})"
