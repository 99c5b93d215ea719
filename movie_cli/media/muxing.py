"""What encoder and muxer are told so that times, colours and shape come out as the source has them.

Promises pure functions of the source and the plan. Each one answers a habit of some muxer or encoder that would
silently move a timestamp or change a colour.
"""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from typing import TYPE_CHECKING

import av

from movie_cli.media.colour import FULL, LIMITED, ColourTags, default_matrix
from movie_cli.media.containers import FIXED_RATE_CODECS, EncodeOptions, Plan
from movie_cli.media.info import SourceInfo
from movie_cli.media.tags import HOLD_CHAPTERS
from movie_cli.media.timing import shifted_chapters

if TYPE_CHECKING:
    from av.container.core import Chapter as MuxChapter

NO_DECODING_TIMES = frozenset({"matroska", "webm"})
"""Muxers that store no decoding times, so that negative ones do no harm."""

ISO_MUXERS = frozenset({"mp4", "mov", "3gp"})
_FIXED_RATE_MUXERS = frozenset({"avi", "yuv4mpegpipe"})
_UNUSABLE_MATRICES = frozenset({0, 8, 10, 14})
_NO_RANGE = frozenset({"prores_ks", "prores", "prores_aw", "mpeg1video", "mpeg2video", "mpeg4", "h263", "flv"})
_NO_RANGE |= {"wmv1", "wmv2", "msmpeg4", "msmpeg4v2", "dnxhd", "libvpx"}
"""Codecs whose streams cannot say that they use the full range: players take them for limited."""
_MAX_TIMESCALE = 2**31 - 1
_DEFAULT_RATE = Fraction(25)


def output_rate(source: SourceInfo) -> Fraction:
    """The frame rate encoders are told, for their rate control; timestamps do not follow it."""
    return (source.video.average_rate or _DEFAULT_RATE).limit_denominator(65535)


def needs_fixed_rate(plan: Plan) -> bool:
    """Whether the container or encoder counts frames instead of storing times."""
    return plan.codec in FIXED_RATE_CODECS or plan.container.muxer in _FIXED_RATE_MUXERS


def output_tags(source: ColourTags, plan: Plan, rows: int) -> ColourTags:
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
    if plan.codec in _NO_RANGE:
        return dataclasses.replace(source, matrix=matrix, range=LIMITED, effective_range=LIMITED)
    if source.range == 0:
        # Pictures in RGB say nothing and are full; video that says nothing is taken for limited.
        effective_range = LIMITED
    return dataclasses.replace(source, matrix=matrix, effective_range=effective_range)


def free_tags(source: SourceInfo, plan: Plan, options: EncodeOptions, added: bool) -> bool:
    """Whether an mp4 is written with freely named tags. It then cannot hold a cover picture: tags `added` go first."""
    return plan.container.muxer in ISO_MUXERS and (added or not options.metadata or not source.of_kind("cover"))


def muxer_options(source: SourceInfo, plan: Plan, time_base: Fraction, *, trimmed: bool, free: bool) -> dict[str, str]:
    """Options for the muxer that keep it from rounding or moving times; `free` as `free_tags` says."""
    if plan.container.muxer in ISO_MUXERS:
        unit = time_base.denominator
        movie = math.lcm(unit, *(stream.sample_rate or 1 for stream in source.audio))
        return {
            "movflags": "+faststart+use_metadata_tags" if free else "+faststart",
            # Edit lists are counted in the movie's clock, milliseconds by default.
            "movie_timescale": str(movie if movie <= _MAX_TIMESCALE else min(unit, _MAX_TIMESCALE)),
            "video_track_timescale": str(min(unit, _MAX_TIMESCALE)),
        }
    starts_late_enough = trimmed or source.video.start >= source.video.origin
    if plan.container.muxer in NO_DECODING_TIMES and starts_late_enough:
        return {"avoid_negative_ts": "disabled"}
    return {}


def may_reorder(plan: Plan) -> bool:
    """Whether B-frames do no harm. They begin before 0 in decoding order, for which some muxers move all times."""
    return plan.container.negative_times or plan.container.muxer in NO_DECODING_TIMES


def output_chapters(
    source: SourceInfo, muxer: str, start: float | None, end: float | None
) -> tuple[list[MuxChapter], list[str]]:
    """The source's chapters as they are in the part from `start` to `end`, and a sentence where there is no place."""
    if muxer not in HOLD_CHAPTERS:
        return [], [f"{muxer} has no chapters: the source's are left out"] if source.chapters else []
    origin = source.video.origin * source.video.time_base
    ends = [limit for limit in (end, source.picture_end) if limit is not None]
    return shifted_chapters(source.chapters, origin, start, min(ends, default=None)), []
