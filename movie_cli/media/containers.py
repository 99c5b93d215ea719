"""The containers that can be written, what each can and cannot do, which one an output gets, and their words for tags.

A language is written in the code that the container takes; what it has no place for is named. A part of a film begins
with the timecode (`HH:MM:SS:FF`) that its first frame had, drop-frame counting included.
"""

from __future__ import annotations

import difflib
import functools
import io
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from movie_cli.errors import OutputError
from movie_cli.media.info import VideoInfo
from movie_cli.media.pictures import WRITTEN, is_pattern
from movie_cli.options import STREAM

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
    if asked is None and str(out) == STREAM:
        return CONTAINERS[".mkv"]
    asked = asked or Path(out).suffix
    known = {key.lstrip("."): value for key, value in CONTAINERS.items()}
    known |= {value.muxer: value for value in CONTAINERS.values()}
    name = asked.lower().lstrip(".")
    if name not in known:
        what = f"the container {asked!r} is not known" if asked else f"{out} has no ending that says its container"
        raise OutputError(what, nearest(name, [key.lstrip(".") for key in CONTAINERS], "use a name that ends in ."))
    container = known[name]
    if container.numbered and not (is_pattern(out, WRITTEN) or str(out) == STREAM):
        raise OutputError(
            f"{out} would be a single picture", f"name a sequence: {Path(out).stem}_%04d{Path(out).suffix}"
        )
    if str(out) == STREAM and not container.pipes:
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


_MUXER_TAGS = {"encoder", "duration", "rotate", "number_of_frames", "number_of_bytes", "bps", "vendor_id"}
"""Stream tags that describe the old file's encoding; the muxer writes its own."""

_TITLES = ISO_MUXERS | {"matroska", "webm", "nut", "avi"}
_ANY_LANGUAGE = frozenset({"matroska", "webm", "nut"})
HOLD_CHAPTERS = ISO_MUXERS | {"matroska", "webm", "nut"}
HOLD_STEREO = frozenset({"matroska", "webm"})
_THREE_LETTERS = frozenset({"mp4", "3gp", "mpegts"})

_LONG: dict[str, str] = dict(
    re.findall(
        r"(..)(...)\s",
        """
aaaar ababk aeave afafr akaka amamh anarg arara asasm avava ayaym azaze babak bebel bgbul bibis bmbam bnben
bobod brbre bsbos cacat ceche chcha cocos crcre csces cuchu cvchv cycym dadan dedeu dvdiv dzdzo eeewe elell
eneng eoepo esspa etest eueus fafas ffful fifin fjfij fofao frfra fyfry gagle gdgla glglg gngrn guguj gvglv
hahau heheb hihin hohmo hrhrv hthat huhun hyhye hzher iaina idind ieile igibo iiiii ikipk ioido isisl itita
iuiku iwheb inind jajpn jiyid jvjav kakat kgkon kikik kjkua kkkaz klkal kmkhm knkan kokor krkau kskas kukur
kvkom kwcor kykir lalat lbltz lglug lilim lnlin lolao ltlit lulub lvlav mgmlg mhmah mimri mkmkd mlmal mnmon
mrmar msmsa mtmlt mymya nanau nbnob ndnde nenep ngndo nlnld nnnno nonor nrnbl nvnav nynya ococi ojoji omorm
orori ososs papan pipli plpol pspus ptpor quque rmroh rnrun roron rurus rwkin sasan scsrd sdsnd sesme sgsag
sisin skslk slslv smsmo snsna sosom sqsqi srsrp ssssw stsot susun svswe swswa tatam tetel tgtgk ththa titir
tktuk tltgl tntsn toton trtur tstso tttat twtwi tytah uguig ukukr ururd uzuzb veven vivie vovol wawln wowol
xhxho yiyid yoyor zazha zhzho zuzul
""",
    )
)
"""ISO 639-1, two letters, to ISO 639-2's terminology codes, three letters."""

_QUICKTIME = {"bod": "tib", "cym": "wel", "deu": "ger", "ell": "gre", "eus": "baq", "fas": "per", "hye": "arm"}
_QUICKTIME |= {"isl": "ice", "kat": "geo", "mkd": "mac", "msa": "may", "mya": "bur", "nld": "dut", "sqi": "alb"}
_QUICKTIME |= {"zho": "chi", "swe": "sve", "hrv": "hr ", "srp": "sr ", "fao": "fo ", "fre": "fra", "rum": "ron"}
_QUICKTIME |= {"cze": "ces", "slo": "slk"}
"""The spellings of ffmpeg's table of QuickTime's languages, where they are others."""

_IN_QUICKTIME = {*_QUICKTIME.values()}
_IN_QUICKTIME |= set(
    re.findall(
        r"\w{3}",
        """
amh ara asm aym aze bel ben bul cat ces dan dzo eng epo est fin fra grn guj heb hin hun ind ita jav jpn kan kas
kaz khm kin kir kor kur lao lat lav lit mal mar mlg mlt mon nep nor nya ori orm pol por pus que ron run rus san
sin slk slv snd som spa swa tam tat tel tgk tgl tha tir tuk tur uig ukr urd uzb vie yid
""",
    )
)


_TIMECODE = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})([:;.])(\d{1,3})", re.ASCII)
_DAY = 24 * 60


def kept_tags(metadata: Mapping[str, str]) -> dict[str, str]:
    """A stream's tags without those that would be untrue of a new encoding."""
    return {
        key: value
        for key, value in metadata.items()
        if key.lower().split("-")[0] not in _MUXER_TAGS and not key.startswith("_STATISTICS")
    }


def stream_tags(
    metadata: Mapping[str, str], muxer: str, label: str, *, picture: bool = False
) -> tuple[dict[str, str], list[str]]:
    """The tags to give a stream in a container of that muxer, and a sentence for each that has no place there.

    `label` is what sentences call the stream; `picture` says that it is the film's.
    """
    tags, lost = kept_tags(metadata), []
    title = tags.get("title") or tags.pop("name", None)
    language = tags.pop("language", "und").strip()
    if title:
        tags["title"] = title
        if muxer in ISO_MUXERS:
            tags["handler_name"] = title  # which players show
    if title and muxer not in _TITLES:
        lost.append(f'the title "{title}" of {label} has no place in {muxer} (.mkv keeps it)')
    code = None if picture and muxer == "mpegts" else language_for(language, muxer)
    if code is not None:
        tags["language"] = code
    elif language != "und":
        lost.append(f"the language {language} of {label} has no place in {muxer} (.mkv keeps it)")
    return tags, lost


def language_for(language: str, muxer: str) -> str | None:
    """A language (ISO 639, or BCP 47 such as `zh-TW`) as a container takes it; None where it has no place for it."""
    if muxer in _ANY_LANGUAGE:
        return language
    first = language.replace("_", "-").partition("-")[0].lower()
    code = _LONG.get(first, {"sve": "swe"}.get(first, first))
    if len(code) != 3 or not (code.isascii() and code.isalpha()) or code == "und":
        return None
    if muxer == "mov":
        code = _QUICKTIME.get(code, code)
        return code if code in _IN_QUICKTIME else None
    return code if muxer in _THREE_LETTERS else None


def advanced(text: str, frames: int, rate: Fraction) -> str:
    """The timecode so many frames later, at `rate` frames a second; text that is no timecode as it is.

    With `;` or `.` before the frames, the first two (of 60: four) numbers of each minute but every tenth are left out.
    """
    found = _TIMECODE.fullmatch(text.strip())
    whole = round(rate)
    if found is None or whole < 1 or not frames:
        return text
    hours, minutes, seconds, count = (int(found[group]) for group in (1, 2, 3, 5))
    dropped = whole // 15 if found[4] != ":" and whole % 30 == 0 else 0
    minute = hours * 60 + minutes
    number = (minute * 60 + seconds) * whole + count - dropped * (minute - minute // 10)
    per_ten = whole * 600 - dropped * 9
    tens, rest = divmod((number + frames) % (per_ten * _DAY // 10), per_ten)
    rest += dropped * max(0, (rest - dropped) // (whole * 60 - dropped))
    total = tens * whole * 600 + rest
    count, total = total % whole, total // whole
    return f"{total // 3600:02d}:{total // 60 % 60:02d}:{total % 60:02d}{found[4]}{count:02d}"


def moved_timecode(tags: Mapping[str, str], video: VideoInfo, start: float | None) -> dict[str, str]:
    """Tags whose timecode is that of the first frame at or after `start`, in seconds on the source's timeline."""
    skipped, rate = 0, video.average_rate
    if start is not None and rate is not None:
        begins = (video.start - video.origin) * video.time_base
        skipped = max(0, math.ceil((Fraction(start) - begins) * rate - Fraction(1, 1000)))
    return {
        name: advanced(value, skipped, rate) if rate is not None and name.lower() == "timecode" else value
        for name, value in tags.items()
    }
