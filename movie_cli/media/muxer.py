"""The container of an output: pictures encoded or joined from segments, and all that the source has beside them.

Encoders and muxers have habits that would silently move a timestamp; what they are told against them is here.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import av.error

from movie_cli.errors import OutputError
from movie_cli.media.captions import CARRIERS, CaptionCopier, no_place
from movie_cli.media.colour import has_alpha
from movie_cli.media.containers import HOLD_CHAPTERS, ISO_MUXERS, NO_DECODING_TIMES, moved_timecode
from movie_cli.media.encoder import AlphaCopier, FrameEncoder, VideoSetup
from movie_cli.media.passthrough import StreamCopier
from movie_cli.media.routes import Routes
from movie_cli.media.segments import Joiner, Segment, mend_decoding_times
from movie_cli.media.timing import shifted_chapters

if TYPE_CHECKING:
    from av.container.core import Chapter as MuxChapter

LEAD = 0.5
"""Seconds by which sound is written ahead of the picture, so that players need not wait."""

_FILE_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "movie_start"}
"""Tags that are about the very file: an output's are its own."""
_MAX_TIMESCALE = 2**31 - 1


class Muxer:
    """Writes an output's streams into one container, its header first.

    Args:
        target: What ffmpeg writes to: its name for a file, or an object with `write` and perhaps `seek`.
        setup: How the pictures are stored, and what of the source is kept.
        span: Start and end as given to the reader. With a start, 0 is the first frame; sound and subtitles end at the
            end.
        tags: Additional tags for the file.
        checked: Whether the picture's packets are counted when all is written.

    `messages` are sentences about what is not carried over as it is.

    Raises:
        OutputError: sound is to be copied, and the container does not hold it.
        SourceError: the source has gone.
        av.error.FFmpegError, OSError, ValueError: the encoder or the container refuses what it gets. So do all methods.
    """

    def __init__(
        self,
        target: Any,
        setup: VideoSetup,
        span: tuple[float | None, float | None],
        tags: Mapping[str, str],
        *,
        checked: bool = True,
    ) -> None:
        self.messages: list[str] = []
        self._setup, self._span = setup, span
        self._copier: StreamCopier | None = None
        self._alpha: AlphaCopier | None = None
        self._captions: CaptionCopier | None = None
        self._encoder: FrameEncoder | None = None
        self._output: av.container.OutputContainer | None = None
        self._joiner: Joiner | None = None
        self._rounded = 0
        self._begun = False
        try:
            self._open(target, tags, checked=checked)
        except BaseException:
            self.close()
            raise

    def _open(self, target: Any, tags: Mapping[str, str], *, checked: bool) -> None:
        setup, source, options, (start, end) = self._setup, self._setup.source, self._setup.options, self._span
        container = setup.plan.container
        # With freely named tags an mp4 cannot hold a cover picture: tags that are added go first.
        free = bool(tags) or not options.metadata or not source.of_kind("cover")
        free = free and container.muxer in ISO_MUXERS
        if source.video.codec in CARRIERS and (setup.codec in CARRIERS or not source.video.captions):
            # Also where none were found: a broadcast's may begin with its second programme.
            self._captions = CaptionCopier(source, setup.codec, start)
        if source.video.alpha and has_alpha(setup.plan.pix_fmt):
            self._alpha = AlphaCopier(source, setup.size, start, end)
        begin = source.video.seconds(setup.zero) if start is None else start
        routes = Routes(source, options, container, begin, covers=not free)
        if source.streams and not container.only_video:
            self._copier = StreamCopier(source, routes, start, end, checked=checked)
        muxer_options = _muxer_options(setup, trimmed=start is not None, free=free)
        self._output = output = av.open(target, "w", format=container.muxer, container_options=muxer_options)
        self.encoder = self._encoder = FrameEncoder(setup, output, self._alpha)
        stream = self.encoder.stream
        stream.metadata.update(moved_timecode(stream.metadata, source.video, start))
        if self._copier is not None:
            self._copier.add_streams(output)
        else:
            routes.refuse_all()
        self.messages.extend(routes.messages)
        if options.metadata:
            kept = {key: value for key, value in source.metadata.items() if key.lower() not in _FILE_TAGS}
            output.metadata.update(moved_timecode(kept, source.video, start))
            if container.muxer in HOLD_CHAPTERS:
                output.set_chapters(self._chapters())
            elif source.chapters:
                self.messages.append(f"{container.muxer} has no chapters: the source's are left out")
        output.metadata.update(tags)
        self.encoder.open()
        output.start_encoding()
        self._unit: Fraction = stream.time_base or setup.time_base

    def begin(self, pts: int) -> None:
        """The first frame's timestamp is known, and with it what becomes 0. Call it before all that follows."""
        trimmed = self._span[0] is not None
        if trimmed:
            self.encoder.zero = pts
        if self._copier is not None:
            self._copier.begin(not trimmed, self._setup.source.video.seconds(self.encoder.zero))

    def encode(self, frame: av.VideoFrame, time: float) -> None:
        """Write a frame of the encoder's that is shown at `time`, in seconds on the source's timeline."""
        if self._captions is not None and frame.pts is not None:
            self._captions.meet(frame.pts, time)
        packets = self.encoder.encode(frame)
        self._advance(time + LEAD)
        self._mux_encoded(packets)

    def join(self, segment: Segment, path: Path) -> None:
        """Copy the packets of a finished segment from its file, in place of frames.

        Raises:
            OutputError: it was made by another encoder, or is cut off.
        """
        setup, video = self._setup, self._setup.source.video
        if segment.extradata != self.encoder.extradata:
            raise OutputError(
                f"{path} was encoded by another version of {setup.plan.codec}", "-y starts the edit from the beginning"
            )
        if self._joiner is None:
            zero = round((self.encoder.zero - setup.zero) * video.time_base / setup.time_base)
            self._joiner = Joiner(self.encoder.stream, setup.time_base, zero)
        if self._captions is not None:
            for (pts, _), place in zip(segment.times, self._joiner.places(segment), strict=False):
                self._captions.meet(place, video.seconds(pts))
        for entry, packet in self._joiner.packets(segment, path):
            self._advance(float(entry.pts * setup.time_base) + LEAD)
            self._mux(packet)

    def finish(self, until: float | None) -> None:
        """Write what is still waiting, and close the container.

        Args:
            until: Where sound and subtitles end, in seconds on the source's timeline; None for their own ends.
        """
        assert self._output is not None
        if self._joiner is None:
            packets = self.encoder.encode(None)
            if not self._begun:
                mend_decoding_times(packets)
            self._mux_encoded(packets)
        self._advance(math.inf if until is None else until)
        if self._copier is not None:
            self._copier.finish(self._output)
            self.messages.extend(self._copier.messages)
        self._output.close()
        if self._captions is not None and self._captions.lost:
            self.messages.append(no_place(self._setup.codec))
        if self._rounded:
            self.messages.append(
                f"{self._rounded} timestamps are rounded to the {self._setup.plan.container.muxer} clock of "
                f"{float(self._unit * 1000):.3g} ms"
            )
        self.close()

    def close(self) -> None:
        """Let go of the source and the output, as far as it is written. Safe to call twice."""
        for reader in (self._copier, self._alpha, self._captions, self._encoder):
            if reader is not None:
                reader.close()
        if self._output is not None:
            with contextlib.suppress(av.error.FFmpegError, OSError, ValueError):
                self._output.close()

    def _advance(self, until: float) -> None:
        if self._copier is not None:
            assert self._output is not None
            self._copier.advance(until, self._output)

    def _mux_encoded(self, packets: list[av.Packet[Any]]) -> None:
        for packet in packets:
            if packet.pts is not None and packet.dts is not None:
                packet.dts = min(packet.dts, packet.pts)  # see `segments.mended_decoding_times`
            self._mux(packet)

    def _mux(self, packet: av.Packet[Any]) -> None:
        assert self._output is not None
        self._begun = True
        if packet.pts is not None:
            # A clock as coarse as the source's own says what the source said.
            coarser = self._unit > self._setup.source.video.stored_time_base
            self._rounded += coarser and (packet.pts * self._setup.time_base) % self._unit != 0
        if self._captions is not None:
            packet = self._captions.put_into(packet)
        self._output.mux_one(packet)

    def _chapters(self) -> list[MuxChapter]:
        source, (start, end) = self._setup.source, self._span
        origin = source.video.origin * source.video.time_base
        ends = [limit for limit in (end, source.picture_end) if limit is not None]
        return shifted_chapters(source.chapters, origin, start, min(ends, default=None))


def _muxer_options(setup: VideoSetup, *, trimmed: bool, free: bool) -> dict[str, str]:
    """Options that keep the muxer from rounding or moving times; `free` allows tags of any name."""
    source, muxer = setup.source, setup.plan.container.muxer
    if muxer in ISO_MUXERS:
        unit = setup.time_base.denominator
        movie = math.lcm(unit, *(stream.sample_rate or 1 for stream in source.audio))
        return {
            "movflags": "+faststart+use_metadata_tags" if free else "+faststart",
            # Edit lists are counted in the movie's clock, milliseconds by default.
            "movie_timescale": str(movie if movie <= _MAX_TIMESCALE else min(unit, _MAX_TIMESCALE)),
            "video_track_timescale": str(min(unit, _MAX_TIMESCALE)),
        }
    if muxer in NO_DECODING_TIMES and (trimmed or source.video.start >= source.video.origin):
        return {"avoid_negative_ts": "disabled"}
    return {}
