"""From packets to whole frames: the decoder, deinterlacing, cropping, and what went wrong on the way.

There is one progressive frame for each frame that is stored, with the stored timestamp. ffmpeg's own VP8 and VP9
decoders drop transparency, so libvpx decodes the streams that say they have it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import av.error
from av import VideoCodecContext
from av.codec.context import CodecContext
from av.filter import Graph

from movie_cli.errors import reason_of
from movie_cli.media.boxes import Crop
from movie_cli.media.info import VideoInfo
from movie_cli.options import ReadOptions

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders that keep the transparency ffmpeg's own drop."""

MISSING_END = Fraction(1, 4)
"""A video that stops this many seconds (and two frames) before its header's duration is reported as cut off."""


class Decoder:
    """Decodes the packets of one stream.

    `threads` is the number of decoder threads, 0 for ffmpeg's choice, None for none beside the caller's.
    """

    def __init__(self, stream: VideoStream, reading: ReadOptions, threads: int | None = None) -> None:
        assert stream.codec_context is not None
        name = stream.codec_context.codec.canonical_name
        self._context: VideoCodecContext = stream.codec_context
        if name in _WITH_ALPHA and stream.metadata.get("alpha_mode") == "1":
            libvpx = CodecContext.create(_WITH_ALPHA[name], "r")
            assert isinstance(libvpx, VideoCodecContext)
            self._context = libvpx
        if not self._context.is_open:
            self._context.thread_type = "NONE" if threads is None else "AUTO"
            self._context.thread_count = threads or 0
            self._context.options = {**self._context.options, "max_pixels": reading.decoder_limit}

    def __call__(self, packet: Packet[VideoStream]) -> list[av.VideoFrame]:
        """The frames that a packet completes; an empty packet, the last one, gives those still waiting.

        Raises:
            av.error.FFmpegError, ValueError: the packet cannot be decoded.
        """
        return self._context.decode(packet)


def deinterlaced(frames: Iterator[av.VideoFrame], time_base: Fraction) -> Iterator[av.VideoFrame]:
    """Pass progressive frames through, and interlaced ones through bwdif, which makes one frame of two fields.

    The filter starts with the first interlaced frame and then sees all that follow, so that the order is kept. It is
    set up anew where size or pixel format change. `time_base` is that of the frames' timestamps.
    """
    graph: Graph | None = None
    kind: tuple[int, int, str] | None = None
    for frame in frames:
        this = (frame.width, frame.height, frame.format.name)
        if graph is not None and this != kind:
            yield from _pulled(graph, time_base, end=True)
            graph = None
        if graph is None and not frame.interlaced_frame:
            yield frame
            continue
        if graph is None:
            graph, kind = _filter(frame, time_base, "bwdif", mode="send_frame", deint="interlaced"), this
        frame.time_base = time_base
        graph.vpush(frame)
        yield from _pulled(graph, time_base)
    if graph is not None:
        yield from _pulled(graph, time_base, end=True)


def cropped(frames: Iterator[av.VideoFrame], crop: Crop | None) -> Iterator[av.VideoFrame]:
    """The frames without what is to be taken off."""
    graph, kind = None, None
    for frame in frames:
        this = (frame.width, frame.height, frame.format.name)
        fits = crop is not None and crop.left + crop.right < frame.width and crop.top + crop.bottom < frame.height
        if crop is None or not fits:
            yield frame
            continue
        if graph is None or this != kind:
            width, height = frame.width - crop.left - crop.right, frame.height - crop.top - crop.bottom
            area = {"w": str(width), "h": str(height), "x": str(crop.left), "y": str(crop.top)}
            graph, kind = _filter(frame, frame.time_base or Fraction(1, 1000), "crop", **area, exact="1"), this
        graph.vpush(frame)
        made = graph.vpull()
        made.time_base = frame.time_base or made.time_base
        made.pts, made.dts, made.duration = frame.pts, frame.dts, frame.duration
        yield made


def _filter(frame: av.VideoFrame, time_base: Fraction, name: str, **options: str) -> Graph:
    """One filter for frames like this one."""
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=time_base)
    graph.link_nodes(source, graph.add(name, **options), graph.add("buffersink"))
    graph.configure()
    return graph


def _pulled(graph: Graph, time_base: Fraction, *, end: bool = False) -> Iterator[av.VideoFrame]:
    if end:
        graph.vpush(None)
    while True:
        try:
            frame = graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        # The filter counts in halves of the unit, for those who want a frame for each field.
        if frame.pts is not None and frame.time_base:
            factor = frame.time_base / time_base
            frame.pts, frame.duration = round(frame.pts * factor), round((frame.duration or 0) * factor)
            frame.time_base = time_base
        yield frame


@dataclass(frozen=True)
class Damage:
    """Where a source breaks: `time` in seconds on its timeline, `packets` that were skipped.

    `message` is a sentence, which counts from the first picture. `fatal` says that nothing after `time` could be read.
    """

    time: float
    message: str
    packets: int
    fatal: bool


@dataclass
class Trouble:
    """What went wrong so far: how many packets, and the first one's place (timestamp) and reason."""

    packets: int = 0
    where: int = 0
    reason: str = ""

    def add(self, error: BaseException, where: int) -> None:
        """One more packet could not be read or decoded."""
        if not self.packets:
            self.where = where
            self.reason = reason_of(error)
        self.packets += 1

    def damage(self, video: VideoInfo, reached: int, *, fatal: bool) -> Damage | None:
        """All of it, where something went wrong or the end is missing; `reached` is the last frame's end."""
        where, problem = self.where, self.reason
        if not self.packets:
            missing = _missing_end(video, reached)
            if missing is None:
                return None
            where, fatal, problem = reached, True, f"the last {missing:.2f} s are missing"
        place = float((where - video.start) * video.time_base)
        packets = "1 packet" if self.packets == 1 else f"{self.packets} packets"
        text = f"it breaks at {place:.2f} s ({problem})"
        if not fatal:
            text = f"{packets} at or after {place:.2f} s cannot be decoded ({problem})"
        return Damage(video.seconds(where), text, self.packets, fatal)


def _missing_end(video: VideoInfo, after: int) -> float | None:
    """Seconds between the last frame and the end that the header promises, where that is worth a word."""
    if video.duration is None or video.average_rate is None or not video.frames:
        return None
    promised = Fraction(video.duration) - (after - video.start) * video.time_base
    enough = promised > MISSING_END + 2 / video.average_rate
    return float(promised) if enough else None
