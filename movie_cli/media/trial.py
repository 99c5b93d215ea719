"""A muxer that writes into nowhere: what a container refuses is known before it can harm a film.

A stream is judged by its own first packets, header and trailer included. Later packets are tried the same way before
the real muxer sees them, so that what that one refuses can only be the picture.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import av
import av.error
from av.packet import Packet
from av.stream import Stream

from movie_cli.media.containers import Container

if TYPE_CHECKING:
    from av.codec.context import CodecContext
    from av.container import InputContainer, OutputContainer

FIRST_PACKETS = 4
"""Packets of each stream that are tried before anything is edited."""

PEEK_PACKETS = 400
"""Packets of all streams among which they are looked for."""

RENEWED_AFTER = 4096
"""Packets after which a gate begins anew: muxers keep a table of what they have written."""

_FRAMED = {"ac3": "ac3", "mp2": "mp2", "mp3": "libmp3lame"}
"""Sound that AVI counts in frames, and its encoders."""

_BY_BLOCKS = frozenset({"avi", "nut"})
"""Muxers that go by the size of a block where a source states one: AVI counts bytes instead of frames, and NUT's frame
codes then make a file that cannot be read."""

REFUSALS = (av.error.FFmpegError, ValueError, LookupError)

DEFAULT_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""What is assumed where a file says only how many channels there are."""


class Nowhere:
    """A file as ffmpeg sees it that forgets what is written, and only knows where it is."""

    name = "nowhere"

    def __init__(self) -> None:
        self._at = self._end = 0

    def write(self, data: bytes) -> int:
        """Forget `data`."""
        self._at += len(data)
        self._end = max(self._end, self._at)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go elsewhere."""
        self._at = offset + (0, self._at, self._end)[whence]
        return self._at

    def tell(self) -> int:
        """Where it is."""
        return self._at


class Gate:
    """A muxer of one copied stream into nowhere.

    Raises:
        av.error.FFmpegError, ValueError, LookupError: the container refuses the stream by its header.
    """

    def __init__(self, container: Container, stream: Stream, sink: Any = None, codec: str | None = None) -> None:
        self._kind, self._stream, self._codec = container, stream, codec
        self._written = 0
        self._open(Nowhere() if sink is None else sink)

    def takes(self, packet: Packet[Any]) -> bool:
        """Whether the muxer takes a packet, which stays as it is."""
        if self._written >= RENEWED_AFTER:
            self.close()
            self._open(Nowhere())
        self._written += 1
        kept = packet.stream, packet.time_base, packet.pts, packet.dts, packet.duration
        try:
            packet.stream = self._target
            self._output.mux_one(packet)
        except REFUSALS:
            return False
        finally:
            packet.stream, packet.time_base, packet.pts, packet.dts, packet.duration = kept
        return True

    def close(self) -> bool:
        """Write the trailer; whether the muxer could."""
        try:
            self._output.close()
        except REFUSALS:
            return False
        return True

    def _open(self, sink: Any) -> None:
        self._written = 0
        # As the writer does for these: see `muxer._muxer_options`.
        options = {"avoid_negative_ts": "disabled"} if self._kind.codec_delay else {}
        self._output = av.open(sink, "w", format=self._kind.muxer, container_options=options)
        try:
            self._target = add_copy(self._output, self._stream, self._codec)
            self._output.start_encoding()
        except REFUSALS:
            self.close()
            raise


def codec_name(stream: Stream, packets: Sequence[Packet[Any]] = ()) -> str | None:
    """The codec's common name; of data, for which there is no decoder, its own; None where nobody knows it.

    With its first packets, MPEG audio is called by its layer: ffmpeg takes some transport streams' Layer II for MP3.
    """
    context: CodecContext | None = stream.codec_context
    name = context.codec.canonical_name if context is not None else getattr(stream, "name", None)
    header = bytes(packets[0])[:2] if packets and name == "mp3" else b""
    return "mp2" if len(header) == 2 and header[0] == 0xFF and header[1] & 0xE6 == 0xE4 else name


def add_copy(output: OutputContainer, stream: Stream, codec: str | None = None) -> Stream:
    """Add a stream that takes another one's packets, which are of `codec` where ffmpeg thinks otherwise.

    A layout that is not stated is assumed from the channels.
    """
    context, known = stream.codec_context, codec_name(stream)
    codec = codec or known
    framed = codec != known or output.format.name in _BY_BLOCKS
    if isinstance(context, av.AudioCodecContext) and framed and codec in _FRAMED:
        # An AVI source states a block's size; frames have none.
        target: Stream = output.add_stream(_FRAMED[codec], rate=context.sample_rate, layout=context.layout)
    else:
        target = output.add_stream_from_template(stream, opaque=True)
    target.disposition = stream.disposition
    if isinstance(target, av.AudioStream) and target.codec_context is not None:
        assumed = assumed_layout(target.codec_context)
        if assumed is not None:
            target.codec_context.layout = assumed
    return target


def assumed_layout(context: av.AudioCodecContext) -> str | None:
    """The layout for a stream that only says how many channels it has; None where it says more, or has too many."""
    stated = not context.layout.name.endswith(" channels")
    return None if stated else DEFAULT_LAYOUTS.get(context.layout.nb_channels)


def first_packets(container: InputContainer, streams: list[Stream]) -> dict[int, list[Packet[Any]]]:
    """The first packets of these streams, by the stream's index, as far as they come early. The container has moved."""
    found: dict[int, list[Packet[Any]]] = {stream.index: [] for stream in streams}
    with contextlib.suppress(av.error.FFmpegError, OSError):
        for count, packet in enumerate(container.demux()):
            kept = found.get(packet.stream.index)
            if kept is not None and packet.size and len(kept) < FIRST_PACKETS:
                kept.append(packet)
            if count >= PEEK_PACKETS or all(len(packets) >= FIRST_PACKETS for packets in found.values()):
                break
    return found


def skipped_samples(packet: Packet[Any]) -> int:
    """How many samples at its beginning a decoder throws away."""
    return int.from_bytes(bytes(packet.get_sidedata("skip_samples"))[:4], "little")


def try_copy(container: Container, stream: Stream, packets: list[Packet[Any]]) -> int | None:
    """Whether a container takes a stream with these packets: None, or how many samples before 0 s it skips on playing.

    Only containers with a `codec_delay` say so of the file; it is 0 for all others. One that counts sound takes only
    what it then tells the time of.
    """
    sink = io.BytesIO()
    try:
        gate = Gate(container, stream, sink, codec_name(stream, packets))
    except REFUSALS:
        return None
    took = True
    for packet in packets:
        if packet.pts is None and packet.dts is None:
            packet.pts = 0
        if packet.dts is None:
            packet.dts = packet.pts
        took = gate.takes(packet) and took
    if not gate.close() or not took:
        return None
    heard = stream.type == "audio" and packets and (container.codec_delay or container.counts_sound)
    if heard or stream.type == "data":
        sink.seek(0)
        return _read_back(container, stream, packets, sink)
    return 0


def _read_back(container: Container, stream: Stream, packets: list[Packet[Any]], sink: io.BytesIO) -> int | None:
    """As `try_copy`, by what a reader finds."""
    try:
        with av.open(sink, "r") as written:
            if stream.type == "data":
                # Some muxers write what no reader then knows.
                same = [(other.type, other.name) for other in written.streams] == [("data", stream.name)]
                return 0 if same and stream.name else None
            found = [packet for packet in written.demux(audio=0) if packet.size]
    except REFUSALS:
        return None if stream.type == "data" else 0
    if container.counts_sound:
        return 0 if _in_time(packets, found) else None
    return max(map(skipped_samples, found), default=0)


def _in_time(before: list[Packet[Any]], after: list[Packet[Any]]) -> bool:
    """Whether the last packet still comes as long after the first one. Plain samples may be cut anew, and are."""
    if len(before) < 2 or len(before) != len(after):
        return True
    spans = [float(((last.dts or 0) - (first.dts or 0)) * first.time_base) for first, *_, last in (before, after)]
    return abs(spans[0] - spans[1]) <= spans[0] / len(before) / 2
