"""`FrameReader`: the frames of a source, upright, in RGB, one at a time.

Timestamps are those of the file, repaired only where missing or not rising, and all frames have one size. A damaged
file is no exception: what decodes is yielded, and `damage` says what does not.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from movie_cli.errors import SourceError, UsageError
from movie_cli.media.clock import Clock
from movie_cli.media.colour import ToAlpha, ToDeep, ToRgb
from movie_cli.media.decoding import Damage, Decoder, Trouble, cropped, deinterlaced
from movie_cli.media.info import SourceInfo, VideoInfo
from movie_cli.media.opening import demuxed, only_stream, open_source
from movie_cli.media.planes import Luma, ToLuma
from movie_cli.media.probe import probe
from movie_cli.media.timing import Repair, Stamps, seconds_to_pts

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

STRICT_HINT = "leave out --strict to keep what can be read"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as a viewer sees it.

    `pixels` is `(H, W, 3)` uint8 RGB in the source's own primaries and transfer curve (HDR: BT.709), upright. `pts`
    and `duration` (None where unknown) count in the video's `time_base`; `time` is in seconds from the start of the
    file's timeline. `scaled` is the same picture at the size asked for with `also_size`, else None. `index` counts
    from 0. Where luma was asked for `luma` is the picture's, upright, and `pixels` are `scaled`, where there is one.
    """

    pixels: NDArray[np.uint8]
    pts: int
    time: float
    duration: int | None
    index: int
    scaled: NDArray[np.uint8] | None = None
    luma: Luma | None = None

    @property
    def working(self) -> NDArray[np.uint8]:
        """The picture at the size asked for with `also_size`, its own size without."""
        return self.pixels if self.scaled is None else self.scaled


def check_range(info: SourceInfo, start: float | None, end: float | None) -> None:
    """Refuse a range, in seconds on the file's timeline, that holds nothing or more than is allowed.

    Raises:
        UsageError: it is empty.
        SourceError: it is longer than `info.reading` allows.
    """
    video, begin = info.video, float(info.video.begin)
    first, stop = _pts_of(video, start), _pts_of(video, end)
    if stop is not None and stop <= (video.start if first is None else first):
        since = 0 if start is None else start - begin
        raise UsageError(
            f"the range from {since:g} s to {(end or 0) - begin:g} s of {info.path} is empty",
            "the end must be after the start; both count from the first picture",
        )
    ends = [value for value in (end, None if info.length is None else begin + info.length) if value is not None]
    if ends:
        info.reading.check_length(info.path, min(ends) - (begin if start is None else start))


def _pts_of(video: VideoInfo, seconds: float | None) -> int | None:
    return None if seconds is None else video.origin + seconds_to_pts(seconds, video.time_base)


class FrameReader:
    """Iterate once over the frames between `start` and `end` (seconds on the file's timeline; `end` is left out).

    After the iteration `damage` is None or says where the file breaks, `repaired` counts mended timestamps and
    `resized` frames whose size differed from the first one's.

    Args:
        path: A local file.
        start: First instant wanted; None for the beginning.
        end: Instant before which to stop; None for the end.
        strict: Raise a SourceError at the first damage instead of noting it.
        also_size: (width, height), upright, of an additional copy of each frame, scaled from the stored pixels.
        info: What `probe` said about the same file, to spare looking again.
        threads: Decoder threads; 0 for ffmpeg's choice.
        decode_on: Number of the GPU that decodes, as `hardware.find_hardware` found it; empty for software.
        alpha_size: (width, height), upright: yield only the transparency, `(H, W, 1)` of that size, as `pixels`.
        luma: Give the luma of the full size in place of RGB, which costs next to nothing.
        deep_size: (width, height), upright: yield `pixels` of that size in uint16, of the source's own transfer curve
            and primaries, and as `scaled` what they are in uint8.

    Raises:
        SourceError: as `probe`; or, when `strict`, where the file is damaged; or no frame lies in the range; or more
            pixels or seconds come than `info.reading` allows.
        UsageError: the range is empty.
    """

    def __init__(
        self,
        path: str | Path,
        start: float | None = None,
        end: float | None = None,
        *,
        strict: bool = False,
        also_size: tuple[int, int] | None = None,
        info: SourceInfo | None = None,
        threads: int = 0,
        decode_on: str = "",
        alpha_size: tuple[int, int] | None = None,
        luma: bool = False,
        deep_size: tuple[int, int] | None = None,
    ) -> None:
        self.path = Path(path)
        self.info = info if info is not None else probe(self.path)
        self.damage: Damage | None = None
        self.frames_read = 0
        self.resized = 0
        self._strict = strict
        self._singly = False
        self._trouble = Trouble()
        self._threads = threads
        self._decode_on = decode_on
        video = self.info.video
        self._first, self._stop = _pts_of(video, start), _pts_of(video, end)
        check_range(self.info, start, end)
        self._repair = Repair(video.time_base, video.average_rate)
        self._to_rgb = ToRgb(video.colour, video.coded_size)
        if alpha_size is not None:
            self._to_rgb = ToAlpha(video.colour, video.orientation.turned(alpha_size))
        self._to_luma = ToLuma(video.colour, video.coded_size) if luma else None
        if deep_size is not None:
            self._to_rgb, also_size = ToDeep(video.colour, video.orientation.turned(deep_size)), deep_size
        self._to_scaled = ToRgb(video.colour, video.orientation.turned(also_size)) if also_size else None
        self._container: InputContainer | None = None
        self._frames: Iterator[Frame] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        if self._frames is None:
            self._frames = self._read()
        return self._frames

    @property
    def repaired(self) -> int:
        """How many timestamps were missing, repeated or out of order, and are made up."""
        return self._repair.repaired

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what was mended on the way."""
        notes = []
        if self.repaired:
            notes.append(f"{self.repaired} timestamps were missing or not rising and are mended")
        if self.resized:
            notes.append(f"{self.resized} frames had another size and are scaled to the first one's")
        return tuple(notes)

    def close(self) -> None:
        """Let go of the file. Safe to call twice; not while another thread is iterating."""
        if self._container is not None:
            self._container.close()
            self._container = None

    def _read(self) -> Iterator[Frame]:
        frames = self._decoded()
        if self._first is not None:
            frames = self._from_start(frames)
        video = self.info.video
        zero: int | None = None
        for decoded in cropped(deinterlaced(frames, video.time_base), video.crop):
            self.info.reading.check_size(self.path, decoded.width, decoded.height)
            pts = self._repair(decoded.pts, decoded.dts)
            if self._stop is not None and pts >= self._stop:
                break
            if self._first is not None and pts < self._first:
                continue
            zero = pts if zero is None else zero
            self.info.reading.check_length(self.path, float((pts - zero) * video.time_base))
            self.resized += (decoded.width, decoded.height) != video.coded_size
            scaled = video.orientation.upright(self._to_scaled(decoded)) if self._to_scaled else None
            luma = self._to_luma.luma(decoded) if self._to_luma else None
            if luma is not None:
                luma = dataclasses.replace(luma, plane=video.orientation.turn(luma.plane))
            pixels = video.orientation.upright(self._to_rgb(decoded)) if luma is None or scaled is None else scaled
            yield Frame(
                pixels=pixels,
                pts=pts,
                time=video.seconds(pts),
                duration=decoded.duration or None,
                index=self.frames_read,
                scaled=scaled,
                luma=luma,
            )
            self.frames_read += 1
        self.close()
        if self.damage is not None and self._strict:
            raise SourceError(f"{self.path}: {self.damage.message}", STRICT_HINT)
        if not self.frames_read:
            if self._first is not None:
                length = f"; it is {self.info.duration:.2f} s long" if self.info.duration else ""
                raise SourceError(
                    f"no frame of {self.path} lies in the range asked for{length}", "choose an earlier start"
                )
            raise SourceError(f"no frame of {self.path} can be decoded", "the file may be cut off or damaged")

    def _from_start(self, frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        """Go to the key frame before the start; where seeking lands too late, read from the beginning instead."""
        assert self._first is not None
        first = next(frames, None)
        if first is None:
            return iter(())
        counted = self.info.video.stamps == "counted"
        if counted or first.pts is None or first.pts >= self._first or self._container is None:
            return itertools.chain([first], frames)
        stream = self._stream(self._container)
        if self.info.splices:
            # Times of a joined clock cannot be sought, but what comes before the key frame need not be decoded.
            skipped = self._packets_before_key(self._first)
            self.close()
            return self._decoded(skipped)
        try:
            self._container.seek(self._stored(self._first), stream=stream)
        except av.error.FFmpegError:
            return itertools.chain([first], frames)
        self.damage, self._trouble = None, Trouble()
        sought = self._decode(self._container, stream)
        landed = next(sought, None)
        if landed is not None and landed.pts is not None and landed.pts <= self._first:
            return itertools.chain([landed], sought)
        self.close()
        return self._decoded()

    def _packets_before_key(self, first: int) -> int:
        """How many packets come before the last key frame that is shown at `first` or earlier."""
        found, stored = 0, self._stored(first)
        with (
            open_source(self.path, self.info.reading) as container,
            contextlib.suppress(av.error.FFmpegError, OSError, ValueError),
        ):
            packets = demuxed(container, self._stream(container))
            for count, packet in enumerate(map(Clock(self.info.splices), packets)):
                if packet.is_keyframe and packet.pts is not None and packet.pts <= stored:
                    found = count
                if packet.dts is not None and packet.dts > stored:
                    break
        return found

    def _decoded(self, skipped: int = 0) -> Iterator[av.VideoFrame]:
        """All frames, or those after so many packets."""
        self.damage, self._trouble = None, Trouble()
        self._container = open_source(self.path, self.info.reading, self._decode_on)
        return self._decode(self._container, self._stream(self._container), skipped)

    def _stored(self, pts: int) -> int:
        """A timestamp as the file counts, not later."""
        return int(pts * self.info.video.time_base // self.info.video.stored_time_base)

    def _stream(self, container: InputContainer) -> VideoStream:
        stream = only_stream(container, self.info.video.index)
        if not isinstance(stream, av.VideoStream) or stream.codec_context is None:
            raise SourceError(f"{self.path} has changed since it was looked at", "run the command again")
        return stream

    def _decoder(self, stream: VideoStream) -> Decoder:
        return Decoder(stream, self.info.reading, None if self._singly else self._threads)

    def _decode(self, container: InputContainer, stream: VideoStream, skipped: int = 0) -> Iterator[av.VideoFrame]:
        """Decode on past broken packets; note where the trouble began."""
        shown, reached = self.info.video.start, self.info.video.start
        packets = itertools.islice(map(Clock(self.info.splices), demuxed(container, stream)), skipped, None)
        decode, stamps = self._decoder(stream), Stamps(self.info.video)
        torn = fatal = False
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except (av.error.FFmpegError, OSError, ValueError) as error:
                self._trouble.add(error, reached)
                fatal = True
                break
            try:
                frames = decode(packet)
            except av.error.EOFError:
                continue
            except (av.error.FFmpegError, ValueError) as error:
                torn = torn or not packet.size
                where = stamps.even(packet.pts) if self._singly and packet.pts is not None else reached
                self._trouble.add(error, where)
                self._stop_if_strict()
                continue
            for frame in map(stamps, frames):
                if frame.width and frame.height:
                    if frame.pts is not None:
                        shown, reached = frame.pts, frame.pts + (frame.duration or 0)
                    yield frame
        if torn and not self._singly:
            # An error while several decoder threads are being emptied hides the frames behind it.
            yield from self._decode_rest_singly(shown)
        else:
            self._note_damage(reached, fatal=fatal)

    def _decode_rest_singly(self, shown: int) -> Iterator[av.VideoFrame]:
        """The frames after `shown`, by one decoder thread."""
        self._singly, self._decode_on = True, ""
        self.close()
        frames = self._decoded()
        assert self._container is not None
        with contextlib.suppress(av.error.FFmpegError):
            if not self.info.splices:
                self._container.seek(self._stored(shown), stream=self._container.streams[self.info.video.index])
        for frame in frames:
            if frame.pts is not None and frame.pts > shown:
                yield frame

    @property
    def met(self) -> Damage | None:
        """The damage so far."""
        return self._trouble.damage(self.info.video, 0, fatal=False) if self._trouble.packets else None

    def _stop_if_strict(self) -> None:
        if self._strict:
            self._note_damage(0, fatal=False)
            assert self.damage is not None
            raise SourceError(f"{self.path}: {self.damage.message}", STRICT_HINT)

    def _note_damage(self, reached: int, *, fatal: bool) -> None:
        self.damage = self._trouble.damage(self.info.video, reached, fatal=fatal)
