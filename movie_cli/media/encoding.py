"""Which encoder, pixel format and options an output gets.

What `plan_encoding` returns exists in the ffmpeg that PyAV carries; a name or option nobody knows is refused with the
nearest ones.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.codec import Codec, CodecContext
from av.codec.codec import UnknownCodecError

from movie_cli.errors import OutputError, UsageError
from movie_cli.media.colour import has_alpha
from movie_cli.media.containers import Container, container_for, nearest, takes
from movie_cli.options import EncodeOptions

Deep = Literal["no", "may", "must"]
PALETTE = "pal8"
"""The pixel format of 256 colours, one of which may be transparent."""

_WITH_ALPHA = {"libvpx": "yuva420p", "libvpx-vp9": "yuva420p", "prores_ks": "yuva444p10le", "ffv1": "bgra"}
_WITH_ALPHA |= {
    "png": "rgba",
    "qtrle": "argb",
    "utvideo": "gbrap",
    "libwebp_anim": "bgra",
    "tiff": "rgba",
    "gif": PALETTE,
}
"""Pixel formats for transparency."""

_NO_ALPHA_IN = {"libvpx": {"mp4", "mov", "mpegts", "avi"}, "libvpx-vp9": {"mp4", "mov", "mpegts", "avi"}}
"""Only Matroska and WebM have a place for the transparency of VP8 and VP9."""

_PREFERRED = {
    "libwebp_anim": "bgra",
    "bmp": "bgr24",
    "gif": PALETTE,
    "mjpeg": "yuvj420p",
    "png": "rgb24",
    "tiff": "rgb24",
}

_DEEP = {"libx265": "yuv420p10le", "libsvtav1": "yuv420p10le", "ffv1": "yuv420p10le", "prores_ks": "yuv422p10le"}
"""Encoders whose 10 bits are as common as their 8, best first, with the format for them."""
_SELDOM_DEEP = {"libx264": "yuv420p10le", "dnxhd": "yuv422p10le"}
"""Others, which get 10 bits when these are asked for."""
LEAST_HEVC = 32
"""Pixels of a side from which x265 takes pictures."""

_NAMES = {"h264": "libx264", "x264": "libx264", "avc": "libx264", "h265": "libx265", "hevc": "libx265"}
_NAMES |= {"x265": "libx265", "vp8": "libvpx", "vp9": "libvpx-vp9", "av1": "libsvtav1", "prores": "prores_ks"}

_COMMON = ("h264", "hevc", "av1", "vp9", "prores", "ffv1", "mpeg4", "mpeg2video")

_DEFAULT_CRF = {"libx264": 18, "libx265": 20, "libvpx-vp9": 24, "libvpx": 10, "libsvtav1": 28}
_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")
DEFAULT_PRESET = "veryfast"
_VPX_SPEED = dict(zip(_PRESETS, (8, 8, 7, 6, 5, 4, 2, 1, 0, 0), strict=True))
_SVT_PRESET = dict(zip(_PRESETS, (12, 11, 10, 9, 8, 7, 5, 4, 3, 2), strict=True))

FIXED_RATE_CODECS = frozenset({"mpeg4", "mpeg2video", "mpeg1video", "h263", "msmpeg4", "wmv2"})
"""Encoders whose clock is too coarse for a fine time base."""

_X264_STEADY = "asm=avx2"
"""x264's macroblock tree for AVX-512 now and then makes other bytes of equal frames (seen at 162x122, never without the
tree), and never those that SSSE3 to AVX2 agree on. This also makes machines agree."""

_NUMBERS = frozenset(("INT", "INT64", "UINT", "UINT64", "FLOAT", "DOUBLE", "RATIONAL", "BOOL", "DURATION", "CONST"))
_WORDS = frozenset(("preset", "profile", "level", "tune", "deblock", "partitions", "psy-rd", "vendor"))
"""Options that some encoder takes as a text, which is a choice of its own or a few numbers."""

_EVEN_FORMATS = {"yuv420p": (2, 2), "yuv422p": (2, 1), "yuv420p10le": (2, 2), "yuv422p10le": (2, 1), "nv12": (2, 2)}
_TAKES_ODD = {"libvpx", "libvpx-vp9", "libsvtav1", "ffv1", "rawvideo", "mpeg4", "mpeg2video", "mjpeg", "gif"}
_TAKES_ODD |= {"libwebp_anim", "png", "tiff", "bmp"}


@dataclass(frozen=True)
class Plan:
    """The decision: container, encoder by its ffmpeg name, pixel format, encoder options, sentences to tell.

    `deep` says that more than 8 bits of the source are kept.
    """

    container: Container
    codec: str
    pix_fmt: str
    codec_options: Mapping[str, str]
    messages: tuple[str, ...] = ()
    deep: bool = False


def plan_encoding(
    out: str | Path, options: EncodeOptions, size: tuple[int, int], *, alpha: bool = False, deep: Deep = "no"
) -> Plan:
    """Decide container, encoder and pixel format for an output of `size` (width, height) as stored.

    `alpha` says that the source has transparency, which is kept where codec and container can. `deep` says that the
    source has more than 8 bits, which are kept where the codec is one of 10 bits (`may`), or in any case (`must`).

    Raises:
        OutputError: the container is unknown, or does not take the codec.
        UsageError: the codec is unknown, or an option is unknown to the encoder or has an impossible value; or what
            must be kept cannot be.
    """
    container = container_for(out, options.container)
    if deep == "must" and options.codec is None and container.default_codec not in _DEEP:
        known = _DEEP if min(size) >= LEAST_HEVC else _SELDOM_DEEP
        found = next((name for name in known if takes(container.muxer, name)), None)
        if found is None:
            raise UsageError(f"{out}: {container.muxer} holds no codec of 10 bits", "--hdr tonemap; or such as .mp4")
        options = dataclasses.replace(options, codec=found)
    codec = _codec(options.codec or container.default_codec)
    if not takes(container.muxer, codec.name):
        raise OutputError(
            f"{out}: {container.muxer} cannot hold {codec.name}",
            f"leave out --codec for {container.default_codec}, or choose another ending such as .mkv",
        )
    if alpha and options.pix_fmt is None and container.muxer not in _NO_ALPHA_IN.get(codec.name, ()):
        options = dataclasses.replace(options, pix_fmt=_WITH_ALPHA.get(codec.name))
    if deep != "no" and options.pix_fmt is None and not alpha:
        known = _DEEP | _SELDOM_DEEP if deep == "must" else _DEEP
        options = dataclasses.replace(options, pix_fmt=_deep_format(codec.name, known, size))
    pix_fmt, messages = _pix_fmt(codec, options, size)
    bits = max(part.bits for part in av.VideoFormat(pix_fmt).components)
    if deep == "must" and bits < 10:
        raise UsageError(
            f"--hdr keep needs 10 bits, and {codec.name} as {pix_fmt} has {bits}",
            "--codec hevc, av1 or prores has them; or --hdr tonemap",
        )
    if alpha and not has_alpha(pix_fmt):
        messages = (
            *messages,
            f"{codec.name} in {container.muxer} keeps no transparency: it is laid on black (.webm does)",
        )
    chosen = _codec_options(codec.name, options)
    if codec.name == "libvpx" and has_alpha(pix_fmt):
        # It refuses transparency together with hidden reference frames.
        chosen = {"auto-alt-ref": "0", **chosen}
    return Plan(container, codec.name, pix_fmt, chosen, messages, deep != "no" and bits >= 10)


def _deep_format(codec: str, known: Mapping[str, str], size: tuple[int, int]) -> str | None:
    """The format of 10 bits for pictures of a size as stored."""
    pix_fmt = known.get(codec)
    across, down = _EVEN_FORMATS.get(pix_fmt or "", (1, 1))
    if pix_fmt is not None and codec not in _TAKES_ODD and (size[0] % across or size[1] % down):
        return "yuv444p10le"
    return pix_fmt


def default_pix_fmt(codec: Codec) -> str:
    """yuv420p where the encoder takes it, else its first format; RGB for pictures."""
    if codec.name in _PREFERRED:
        return _PREFERRED[codec.name]
    names = [video_format.name for video_format in codec.video_formats or []]
    return "yuv420p" if not names or "yuv420p" in names else names[0]


def _codec(name: str) -> Codec:
    try:
        codec = Codec(_NAMES.get(name.lower(), name), "w")
    except UnknownCodecError as error:
        raise UsageError(f"the codec {name!r} is not known", _nearest_codec(name)) from error
    if codec.type != "video":
        raise UsageError(f"the codec {name!r} is not for video", _nearest_codec(name))
    return codec


def _nearest_codec(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), [*_COMMON, *_NAMES, *_encoders()], n=1)
    return f"{f'did you mean {near[0]}? ' if near else ''}common ones are {', '.join(_COMMON)}"


@functools.cache
def _encoders() -> tuple[str, ...]:
    found = []
    for name in sorted(av.codecs_available):
        try:
            codec = Codec(name, "w")
        except UnknownCodecError:
            continue
        if codec.type == "video":
            found.append(codec.name)
    return tuple(dict.fromkeys(found))


def _pix_fmt(codec: Codec, options: EncodeOptions, size: tuple[int, int]) -> tuple[str, tuple[str, ...]]:
    names = [video_format.name for video_format in codec.video_formats or []]
    if options.pix_fmt is not None and names and options.pix_fmt not in names:
        raise UsageError(f"{codec.name} has no pixel format {options.pix_fmt!r}", f"it takes {', '.join(names[:8])}")
    pix_fmt = options.pix_fmt or default_pix_fmt(codec)
    across, down = _EVEN_FORMATS.get(pix_fmt, (1, 1))
    if codec.name in _TAKES_ODD or (size[0] % across == 0 and size[1] % down == 0):
        return pix_fmt, ()
    if options.pix_fmt is None and "yuv444p" in names:
        return "yuv444p", (
            f"{size[0]}x{size[1]} has an odd side, which {codec.name} only takes as yuv444p: some players may not show "
            "it (--codec vp9 keeps yuv420p)",
        )
    raise UsageError(
        f"{codec.name} with {pix_fmt} cannot have an odd side ({size[0]}x{size[1]})",
        "choose --pix-fmt yuv444p, --codec vp9, or an even --size",
    )


def _codec_options(codec: str, options: EncodeOptions) -> dict[str, str]:
    preset = options.preset or DEFAULT_PRESET
    if preset not in _PRESETS:
        raise UsageError(f"the encoder preset {preset!r} is not known", nearest(preset, _PRESETS, ""))
    chosen: dict[str, str] = {}
    crf = options.crf if options.crf is not None else _DEFAULT_CRF.get(codec)
    if crf is not None and codec in _DEFAULT_CRF:
        highest = 51 if codec in {"libx264", "libx265"} else 63
        if not 0 <= crf <= highest:
            raise UsageError(f"--crf {crf:g} is not between 0 and {highest}", f"{_DEFAULT_CRF[codec]} is the default")
        chosen["crf"] = f"{crf:g}"
    elif options.crf is not None:
        raise UsageError(f"{codec} has no --crf", "use -e KEY=VALUE with an option of the encoder")
    if codec in {"libx264", "libx265"}:
        chosen["preset"] = preset
    elif codec in {"libvpx", "libvpx-vp9"}:
        speed = _VPX_SPEED[preset]
        # Above 0 VP8's fast mode changes its speed with the machine's load, and its bytes with that.
        sign = "-" if codec == "libvpx" and speed > 5 else ""
        chosen |= {"cpu-used": f"{sign}{speed}", "deadline": "realtime" if speed > 5 else "good"}
        chosen |= {"row-mt": "1"} if codec == "libvpx-vp9" else {}
    elif codec == "libsvtav1":
        chosen["preset"] = str(_SVT_PRESET[preset])
    if codec == "libx265":
        chosen["x265-params"] = "log-level=error"
    extra = dict(options.options)
    if extra:
        _check_extra(codec, extra)
    chosen |= extra
    if codec == "libx264" and wide_vectors():
        chosen["x264-params"] = ":".join(filter(None, (_X264_STEADY, chosen.get("x264-params"))))
    return chosen


@functools.cache
def wide_vectors() -> bool:
    """Whether this machine has the AVX-512 that x264 would use, and with it everything below."""
    found = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    return not {"X86_V4", "AVX512_SKX"}.isdisjoint(found)  # the names of NumPy from 2.4 on, and before


def _check_extra(codec: str, extra: Mapping[str, str]) -> None:
    supported = CodecContext.create(codec, "w").supported_options
    names = [option.name for option in (*supported.private, *supported.generic)]
    for key in extra:
        if key not in names:
            raise UsageError(f"{codec} has no option {key!r}", nearest(key, names, ""))


@functools.cache
def harmless_options() -> frozenset[str]:
    """Encoder options that may come from a stranger, because they can name no file.

    Those that are numbers in every video encoder which has them, and a few texts that are known; flags are not among
    them, as they can ask for statistics, which some encoders write to a file of their own choice.
    """
    numbers, others = set[str](), set[str]()
    for name in _encoders():
        supported = CodecContext.create(name, "w").supported_options
        for option in (*supported.private, *supported.generic):
            (numbers if getattr(option.type, "name", "") in _NUMBERS else others).add(option.name)
    return frozenset((numbers - others) | _WORDS)
