"""`probe`: what is in a file, from its header and its first frames.

Only the beginning is decoded: a break further on, or a wrong frame count, is for the reader to find. The packets of
formats whose clock may jump are all looked at.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import av
import av.error
import numpy as np

from movie_cli.errors import SourceError, reason_of
from movie_cli.media import pictures
from movie_cli.media.boxes import container_crop, diagnose
from movie_cli.media.captions import CARRIERS, captions_in
from movie_cli.media.clock import TS_DISCONT, Splices, find_splices, may_step
from movie_cli.media.colour import has_alpha, tags_of
from movie_cli.media.decoding import Decoder, cropped
from movie_cli.media.info import Chapter, SourceInfo, StreamInfo, VideoInfo
from movie_cli.media.opening import demuxed, is_cover, main_video, open_source
from movie_cli.media.orientation import UPRIGHT, Orientation, from_matrix, rotation_matrix
from movie_cli.media.side_data import side_data, stereo_of, unkept
from movie_cli.media.timing import even_time_base, looks_variable, picture_end, sane_rate
from movie_cli.media.tonemap import HLG, PQ
from movie_cli.options import ReadOptions

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

NO_TIMESTAMPS = 0x0080
"""ffmpeg's AVFMT_NOTIMESTAMPS: a bare stream of pictures."""

PEEK_PACKETS = 96
"""Packets that are looked at for the rate and for captions; those that begin later are found on the way."""

HIDDEN = 1.0
"""Seconds by which pictures may end later than a header says, which adds up what lies between them in the file."""

HDR_NAMES = {PQ: "PQ", HLG: "HLG"}

FIRST_FRAME_PACKETS = 600
"""So many packets without one decoded frame, and the file counts as undecodable."""


def probe(path: str | Path, reading: ReadOptions | None = None) -> SourceInfo:
    """Look into a local file (see `opening.local_source` for standard input).

    Raises:
        SourceError: missing, a folder, empty, not a video, no video stream, no index, encrypted, no decoder, no
            frame that decodes; or larger than `reading` allows, or HDR where it refuses that.
    """
    path = Path(path)
    reading = reading or ReadOptions()
    with open_source(path, reading) as container:
        stream = main_video(container, path)
        reading.check_size(path, stream.codec_context.width, stream.codec_context.height)
        declared = _declared_tags(stream)
        frame, packets_pts, reached, captions = _first_frame(container, stream, path, reading)
        reading.check_size(path, frame.width, frame.height)
        crop = container_crop(path, stream.index, container.format.name, (frame.width, frame.height))
        frame = next(cropped(iter([frame]), crop))
        notes: list[str] = []
        files = pictures.find_sequence(path) if pictures.is_pattern(path) else None
        if files is not None and files.beyond:
            last = files.start + files.count - 1
            notes.append(f"number {last + 1} is missing: the sequence ends there, {files.beyond} files are left out")
        video = _video_info(container, stream, frame, packets_pts, declared, notes)
        seen = float(reached * video.stored_time_base - video.start * video.time_base)
        if video.duration is not None and 0 < seen - video.duration < HIDDEN:
            video = dataclasses.replace(video, duration=seen)
        video = dataclasses.replace(video, captions=captions, stereo=stereo_of(frame, stream.metadata), crop=crop)
        notes += unkept(frame)
        if video.colour.hdr and reading.hdr == "refuse":
            raise SourceError(f"{path} is HDR ({HDR_NAMES[video.colour.transfer]})", "--hdr tonemap makes it SDR")
        duration = container.duration / av.time_base if container.duration and container.duration > 0 else None
        subtitled = any(other.type == "subtitle" for other in container.streams)
        joined = Splices()
        if may_step(container, path):
            with open_source(path, reading) as other:
                joined = find_splices(other, stream.index)
        end = joined.end
        if end is None and video.duration is None and subtitled:
            with open_source(path, reading) as other:
                end = picture_end(other, stream.index)
        if end is not None and end > video.start * video.time_base:
            video = dataclasses.replace(video, duration=float(end - video.start * video.time_base))
        if subtitled or joined.end is not None:
            # The header's length is that of whatever ends last, and some subtitles never end; other formats have none.
            duration = video.duration or duration
        return SourceInfo(
            path=path,
            container=container.format.name,
            duration=duration,
            bit_rate=container.bit_rate or None,
            size_bytes=path.stat().st_size if files is None else files.size_bytes,
            video=video,
            streams=tuple(_stream_info(other) for other in container.streams if other.index != stream.index),
            chapters=_chapters(container, video),
            metadata=dict(container.metadata),
            notes=(*notes, *joined.notes),
            reading=reading,
            splices=joined.splices,
        )


def _chapters(container: InputContainer, video: VideoInfo) -> tuple[Chapter, ...]:
    """The chapters. Where no ends are known, as in joined Ogg files, each ends with the next one or the picture."""
    found: list[Chapter] = []
    after = video.start * video.time_base + Fraction(video.duration or 0)
    for chapter in reversed(container.chapters()):
        unit = chapter["time_base"] or Fraction(1)
        end = chapter["end"] if chapter["end"] >= chapter["start"] else max(chapter["start"], round(after / unit))
        found.insert(0, Chapter(chapter["start"], end, unit, dict(chapter["metadata"])))
        after = chapter["start"] * unit
    return tuple(found)


def _first_frame(
    container: InputContainer, stream: VideoStream, path: Path, reading: ReadOptions
) -> tuple[av.VideoFrame, list[int], int, bool]:
    """The first frame that decodes; and of the first packets the timestamps in decoding order, when they all end, and
    whether any has captions.
    """
    decode, stamps, elapsed, reached = Decoder(stream, reading), _stamps(container), 0, 0
    carries, captions = stream.codec_context.codec.canonical_name in CARRIERS, False
    first: av.VideoFrame | None = None
    pts: list[int] = []
    problem = "its video stream is empty"
    try:
        for count, packet in enumerate(demuxed(container, stream)):
            stamp = {"shown": packet.pts, "decoded": packet.dts, "counted": elapsed}[stamps]
            if stamp is not None and packet.size:
                pts.append(stamp)
                elapsed += packet.duration or 0
                if not packet.is_discard:
                    reached = max(reached, stamp + (packet.duration or 0))
            captions = captions or (carries and count < PEEK_PACKETS and bool(captions_in(bytes(packet))))
            if first is None:
                try:
                    frames = decode(packet)
                except (av.error.FFmpegError, ValueError) as error:
                    problem = reason_of(error)
                else:
                    first = next((frame for frame in frames if frame.width and frame.height), None)
            if count >= (FIRST_FRAME_PACKETS if first is None else PEEK_PACKETS):
                break
    except (av.error.FFmpegError, OSError) as error:
        problem = reason_of(error)
    if stamps == "counted":
        pts.append(elapsed)
    if first is None:
        known = diagnose(path, problem)
        if "cannot be read:" not in str(known) and "can be read:" not in str(known):
            raise known
        raise SourceError(
            f"no frame of {path} can be decoded: {problem}", "the file may be cut off, damaged or of a rare format"
        )
    return first, pts, reached, captions


def _video_info(
    container: InputContainer,
    stream: VideoStream,
    frame: av.VideoFrame,
    pts: Sequence[int],
    declared: tuple[int, int, int, int],
    notes: list[str],
) -> VideoInfo:
    stored = time_base = stream.time_base or Fraction(1, av.time_base)
    stamps = _stamps(container)
    orientation = _orientation(frame, notes)
    size = (frame.width, frame.height)
    # What ffmpeg says of a bare stream is a guess.
    header_rate = None if stamps == "counted" else stream.average_rate or stream.guessed_rate
    rate = sane_rate(header_rate, pts, time_base)
    if header_rate and rate and rate != header_rate:
        notes.append(f"the header says {float(header_rate):g} frames a second, the frames {float(rate):.6g}")
    first = {"shown": frame.pts if frame.pts is not None else frame.dts, "decoded": frame.dts, "counted": 0}
    start = first[stamps] or 0
    even = even_time_base(rate, pts, stored)
    if even is not None:
        rate, time_base = even
        start *= int(stored / time_base)
    tags = tags_of(frame, declared)
    alpha = has_alpha(frame.format.name)
    if tags.hdr:
        notes.append(f"the video is HDR ({HDR_NAMES[tags.transfer]}); the model sees its frames tone-mapped to BT.709")
    if frame.interlaced_frame:
        notes.append("the video is interlaced; its frames are deinterlaced (bwdif)")
    return VideoInfo(
        index=stream.index,
        codec=stream.codec_context.codec.canonical_name,
        coded_size=size,
        display_size=orientation.turned(size),
        pix_fmt=frame.format.name,
        bit_depth=max((part.bits for part in frame.format.components), default=8),
        alpha=alpha,
        interlaced=frame.interlaced_frame,
        average_rate=rate,
        variable=looks_variable(pts),
        frames=stream.frames or None,
        time_base=time_base,
        stored_time_base=stored,
        origin=_origin(container, time_base),
        start=start,
        duration=_length(stream, start * time_base, stored),
        sample_aspect_ratio=_aspect(stream),
        colour=tags,
        orientation=orientation,
        aspect_stated=bool(stream.sample_aspect_ratio),
        bit_rate=stream.codec_context.bit_rate or None,
        metadata=dict(stream.metadata),
        disposition=int(stream.disposition),
        stamps=stamps,
    )


def _stamps(container: InputContainer) -> Literal["shown", "decoded", "counted"]:
    """AVI stores the order of decoding alone; what ffmpeg makes of it is not when frames are shown."""
    if int(container.format.flags) & NO_TIMESTAMPS:
        return "counted"
    return "decoded" if container.format.name == "avi" else "shown"


def _length(stream: VideoStream, first: Fraction, time_base: Fraction) -> float | None:
    """Seconds from the first picture's time to the end; where the header lacks them, ffmpeg has taken the file's."""
    if not stream.duration or stream.duration < 0:
        return None
    # With a cover beside it a picture is said to begin with the first sound.
    begin = first if stream.start_time is None else min(first, stream.start_time * time_base)
    length = float(begin + stream.duration * time_base - first)
    return length if length > 0 else None


def _declared_tags(stream: VideoStream) -> tuple[int, int, int, int]:
    context = stream.codec_context
    return (context.color_range, context.colorspace, context.color_primaries, context.color_trc)


def _origin(container: InputContainer, time_base: Fraction) -> int:
    """Players start a transport or programme stream at its first timestamp, any other file at 0."""
    if container.start_time is None or not int(container.format.flags) & TS_DISCONT:
        return 0
    return round(Fraction(container.start_time, av.time_base) / time_base)


def _orientation(frame: av.VideoFrame, notes: list[str]) -> Orientation:
    try:
        data = side_data(frame, "DISPLAYMATRIX")
    except ValueError:
        # PyAV refuses all side data of a frame that has a kind it does not know; the angle alone can still be had.
        found = from_matrix(rotation_matrix(frame.rotation))
    else:
        if data is None or len(data) < 36:
            return UPRIGHT
        found = from_matrix([int(value) for value in np.frombuffer(data[:36], np.int32)])
    if found is None:
        notes.append("its display matrix is not a quarter turn or a mirroring, and is left out")
        return UPRIGHT
    return found


def _aspect(stream: VideoStream) -> Fraction:
    ratio = stream.sample_aspect_ratio
    return ratio if ratio is not None and Fraction(1, 100) <= ratio <= 100 else Fraction(1)


def _stream_info(stream: av.stream.Stream) -> StreamInfo:
    kind: str = stream.type
    if isinstance(stream, av.VideoStream):
        kind = "cover" if is_cover(stream) else "video"
    context = stream.codec_context
    audio = context if isinstance(context, av.AudioCodecContext) else None
    return StreamInfo(
        index=stream.index,
        kind=kind,
        codec=context.codec.canonical_name if context is not None else getattr(stream, "name", None),
        language=stream.metadata.get("language"),
        title=stream.metadata.get("title"),
        channels=audio.channels if audio is not None else None,
        sample_rate=audio.sample_rate if audio is not None else None,
    )
