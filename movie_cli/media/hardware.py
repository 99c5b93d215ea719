"""Decoding and encoding on an NVIDIA GPU (NVDEC, NVENC), where ffmpeg has it and the GPU is really there.

Decoders are taken for codecs alone whose standards fix every bit, so that the pixels are those of software.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction

import av
import av.error
from av import VideoCodecContext
from av.codec import Codec, CodecContext
from av.codec.hwaccel import HWAccel, hwdevices_available

from movie_cli.errors import reason_of
from movie_cli.media.info import VideoInfo

EXACT = frozenset({"h264", "hevc", "vp8", "vp9", "av1"})
"""Codecs whose decoders all give the same pixels; MPEG-1, 2 and 4 leave the inverse transform's rounding open."""
INSTEAD = {"libx264": "h264_nvenc", "libx265": "hevc_nvenc"}
NVENC_OPTIONS = (("preset", "p5"), ("rc", "vbr"), ("cq", "19"), ("b", "0"))
"""Constant quality, about where the software encoder stands by default; `b` 0 lifts NVENC's usual bound of the rate."""


@dataclass(frozen=True)
class Hardware:
    """What a GPU does beside the network: `decode_on` its number, `encoder` its encoder; empty for software.

    `note` says so, and why not.
    """

    decode_on: str = ""
    encoder: str = ""
    note: str = ""


def find_hardware(video: VideoInfo, gpu: str, encoder: str, size: tuple[int, int]) -> Hardware:
    """What the GPU of that number can do for a source and an output of (width, height) `size`.

    `encoder` is the software encoder that the output would have, empty where its encoder is not to be changed.
    """
    missing = why_no_decoder(video, gpu)
    said = [f"decoding {video.codec} " + (f"in software: {missing}" if missing else "with NVDEC")]
    instead = ""
    if encoder:
        instead = INSTEAD.get(encoder, "")
        reason = why_no_encoder(instead, gpu, size) if instead else f"NVENC has no such encoder as {encoder}"
        said.append(f"encoding with {encoder}: {reason}" if reason else f"encoding with {instead}")
        instead = "" if reason else instead
    return Hardware("" if missing else gpu, instead, "; ".join(said))


def why_no_decoder(video: VideoInfo, gpu: str) -> str:
    """Why NVDEC does not decode a stream, in words; empty where it does."""
    if video.codec not in EXACT:
        return "its pixels might differ on NVDEC"
    if video.alpha or video.interlaced:
        return f"NVDEC does not do {'transparency' if video.alpha else 'interlaced pictures'} here"
    return _no_device(video.codec, gpu)


@functools.cache
def _no_device(codec: str, gpu: str) -> str:
    if "cuda" not in hwdevices_available():
        return "this ffmpeg is built without it"
    try:
        HWAccel("cuda", gpu, allow_software_fallback=False).create(Codec(codec, "r"))
    except NotImplementedError:
        return "this ffmpeg has no NVDEC for it"
    except (av.error.FFmpegError, ValueError, OSError) as error:
        return f"no NVDEC answers ({reason_of(error)})"
    return ""


@functools.cache
def why_no_encoder(name: str, gpu: str, size: tuple[int, int]) -> str:
    """Why an NVENC encoder cannot be had for pictures of that size, in words; empty where it can: it was opened."""
    if name not in av.codecs_available:
        return f"this ffmpeg is built without {name}"
    context = CodecContext.create(name, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height = size
    context.pix_fmt, context.time_base, context.framerate = "yuv420p", Fraction(1, 25), Fraction(25)
    context.options = {**dict(NVENC_OPTIONS), "gpu": gpu}
    try:
        context.open()
    except (av.error.FFmpegError, ValueError, OSError) as error:
        return f"{name} does not open ({reason_of(error)})"
    return ""
