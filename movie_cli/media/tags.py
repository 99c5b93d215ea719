"""A stream's tags in the words of the container they go to: languages, titles, timecodes.

A language is written in the code that the container takes; what it has no place for is named. A part of a film begins
with the timecode (`HH:MM:SS:FF`) that its first frame had, drop-frame counting included.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction

from movie_cli.media.info import VideoInfo

_MUXER_TAGS = {"encoder", "duration", "rotate", "number_of_frames", "number_of_bytes", "bps", "vendor_id"}
"""Stream tags that describe the old file's encoding; the muxer writes its own."""

_ISO = frozenset({"mp4", "mov", "3gp"})
_TITLES = _ISO | {"matroska", "webm", "nut", "avi"}
_ANY_LANGUAGE = frozenset({"matroska", "webm", "nut"})
HOLD_CHAPTERS = frozenset({"mp4", "mov", "3gp", "matroska", "webm", "nut"})
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
        if muxer in _ISO:
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
