"""What is in a source, as immutable values: sizes in pixels, times in seconds, timestamps in units of `time_base`.

Every number that a broken header may get wrong (rate, rotation, frame count) has been checked before it stands here.
There are no handles in it: a value may be kept, compared, printed as JSON and sent to another process.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from movie_cli.media.boxes import Crop
from movie_cli.media.clock import Splice
from movie_cli.media.colour import ColourTags
from movie_cli.media.orientation import UPRIGHT, Orientation
from movie_cli.options import ReadOptions


@dataclass(frozen=True)
class Chapter:
    """One chapter; `start` and `end` count in `time_base`, as in the file."""

    start: int
    end: int
    time_base: Fraction
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StreamInfo:
    """A stream beside the edited one: audio, subtitles, an attachment, data, a cover picture or a second video.

    `kind` is `audio`, `subtitle`, `attachment`, `data`, `cover` or `video`. `codec` is None where nobody knows it.
    `channels` and `sample_rate` (Hz) are None for all but audio.
    """

    index: int
    kind: str
    codec: str | None
    language: str | None = None
    title: str | None = None
    channels: int | None = None
    sample_rate: int | None = None


@dataclass(frozen=True)
class VideoInfo:
    """The video stream that is edited.

    `coded_size` is (width, height) as stored; `display_size` is that of the upright frames a reader yields, in
    stored pixels, which are square only where `sample_aspect_ratio` is 1. `average_rate` is in frames a second,
    measured where the header's is absurd, None for a single picture. `variable` says that the first frames are not
    evenly spaced. `aspect_stated` tells square pixels that the file states from those it leaves open. `frames` is
    the header's count, which may differ from what decodes, or None. `origin` is the timestamp, in `time_base`, that a
    player shows as 0 s. `start` is the first frame's timestamp. `time_base` is finer than `stored_time_base`, the
    file's own, where that has rounded the times of an even frame rate. `stamps` tells how frames get their times:
    `shown` (stored as they are shown), `decoded` (only the order of decoding is stored) or `counted` (no clock at all).
    `disposition` are ffmpeg's flags, such as 1, default. `captions` says that closed captions are in the pictures.
    `stereo` is how two views share a picture, in Matroska's words such as `left_right`, empty for one view.
    `crop` is what the container has taken off before `coded_size`, beside what the decoder does.
    """

    index: int
    codec: str
    coded_size: tuple[int, int]
    display_size: tuple[int, int]
    pix_fmt: str
    bit_depth: int
    alpha: bool
    interlaced: bool
    average_rate: Fraction | None
    variable: bool
    frames: int | None
    time_base: Fraction
    stored_time_base: Fraction
    origin: int
    start: int
    duration: float | None
    sample_aspect_ratio: Fraction
    colour: ColourTags
    orientation: Orientation = UPRIGHT
    aspect_stated: bool = False
    bit_rate: int | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    disposition: int = 0
    captions: bool = False
    stereo: str = ""
    stamps: Literal["shown", "decoded", "counted"] = "shown"
    crop: Crop | None = None

    @property
    def begin(self) -> Fraction:
        """The first frame's time in seconds on the file's timeline: 0 for whoever watches the picture."""
        return (self.start - self.origin) * self.time_base

    def seconds(self, pts: int) -> float:
        """A timestamp in `time_base` as seconds on the file's timeline."""
        return float((pts - self.origin) * self.time_base)

    @property
    def rotation(self) -> int:
        """Degrees, clockwise, by which a player turns the stored picture: 0, 90, 180 or 270."""
        return self.orientation.degrees

    @property
    def square_pixels(self) -> bool:
        """Whether a pixel is as wide as it is high."""
        return self.sample_aspect_ratio == 1

    @property
    def presentation_size(self) -> tuple[int, int]:
        """Width and height on a screen of square pixels: `display_size` with the width stretched."""
        width, height = self.display_size
        ratio = self.sample_aspect_ratio
        if self.orientation.transpose:
            ratio = 1 / ratio
        return max(1, round(width * ratio)), height


@dataclass(frozen=True)
class SourceInfo:
    """A whole source. `duration` is in seconds, `bit_rate` in bits a second, None where unknown.

    `notes` are sentences about what is unusual and how it is treated. `reading` is how the source was and is to be
    read. `splices` say where its clock restarts or jumps.
    """

    path: Path
    container: str
    duration: float | None
    bit_rate: int | None
    size_bytes: int
    video: VideoInfo
    streams: tuple[StreamInfo, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    reading: ReadOptions = field(default_factory=ReadOptions)
    splices: tuple[Splice, ...] = ()

    @property
    def picture_end(self) -> float | None:
        """Where the picture ends, in seconds on the file's timeline, as far as its header tells."""
        return self.duration if self.video.duration is None else float(self.video.begin) + self.video.duration

    @property
    def length(self) -> float | None:
        """How long the picture lasts, in seconds; where only the file's length is known, what that leaves for it."""
        return None if self.picture_end is None else max(0.0, self.picture_end - float(self.video.begin))

    def of_kind(self, kind: str) -> tuple[StreamInfo, ...]:
        """The other streams of one kind."""
        return tuple(stream for stream in self.streams if stream.kind == kind)

    @property
    def audio(self) -> tuple[StreamInfo, ...]:
        """The audio streams."""
        return self.of_kind("audio")

    @property
    def subtitles(self) -> tuple[StreamInfo, ...]:
        """The subtitle streams."""
        return self.of_kind("subtitle")

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON types; fractions become strings such as `30000/1001`."""
        values = _plain(dataclasses.asdict(self))
        values["video"]["rotation"] = self.video.rotation
        values["video"]["presentation_size"] = list(self.video.presentation_size)
        values["video"]["colour"] = self.video.colour.to_dict()
        del values["reading"]
        assert isinstance(values, dict)
        return values


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, Path):
        return str(value)
    return value
