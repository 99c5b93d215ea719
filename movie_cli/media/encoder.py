"""From upright RGB frames to packets: how an output's pictures are stored, and the encoder set up for that.

The muxer of an output and the encoder of one segment use the very same set-up.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec import Codec
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from movie_cli.errors import OutputError
from movie_cli.media.captions import CARRIERS, no_place
from movie_cli.media.colour import FULL, LIMITED, ColourTags, FromRgb, ToPalette, default_matrix, off_black
from movie_cli.media.containers import HOLD_STEREO, ISO_MUXERS, NO_DECODING_TIMES, container_for, stream_tags
from movie_cli.media.deep import DeepCopier, depth_wanted, hdr_plan
from movie_cli.media.encoding import FIXED_RATE_CODECS, PALETTE, Plan, plan_encoding
from movie_cli.media.info import SourceInfo, VideoInfo
from movie_cli.media.orientation import UPRIGHT, Orientation
from movie_cli.media.reader import Frame, FrameReader
from movie_cli.media.side_data import FRAME_PACKING
from movie_cli.media.threads import kept_priority
from movie_cli.options import EncodeOptions

_FIXED_RATE_MUXERS = frozenset({"avi", "yuv4mpegpipe"})
_UNUSABLE_MATRICES = frozenset({0, 8, 10, 14})
_NO_RANGE = frozenset({"prores_ks", "prores", "prores_aw", "mpeg1video", "mpeg2video", "mpeg4", "h263", "flv"})
_NO_RANGE |= {"wmv1", "wmv2", "msmpeg4", "msmpeg4v2", "dnxhd", "libvpx"}
"""Codecs whose streams cannot say that they use the full range: players take them for limited."""
_RANGE_IN_STREAM = frozenset({"h264", "hevc", "av1", "vp9", "mjpeg"})
_RANGE_IN_CONTAINER = frozenset({"matroska", "webm", "yuv4mpegpipe"})
"""Codecs that say so themselves, and muxers that say it for all others."""
_DEFAULT_RATE = Fraction(25)
_HAIR = Fraction(1, 1000)
"""Seconds by which a first picture is not late: some clocks count milliseconds."""

Picture = NDArray[np.uint8] | av.VideoFrame
"""An upright picture `(H, W, 3)` in RGB, or a frame as it is stored."""


@dataclass(frozen=True)
class VideoSetup:
    """What is decided of an output's pictures.

    `codec` is the common name of what the encoder makes. `size` (width, height) is that of the upright frames, `stored`
    that of the encoded ones; `orientation` leads from one to the other. `rate` is what the encoder is told for its rate
    control; `fixed_rate` says that container or encoder count frames instead of storing times. `zero` is the timestamp
    of the source that becomes 0 where the whole of it is edited: its origin, or where frames are counted up to a frame
    before it, so that the first one is at a whole number. `metadata` are the stream's tags, `messages` sentences about
    what is lost on the way.
    """

    source: SourceInfo
    options: EncodeOptions
    plan: Plan
    codec: str
    size: tuple[int, int]
    stored: tuple[int, int]
    orientation: Orientation
    tags: ColourTags
    rate: Fraction
    time_base: Fraction
    fixed_rate: bool
    zero: int
    metadata: dict[str, str]
    messages: tuple[str, ...]


def plan_video(out: str | Path, source: SourceInfo, options: EncodeOptions, size: tuple[int, int]) -> VideoSetup:
    """Decide how upright frames of (width, height) `size` are stored in `out`.

    Raises:
        OutputError, UsageError: as `plan_encoding`.
    """
    video = source.video
    container = container_for(out, options.container)
    orientation = video.orientation
    if options.rotate == "apply" or not container.display_matrix:
        orientation = UPRIGHT
    stored = orientation.turned(size)
    plan = plan_encoding(out, options, stored, alpha=video.alpha, deep=depth_wanted(source))
    asked = (video.average_rate or _DEFAULT_RATE).limit_denominator(65535)
    rate = _rate_of(plan.codec, asked)
    fixed = plan.codec in FIXED_RATE_CODECS or container.muxer in _FIXED_RATE_MUXERS
    messages = list(plan.messages)
    if video.colour.hdr:
        plan, told = hdr_plan(source, plan)
        messages += told
    if abs(rate / asked - 1) > Fraction(1, 1000):
        messages.append(
            f"{plan.codec} has no {float(asked):.6g} frames a second: they are counted in {float(rate):.6g}"
        )
    if fixed and video.variable:
        messages.append(f"{container.muxer} keeps one frame rate: times are evened out")
    codec = Codec(plan.codec, "w").canonical_name
    if video.captions and codec not in CARRIERS:
        messages.append(no_place(codec))
    if video.stereo in FRAME_PACKING and plan.codec == "libx264":
        packing = f"frame-packing={FRAME_PACKING[video.stereo]}"
        params = ":".join(filter(None, (packing, plan.codec_options.get("x264-params"))))
        plan = dataclasses.replace(plan, codec_options={**plan.codec_options, "x264-params": params})
    elif video.stereo and container.muxer not in HOLD_STEREO:
        messages.append(f"how its two views share a picture ({video.stereo}) has no place here (.mkv keeps it)")
    metadata, lost = (
        stream_tags(video.metadata, container.muxer, "the picture", picture=True) if options.metadata else ({}, [])
    )
    if video.stereo and container.muxer in HOLD_STEREO:
        metadata["stereo_mode"] = video.stereo
    return VideoSetup(
        source=source,
        options=options,
        plan=plan,
        codec=codec,
        size=size,
        stored=stored,
        orientation=orientation,
        tags=_output_tags(video.colour if plan.deep else video.colour.shown, plan, stored[1]),
        rate=rate,
        time_base=1 / rate if fixed else video.time_base,
        fixed_rate=fixed,
        zero=_counted_zero(video, rate) if fixed else video.origin,
        metadata=metadata,
        messages=(*messages, *lost),
    )


def _counted_zero(video: VideoInfo, rate: Fraction) -> int:
    """The timestamp from which the first picture is a whole number of frames away."""
    number = math.ceil(((video.start - video.origin) * video.time_base - _HAIR) * rate)
    return video.start - round(number / rate / video.time_base)


def _rate_of(codec: str, rate: Fraction) -> Fraction:
    """The nearest frame rate at or above `rate` that an encoder has; MPEG-1 and MPEG-2 have but a few.

    Raises:
        OutputError: there is none above.
    """
    if codec in FIXED_RATE_CODECS:
        rate = 1 / (1 / rate).limit_denominator(65535)  # MPEG-4 has 16 bits for its clock
    found = Codec(codec, "w").frame_rates
    if not found:
        return rate
    rates = [Fraction(each.numerator, each.denominator) for each in found]
    # A rate that a coarse clock has rounded is not a higher one.
    enough = [each for each in rates if each >= rate * Fraction(999, 1000)]
    if not enough:
        raise OutputError(
            f"{codec} has no more than {float(max(rates)):g} frames a second, and these are {float(rate):g}",
            "--codec h264 takes any rate",
        )
    return min(enough, key=lambda each: abs(each - rate))


def _output_tags(source: ColourTags, plan: Plan, rows: int) -> ColourTags:
    """The tags to write and the matrix and range to convert with.

    The source's own, except that RGB and exotic matrices become the customary YUV one, and that a matrix the source
    left open is written out where an output of `rows` rows would be guessed differently.
    """
    if plan.codec == "mjpeg":
        # JFIF: BT.601, full range.
        return dataclasses.replace(source, range=FULL, matrix=5, effective_matrix=5, effective_range=FULL)
    if av.VideoFormat(plan.pix_fmt).is_rgb:
        return dataclasses.replace(source, range=FULL, matrix=0, effective_range=FULL)
    matrix = source.matrix
    if matrix in _UNUSABLE_MATRICES or (matrix != source.effective_matrix != default_matrix(rows)):
        matrix = source.effective_matrix
    effective_range = source.effective_range
    stated = av.Codec(plan.codec, "w").canonical_name in _RANGE_IN_STREAM or plan.container.muxer in _RANGE_IN_CONTAINER
    if plan.codec in _NO_RANGE or not stated:
        return dataclasses.replace(source, matrix=matrix, range=LIMITED, effective_range=LIMITED)
    if source.range == 0:
        # Pictures in RGB say nothing and are full; video that says nothing is taken for limited.
        effective_range = LIMITED
    return dataclasses.replace(source, matrix=matrix, effective_range=effective_range)


class FrameEncoder:
    """Encodes frames as `setup` says, by the video stream that it adds to a container; `open` it first.

    `zero` is the timestamp of the source that becomes 0: the set-up's, unless somebody sets another. `alpha` adds the
    source's transparency to the frames.
    """

    def __init__(self, setup: VideoSetup, output: OutputContainer, alpha: AlphaCopier | None = None) -> None:
        self.setup = setup
        self.zero = setup.zero
        self.stream = _add_stream(output, setup)
        self._alpha = alpha
        self._deep = DeepCopier(setup.source, setup.size) if setup.plan.deep else None
        pix_fmt = setup.plan.pix_fmt
        self._from_rgb = ToPalette() if pix_fmt == PALETTE else FromRgb(setup.tags, pix_fmt)
        self._last: int | None = None

    @property
    def extradata(self) -> bytes:
        """What the encoder wants in the file's header."""
        return bytes(self.stream.codec_context.extradata or b"")

    def open(self) -> None:
        """Open the encoder.

        Raises:
            av.error.FFmpegError, ValueError: it refuses its options.
        """
        with kept_priority():
            self.stream.codec_context.open(strict=False)

    def frame(self, picture: Picture, pts: int, duration: int | None = None) -> av.VideoFrame:
        """One frame as it is to be encoded.

        Args:
            picture: `(H, W, 3)` uint8 RGB of the set-up's size, upright; or a painted frame of its `Canvas`.
            pts: Its timestamp in the source's `time_base`, later than the one before.
            duration: How long it is shown, in the same unit, or None.
        """
        frame = picture if isinstance(picture, av.VideoFrame) else self._converted(picture, pts)
        frame.time_base = self.setup.time_base
        frame.pts = pts - self.zero
        if self.setup.fixed_rate:
            step = round(frame.pts * self.setup.source.video.time_base / self.setup.time_base)
            frame.pts = self._last = step if self._last is None else max(step, self._last + 1)
        frame.duration = 0 if self.setup.fixed_rate else (duration or 0)
        return frame

    def _converted(self, pixels: NDArray[np.uint8], pts: int) -> av.VideoFrame:
        width, height = self.setup.size
        if pixels.shape != (height, width, 3) or pixels.dtype != np.uint8:
            raise ValueError(f"expected a uint8 array of {(height, width, 3)}, got {pixels.shape}")
        if self._alpha is not None:
            pixels = self._alpha.add(pixels, pts)
        deep = pixels if self._deep is None else self._deep.add(pixels, pts)
        return self._from_rgb(self.setup.orientation.undo(deep))

    def close(self) -> None:
        """Let go of the source."""
        if self._deep is not None:
            self._deep.close()

    def encode(self, frame: av.VideoFrame | None) -> list[Packet[Any]]:
        """The packets that a frame completes; None, the last one, gives those still waiting."""
        return self.stream.encode(frame)


def _add_stream(output: OutputContainer, setup: VideoSetup) -> VideoStream:
    """The video stream of an output, its encoder set up but not opened."""
    video, plan, muxer = setup.source.video, setup.plan, setup.plan.container.muxer
    stream = output.add_stream(plan.codec, rate=setup.rate)
    assert isinstance(stream, VideoStream)
    context = stream.codec_context
    context.width, context.height = setup.stored
    context.pix_fmt = plan.pix_fmt
    context.time_base = stream.time_base = setup.time_base
    context.framerate = setup.rate
    context.flags |= av.codec.context.Flags.frame_duration
    context.thread_count = setup.options.threads
    if not plan.container.negative_times and muxer not in NO_DECODING_TIMES:
        # B-frames begin before 0 in decoding order, for which some muxers move all times.
        context.max_b_frames = 0
    context.options.update(plan.codec_options)
    if muxer in ISO_MUXERS and setup.codec == "hevc":
        # Apple's players refuse ffmpeg's own choice, hev1.
        context.codec_tag = "hvc1"
    aspect = video.sample_aspect_ratio
    if video.orientation.transpose and not setup.orientation.transpose:
        aspect = 1 / aspect
    if video.aspect_stated:
        context.sample_aspect_ratio = aspect
    context.color_range = setup.tags.range
    context.colorspace = setup.tags.matrix
    context.color_primaries = setup.tags.primaries
    context.color_trc = setup.tags.transfer
    if not setup.orientation.is_upright:
        stream.set_display_matrix(setup.orientation.display_matrix(setup.size == video.display_size))
    stream.disposition = av.stream.Disposition(video.disposition)
    stream.metadata.update(setup.metadata)
    return stream


class AlphaCopier:
    """Adds the source's transparency to edited frames of (width, height) `size`; the range is the reader's.

    The networks see colours only, laid on black. A second reader of the source keeps step with the frames.
    """

    def __init__(self, source: SourceInfo, size: tuple[int, int], start: float | None, end: float | None) -> None:
        self._reader = FrameReader(source.path, start, end, info=source, threads=1, alpha_size=size)
        self._frames: Iterator[Frame] = iter(self._reader)
        self._waiting: Frame | None = None

    def add(self, pixels: NDArray[np.uint8], pts: int) -> NDArray[np.uint8]:
        """An edited frame `(H, W, 3)`, and its timestamp in the source, to `(H, W, 4)`. Timestamps must rise."""
        while self._waiting is None or self._waiting.pts < pts:
            following = next(self._frames, None)
            if following is None:
                break
            self._waiting = following
        assert self._waiting is not None
        return off_black(pixels, self._waiting.pixels)

    def close(self) -> None:
        """Let go of the source."""
        self._reader.close()
