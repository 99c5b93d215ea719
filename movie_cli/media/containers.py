"""The containers that can be written, what each one can and cannot do, and which one an output gets."""

from __future__ import annotations

import difflib
import functools
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import av

from movie_cli.errors import OutputError
from movie_cli.media.sequence import WRITTEN, is_pattern

STDOUT = "-"
DEFAULT_ENDING = ".mp4"

ISO_MUXERS = frozenset({"mp4", "mov", "3gp"})
NO_DECODING_TIMES = frozenset({"matroska", "webm"})
"""Muxers that store no decoding times, so that negative ones do no harm."""


@dataclass(frozen=True)
class Container:
    """What the writer must know of a container format.

    `display_matrix`: it stores how the picture is turned and players obey. `negative_times`: it can begin before 0,
    as sound with an encoder's lead-in does. `pipes`: it can be written without going back. `only_video`: it holds a
    single video stream. `numbered`: it is one file for each frame. `one_sound`: players only find a single audio
    stream in it. `beside`: the codecs of all other streams that survive, where the muxer would take anything.
    `counts_sound`: its sound is numbered blocks, without a place for when it begins. `sound`: the encoder of what it
    does not hold. `channels`: how many of its sound most players find, None for all. `unplayed`: how codecs begin
    that it holds and most players do not play. `lossless`: it has a place for plain samples. `codec_delay`: it
    notes how much of the first sound is skipped.
    """

    muxer: str
    default_codec: str
    display_matrix: bool = False
    negative_times: bool = False
    pipes: bool = False
    only_video: bool = False
    one_sound: bool = False
    numbered: bool = False
    beside: frozenset[str] | None = None
    counts_sound: bool = False
    sound: str = "aac"
    channels: int | None = None
    unplayed: tuple[str, ...] = ()
    lossless: bool = False
    codec_delay: bool = False


_IN_TRANSPORT = frozenset(
    {"mp2", "mp3", "aac", "aac_latm", "ac3", "eac3", "dts", "truehd", "opus", "dvb_subtitle", "dvb_teletext"}
    | {"klv", "timed_id3", "scte_35"}
)
_IN_FLASH = frozenset({"aac", "mp3", "speex", "nellymoser", "adpcm_swf", "pcm_alaw", "pcm_mulaw"})
"""What FLV had of old; few players know what was added in 2023. Of that is also where more than two channels belong: an
older ffmpeg takes it for another stream, which it cannot copy."""

_UNPLAYED_IN_MP4 = ("pcm_",)
"""Plain samples have a place there (ISO/IEC 23003-5) that few players know; some play those of 24 bits as noise."""

CONTAINERS: Mapping[str, Container] = {
    ".mp4": Container("mp4", "libx264", display_matrix=True, negative_times=True, unplayed=_UNPLAYED_IN_MP4),
    ".m4v": Container("mp4", "libx264", display_matrix=True, negative_times=True, unplayed=_UNPLAYED_IN_MP4),
    ".mov": Container("mov", "libx264", display_matrix=True, negative_times=True, lossless=True),
    ".3gp": Container("3gp", "libx264", display_matrix=True, negative_times=True),
    ".mkv": Container("matroska", "libx264", pipes=True, lossless=True, codec_delay=True),
    ".webm": Container("webm", "libvpx-vp9", pipes=True, sound="libopus", codec_delay=True),
    ".avi": Container("avi", "libx264", sound="libmp3lame", lossless=True, counts_sound=True),
    ".flv": Container("flv", "libx264", beside=_IN_FLASH, one_sound=True, channels=2),
    ".ts": Container("mpegts", "libx264", pipes=True, beside=_IN_TRANSPORT),
    ".mts": Container("mpegts", "libx264", pipes=True, beside=_IN_TRANSPORT),
    ".nut": Container("nut", "libx264", pipes=True, lossless=True),
    ".y4m": Container("yuv4mpegpipe", "rawvideo", pipes=True, only_video=True),
    ".gif": Container("gif", "gif", only_video=True),
    ".webp": Container("webp", "libwebp_anim", only_video=True),
    ".png": Container("image2", "png", only_video=True, numbered=True),
    ".jpg": Container("image2", "mjpeg", only_video=True, numbered=True),
    ".jpeg": Container("image2", "mjpeg", only_video=True, numbered=True),
    ".tif": Container("image2", "tiff", only_video=True, numbered=True),
    ".tiff": Container("image2", "tiff", only_video=True, numbered=True),
    ".bmp": Container("image2", "bmp", only_video=True, numbered=True),
}
"""By the output's ending."""

_ONLY = {"yuv4mpegpipe": {"rawvideo"}, "gif": {"gif"}, "webp": {"libwebp_anim"}}
_ONLY |= {"image2": {container.default_codec for container in CONTAINERS.values() if container.numbered}}
"""What these muxers hold; asking them does not tell."""


def container_for(out: str | Path, asked: str | None) -> Container:
    """The container of an output: the one asked for, by an ending or a muxer's name, or that of its name.

    Raises:
        OutputError: it is not known, or cannot be written there.
    """
    if asked is None and str(out) == STDOUT:
        return CONTAINERS[".mkv"]
    asked = asked or Path(out).suffix
    known = {key.lstrip("."): value for key, value in CONTAINERS.items()}
    known |= {value.muxer: value for value in CONTAINERS.values()}
    name = asked.lower().lstrip(".")
    if name not in known:
        what = f"the container {asked!r} is not known" if asked else f"{out} has no ending that says its container"
        raise OutputError(what, nearest(name, [key.lstrip(".") for key in CONTAINERS], "use a name that ends in ."))
    container = known[name]
    if container.numbered and not (is_pattern(out, WRITTEN) or str(out) == STDOUT):
        raise OutputError(
            f"{out} would be a single picture", f"name a sequence: {Path(out).stem}_%04d{Path(out).suffix}"
        )
    if str(out) == STDOUT and not container.pipes:
        raise OutputError(f"{container.muxer} cannot be written to a pipe", "use matroska, nut or y4m")
    return container


@functools.cache
def takes(muxer: str, codec: str) -> bool:
    """Whether a muxer holds what an encoder makes."""
    if muxer in _ONLY:
        return codec in _ONLY[muxer]
    with av.open(io.BytesIO(), "w", format=muxer) as container:
        try:
            container.add_stream(codec)
        except ValueError:
            return False
    return True


def usual_output(source: Path) -> Path:
    """A name for an output beside a source: of the same kind where that is a video's, else `.mp4`."""
    known = CONTAINERS.get(source.suffix.lower())
    ending = DEFAULT_ENDING if known is None or known.only_video else source.suffix
    return source.with_name(f"{source.stem}-edited{ending}")


def nearest(name: str, known: Iterable[str], lead: str) -> str:
    """A hint for a name nobody knows: those like it, else `lead` and some that are known."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"{lead}{', '.join(sorted(known)[:16])}"
