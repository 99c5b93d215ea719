"""How an output's pictures are stored, and the encoder that is set up for it.

Promises that whoever encodes pictures of one output, whole or in segments, has the very same set-up; what is lost on
the way is in `messages`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.codec import Codec
from av.container import OutputContainer
from av.video.stream import VideoStream

from movie_cli.media.captions import CARRIERS
from movie_cli.media.colour import ColourTags
from movie_cli.media.containers import EncodeOptions, Plan, plan_encoding
from movie_cli.media.info import SourceInfo
from movie_cli.media.muxing import ISO_MUXERS, may_reorder, needs_fixed_rate, output_rate, output_tags
from movie_cli.media.orientation import UPRIGHT, Orientation
from movie_cli.media.side_data import FRAME_PACKING
from movie_cli.media.tags import HOLD_STEREO, stream_tags


@dataclass(frozen=True)
class Picture:
    """What is decided of an output's pictures.

    `codec` is the common name of what the encoder makes. `size` (width, height) is that of the upright frames, `stored`
    that of the encoded ones; `orientation` leads from one to the other. `rate` is what the encoder is told;
    `fixed_rate` says that frames are counted, not timed. `metadata` are the stream's tags.
    """

    plan: Plan
    codec: str
    size: tuple[int, int]
    stored: tuple[int, int]
    orientation: Orientation
    tags: ColourTags
    rate: Fraction
    time_base: Fraction
    fixed_rate: bool
    metadata: dict[str, str]
    messages: tuple[str, ...]

    def add_stream(self, output: OutputContainer, source: SourceInfo, options: EncodeOptions) -> VideoStream:
        """The video stream of an output, its encoder set up but not opened."""
        video = source.video
        stream = output.add_stream(self.plan.codec, rate=self.rate)
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        context.width, context.height = self.stored
        context.pix_fmt = self.plan.pix_fmt
        context.time_base = stream.time_base = self.time_base
        context.framerate = self.rate
        context.flags |= av.codec.context.Flags.frame_duration
        context.thread_count = options.threads
        if not may_reorder(self.plan):
            context.max_b_frames = 0
        context.options.update(self.plan.codec_options)
        if self.plan.container.muxer in ISO_MUXERS and self.codec == "hevc":
            # Apple's players refuse ffmpeg's own choice, hev1.
            context.codec_tag = "hvc1"
        aspect = video.sample_aspect_ratio
        if video.orientation.transpose and not self.orientation.transpose:
            aspect = 1 / aspect
        if video.aspect_stated:
            context.sample_aspect_ratio = aspect
        context.color_range = self.tags.range
        context.colorspace = self.tags.matrix
        context.color_primaries = self.tags.primaries
        context.color_trc = self.tags.transfer
        if not self.orientation.is_upright:
            stream.set_display_matrix(self.orientation.display_matrix(self.size == video.display_size))
        stream.disposition = av.stream.Disposition(video.disposition)
        stream.metadata.update(self.metadata)
        return stream


def plan_picture(out: str | Path, source: SourceInfo, options: EncodeOptions, size: tuple[int, int]) -> Picture:
    """Decide how upright frames of (width, height) `size` are stored in `out`.

    Raises:
        OutputError, UsageError: as `plan_encoding`.
    """
    video = source.video
    container = plan_encoding(out, dataclasses.replace(options, pix_fmt=None, extra={}), (2, 2)).container
    orientation = video.orientation
    if options.rotate == "apply" or not container.display_matrix:
        orientation = UPRIGHT
    stored = orientation.turned(size)
    plan = plan_encoding(out, options, stored, alpha=video.alpha)
    rate, fixed = output_rate(source), needs_fixed_rate(plan)
    messages = list(plan.messages)
    if fixed and video.variable:
        messages.append(f"{plan.container.muxer} keeps one frame rate: times are evened out")
    codec = Codec(plan.codec, "w").canonical_name
    if video.captions and codec not in CARRIERS:
        messages.append(f"closed captions have no place in {codec} here and are left out (--codec h264 keeps them)")
    if video.stereo in FRAME_PACKING and plan.codec == "libx264":
        packing = f"frame-packing={FRAME_PACKING[video.stereo]}"
        params = ":".join(filter(None, (packing, plan.codec_options.get("x264-params"))))
        plan = dataclasses.replace(plan, codec_options={**plan.codec_options, "x264-params": params})
    elif video.stereo and container.muxer not in HOLD_STEREO:
        messages.append(f"how its two views share a picture ({video.stereo}) has no place here (.mkv keeps it)")
    tags, lost = stream_tags(video.metadata, container.muxer, "the picture") if options.metadata else ({}, [])
    if video.stereo and container.muxer in HOLD_STEREO:
        tags["stereo_mode"] = video.stereo
    return Picture(
        plan=plan,
        codec=codec,
        size=size,
        stored=stored,
        orientation=orientation,
        tags=output_tags(video.colour.shown, plan, stored[1]),
        rate=rate,
        time_base=1 / rate if fixed else video.time_base,
        fixed_rate=fixed,
        metadata=tags,
        messages=(*messages, *lost),
    )
