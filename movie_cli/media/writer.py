"""`VideoWriter`: edited frames in, a whole and checked file out, or nothing at all.

Promises the timestamps it is given, the source's colour tags, pixel aspect, display rotation, chapters, tags and other
streams; a hidden file beside the output until `commit` has read it back, then a rename. After `abort`, an error or an
interruption the output's old content is untouched and nothing else is left. Whether an existing output may be
replaced is not decided here. To a pipe (`-`) bytes go out as they come: there is nothing to check or rename.
"""

from __future__ import annotations

import contextlib
import math
import secrets
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from movie_cli.errors import MovieError, OutputError
from movie_cli.media.alpha import AlphaCopier
from movie_cli.media.captions import CARRIERS, CaptionCopier
from movie_cli.media.colour import FromRgb, has_alpha
from movie_cli.media.containers import PALETTE, STDOUT, EncodeOptions
from movie_cli.media.info import SourceInfo
from movie_cli.media.joining import Joiner
from movie_cli.media.muxing import free_tags, muxer_options, output_chapters
from movie_cli.media.opening import file_url
from movie_cli.media.outfile import (
    PipeFile,
    check_not_same,
    output_error,
    pad_transport,
    prepare_output,
    prepare_sequence,
    remove_temporary,
)
from movie_cli.media.palette import ToPalette
from movie_cli.media.passthrough import StreamCopier
from movie_cli.media.picture import plan_picture
from movie_cli.media.publishing import Naming, publish
from movie_cli.media.routes import Routes
from movie_cli.media.segments import PacketEntry, Segment
from movie_cli.media.timecode import moved_timecode
from movie_cli.media.verify import check_written

LEAD = 0.5
"""Seconds by which sound is written ahead of the picture, so that players need not wait."""

_FILE_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}


@dataclass(frozen=True)
class WriteReport:
    """What was written: `path` (None for a pipe), `frames`, `duration` in seconds, `bytes`, sentences in `messages`."""

    path: Path | None
    frames: int
    duration: float
    bytes: int
    messages: tuple[str, ...]


class VideoWriter:
    """Writes one output.

    Args:
        out_path: Where it goes, or `-` for standard output.
        source: What `probe` said; its streams, tags and time base are carried over.
        options: Codec, container and what to keep.
        size: (width, height) of the upright frames that will come; None for the source's.
        start: As given to the reader: the output then begins at 0 with the first frame written.
        end: As given to the reader: sound and subtitles end there.
        metadata: Additional tags for the file, such as the recipe.
        hidden_in: Folder for the file until `commit`, on the output's file system; None for the output's own folder.

    Raises:
        OutputError: the folder is missing or may not be written, the disk is full, codec or container is unknown.
        UsageError: the output is the source, or an option is wrong.
        SourceError: the source has gone.
    """

    def __init__(
        self,
        out_path: str | Path,
        source: SourceInfo,
        options: EncodeOptions | None = None,
        *,
        size: tuple[int, int] | None = None,
        start: float | None = None,
        end: float | None = None,
        metadata: Mapping[str, str] | None = None,
        hidden_in: Path | None = None,
    ) -> None:
        options = options or EncodeOptions()
        video = source.video
        check_not_same(source.path, out_path)
        self.messages: list[str] = []
        self.frames_written = 0
        self._source = source
        self._options = options
        self._size = size or video.display_size
        self._end = end
        self._hidden_in = hidden_in
        self._trimmed = start is not None
        self._pipe = str(out_path) == STDOUT
        self._out = Path(out_path)
        self._done = False
        self._first_pts = self._last_pts = self._last_duration = 0
        self._last_sent: int | None = None
        self._rounded = 0
        self._joiner: Joiner | None = None
        self._unit = Fraction(1)

        self._picture = plan_picture(out_path, source, options, self._size)
        self._plan = self._picture.plan
        self._time_base, self._fixed_rate = self._picture.time_base, self._picture.fixed_rate
        self.messages.extend(self._picture.messages)
        tags, pix_fmt = self._picture.tags, self._plan.pix_fmt
        self._from_rgb = ToPalette() if pix_fmt == PALETTE else FromRgb(tags, pix_fmt)

        self._copier: StreamCopier | None = None
        self._alpha: AlphaCopier | None = None
        self._captions: CaptionCopier | None = None
        self._output: av.container.OutputContainer | None = None
        self._sink: PipeFile | None = None
        self._temporary: Path | None = None
        try:
            self._open(start, dict(metadata or {}))
        except BaseException:
            self.abort()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    def write(self, pixels: NDArray[np.uint8], pts: int, duration: int | None = None) -> None:
        """Encode one upright frame.

        Args:
            pixels: `(H, W, 3)` uint8 RGB of the writer's size.
            pts: Its timestamp in the source's `time_base`, later than the one before.
            duration: How long it is shown, in the same unit, or None.

        Raises:
            OutputError: it cannot be written. BrokenPipeError: nobody reads standard output any more.
        """
        if pixels.shape != (self._size[1], self._size[0], 3) or pixels.dtype != np.uint8:
            raise ValueError(f"expected a uint8 array of {(self._size[1], self._size[0], 3)}, got {pixels.shape}")
        if self.frames_written == 0:
            self._begin(pts)
        if self._alpha is not None:
            pixels = self._alpha.add(pixels, pts)
        frame = self._from_rgb(self._picture.orientation.undo(pixels))
        frame.time_base = self._time_base
        frame.pts = self._out_pts(pts)
        frame.duration = 0 if self._fixed_rate else (duration or 0)
        if self._captions is not None:
            self._captions.meet(frame.pts, self._seconds(pts))
        self._last_pts, self._last_duration = pts, duration or 0
        self._guard(lambda: self._encode(frame))
        self.frames_written += 1

    def write_segment(self, segment: Segment, path: Path) -> None:
        """Copy the packets of a finished segment from its file. All frames come like this, or none.

        Raises:
            OutputError: it cannot be written or read, or was made by another encoder.
        """
        if segment.extradata != bytes(self._stream.codec_context.extradata or b""):
            raise OutputError(
                f"{path} was encoded by another version of {self._plan.codec}", "-y starts the edit from the beginning"
            )
        if self._joiner is None:
            self._begin(segment.times[0][0])
            video = self._source.video
            zero = round((self._first_pts - video.origin) * video.time_base / self._time_base)
            self._joiner = Joiner(self._stream, self._time_base, zero)
        if self._captions is not None:
            for (pts, _), place in zip(segment.times, self._joiner.places(segment), strict=False):
                self._captions.meet(place, self._seconds(pts))
        packets = self._joiner.packets(segment, path)
        self._guard(lambda: self._copy_packets(packets))
        self._last_pts, self._last_duration = segment.times[-1][0], segment.times[-1][1] or 0
        self.frames_written += segment.frames

    def commit(self, until: float | None = None, naming: Naming | None = None) -> WriteReport:
        """Finish, read the result back and put it in its place.

        Args:
            until: Where the source breaks, in seconds on its timeline: sound and subtitles end there too.
            naming: What may happen when the file, whole and checked, gets its name; None may replace another.

        Raises:
            UsageError: the output exists and may not be replaced.
            OutputError: it cannot be finished, or what was written is not what was meant.
        """
        if self._done or self._output is None:
            raise ValueError("the writer is closed")
        if not self.frames_written:
            self.abort()
            raise OutputError(f"there is nothing to write to {self._out}", "choose a range with frames in it")
        try:
            self._guard(lambda: self._finish(until))
            return self._publish(naming or Naming())
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Drop everything that is not committed. Safe to call twice."""
        if self._done:
            return
        self._done = True
        if self._temporary is not None:
            # Gone first: the muxer then fails at once instead of rearranging a file that nobody wants.
            remove_temporary(self._temporary, numbered=self._plan.container.numbered)
        if self._sink is not None:
            self._sink.discard()
        self._close_readers()
        if self._output is not None:
            with contextlib.suppress(av.error.FFmpegError, OSError, ValueError):
                self._output.close()
        if self._temporary is not None:
            remove_temporary(self._temporary, numbered=self._plan.container.numbered)

    def _close_readers(self) -> None:
        for reader in (self._copier, self._alpha, self._captions):
            if reader is not None:
                reader.close()

    # -- opening ---------------------------------------------------------------------------------------------------

    def _open(self, start: float | None, extra_tags: dict[str, str]) -> None:
        source, muxer = self._source, self._plan.container.muxer
        free = free_tags(source, self._plan, self._options, bool(extra_tags))
        if source.video.captions and self._picture.codec in CARRIERS:
            self._captions = CaptionCopier(source, self._picture.codec)
        if source.video.alpha and has_alpha(self._plan.pix_fmt):
            self._alpha = AlphaCopier(source, self._size, start, self._end)
        if not self._plan.container.only_video:
            self._copier = StreamCopier(
                source, self._options, self._plan.container, start, self._end, covers=not free, checked=not self._pipe
            )
        output = self._output = av.open(
            self._target(),
            "w",
            format=muxer,
            container_options=muxer_options(source, self._plan, self._time_base, trimmed=self._trimmed, free=free),
        )
        self._stream = self._guard(lambda: self._picture.add_stream(output, source, self._options))
        self._stream.metadata.update(moved_timecode(self._stream.metadata, source.video, start))
        if self._copier is not None:
            self._copier.add_streams(output)
            self.messages.extend(self._copier.messages)
            self._copier.messages.clear()
        else:
            routes = Routes(source, self._options, self._plan.container, covers=False)
            routes.refuse_all()
            self.messages.extend(routes.messages)
        if self._options.metadata:
            tags = {key: value for key, value in source.metadata.items() if key not in _FILE_TAGS}
            output.metadata.update(moved_timecode(tags, source.video, start))
            chapters, lost = output_chapters(source, muxer, start, self._end)
            output.set_chapters(chapters)
            self.messages.extend(lost)
        output.metadata.update(extra_tags)
        self._guard(self._start)

    def _target(self) -> Any:
        """What the muxer writes to: standard output, or a hidden file."""
        if self._pipe:
            self._sink = PipeFile(sys.stdout.buffer)
            return self._sink
        token = secrets.token_hex(4)
        if not self._plan.container.numbered:
            self._out, self._temporary = prepare_output(self._out, token, self._hidden_in)
            return file_url(self._temporary)
        self._out, self._temporary = prepare_sequence(self._out, token)
        return file_url(self._temporary.parent).replace("%", "%%") + f"/{self._temporary.name}"

    def _start(self) -> None:
        assert self._output is not None
        self._stream.codec_context.open(strict=False)
        self._output.start_encoding()
        self._unit = self._stream.time_base or self._time_base

    # -- writing ---------------------------------------------------------------------------------------------------

    def _begin(self, pts: int) -> None:
        """The first frame is known: from here on it is clear what becomes 0."""
        video = self._source.video
        self._first_pts = pts if self._trimmed else video.origin
        if self._copier is not None:
            self._copier.begin(not self._trimmed, self._seconds(pts))

    def _seconds(self, pts: int) -> float:
        """A timestamp of the source on its timeline."""
        video = self._source.video
        return float((pts - video.origin) * video.time_base)

    def _out_pts(self, pts: int) -> int:
        video = self._source.video
        moved = pts - self._first_pts
        if not self._fixed_rate:
            self._last_sent = moved
            return moved
        step = round(moved * video.time_base / self._time_base)
        step = step if self._last_sent is None else max(step, self._last_sent + 1)
        self._last_sent = step
        return step

    def _encode(self, frame: av.VideoFrame | None) -> None:
        assert self._output is not None
        packets = self._stream.encode(frame)
        if self._copier is not None:
            self._copier.advance(self._seconds(self._last_pts) + LEAD, self._output)
        for packet in packets:
            if packet.pts is not None and packet.dts is not None:
                packet.dts = min(packet.dts, packet.pts)  # see `segments.mended_decoding_times`
            self._mux(packet)

    def _mux(self, packet: av.Packet[Any]) -> None:
        assert self._output is not None
        if packet.pts is not None:
            # A clock as coarse as the source's own says what the source said.
            coarser = self._unit > self._source.video.stored_time_base
            self._rounded += coarser and (packet.pts * self._time_base) % self._unit != 0
        if self._captions is not None:
            packet = self._captions.put_into(packet)
        self._output.mux_one(packet)

    def _copy_packets(self, packets: Iterable[tuple[PacketEntry, av.Packet[Any]]]) -> None:
        assert self._output is not None
        for entry, packet in packets:
            if self._copier is not None:
                self._copier.advance(float(entry.pts * self._time_base) + LEAD, self._output)
            self._mux(packet)

    def _finish(self, until: float | None) -> None:
        assert self._output is not None
        if self._joiner is None:
            self._encode(None)
        if self._copier is not None:
            self._copier.advance(math.inf if until is None else until, self._output)
            self._copier.finish(self._output)
            self.messages.extend(self._copier.messages)
        self._output.close()
        if self._plan.container.muxer == "mpegts" and self._temporary is not None:
            pad_transport(self._temporary)
        if self._rounded:
            self.messages.append(
                f"{self._rounded} timestamps are rounded to the {self._plan.container.muxer} clock of "
                f"{float(self._unit * 1000):.3g} ms"
            )

    def _publish(self, naming: Naming) -> WriteReport:
        video = self._source.video
        length = float((self._last_pts + self._last_duration - self._first_pts) * video.time_base)
        self._close_readers()
        if self._pipe or self._temporary is None:
            self._done = True
            written = self._sink.written if self._sink is not None else 0
            return WriteReport(None, self.frames_written, length, written, tuple(self.messages))
        check_written(self._temporary, self.frames_written, self._picture.stored, self._out)
        size, messages = publish(self._temporary, self._out, naming, numbered=self._plan.container.numbered)
        self._done = True
        self.messages.extend(messages)
        return WriteReport(self._out, self.frames_written, length, size, tuple(self.messages))

    def _guard(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except (MovieError, BrokenPipeError):
            raise
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise output_error(self._out, error) from error
