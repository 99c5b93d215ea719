"""What must hold of every edit of a made film, whatever is in it.

No packet is lost without a message, picture and sound keep their distance, there are as many frames as were asked for,
each the right one; a second run ends as the first; another ffmpeg finds the same in the output; every error is one line
with a hint and one of the contract's exit codes.
"""

from __future__ import annotations

import contextlib
import io
import math
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from tests.fuzz.films import Case, make
from tests.fuzz.looking import FFPROBE, Look, Track, ffprobe_disagrees, look, sound_of
from tools.command import run_without_network

REFUSED = {2: "empty|cannot hold", 3: "lies in the range|has only", 7: "cannot hold|cannot be copied"}
"""The exit codes that a sound film may end with, and why."""

NEAR = 0.001
"""Seconds by which picture and sound may move against each other, beside the rounding of the containers' clocks."""

BRIGHTNESS = 6

FLAG = {".mp4", ".mov", ".mkv", ".webm"}
"""Containers that say which stream is to be played."""

TERMS = {"chi": "zho", "ger": "deu", "fre": "fra"}
"""Languages have two codes."""

SPEAK = FLAG | {".ts", ".nut"}
"""Containers that say the language of a stream."""


@dataclass(frozen=True)
class Run:
    """One call of the command."""

    code: int
    said: str
    left: tuple[str, ...]
    result: Look | None


def edit(case: Case, source: Path, out: Path) -> Run:
    """Run the command as typed, but for the network."""
    for path in set(out.parent.iterdir()) - {source}:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    said = io.StringIO()
    words = ["edit", "--no-cache", "--progress", "none", "--encoder-preset", "ultrafast", "--detail", "0"]
    words += ["--size", "source", *(["--codec", case.codec] if case.codec else []), *case.options]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = run_without_network([*words, "-o", str(out), "--", str(source), "sepia"])
    left = sorted(path.name for path in out.parent.iterdir() if path not in {source, out})
    return Run(code, said.getvalue(), tuple(left), look(out) if out.exists() else None)


def faults(case: Case, folder: Path, *, twice: bool = True) -> list[str] | None:
    """What does not hold, each a few words and a colon before what is this case's own; None: no such film is made."""
    source, out = folder / f"film{case.film.ending}", folder / f"out{case.ending}"
    try:
        make(case.film, source)
        film = look(source)
    except (av.error.FFmpegError, ValueError):
        return None
    if len(film.frames) < 2 or not film.of("video"):
        return None
    run = edit(case, source, out)
    found = _ending(run)
    if run.result is not None:
        found += [*_picture(case, film, run), *_beside(case, film, run, source, out), *_file(case, film, run)]
        found += ffprobe_disagrees(out, run.result) if FFPROBE and not _newer(case, run.result) else []
    again = edit(case, source, out) if twice else run
    if (again.code, again.result) != (run.code, run.result):
        found.append(f"not the same twice: {run.code} {again.code}: {again.said}")
    return found


def check(case: Case, *, twice: bool = True) -> list[str] | None:
    """`faults` in a folder of their own."""
    with tempfile.TemporaryDirectory(prefix="movie-property-") as folder:
        return faults(case, Path(folder), twice=twice)


def kind_of(fault: str) -> str:
    """A fault without what is a single case's own."""
    return ":".join(fault.split(":")[: 2 if " from " in fault else 1])


def _newer(case: Case, result: Look) -> bool:
    """Whether sound was copied, as asked, that only a newer ffmpeg knows there."""
    return "copy" in case.options and any(
        (case.ending == ".mp4" and track.codec.startswith("pcm")) or (case.ending == ".flv" and track.channels > 2)
        for track in result.of("audio")
    )


def _ending(run: Run) -> list[str]:
    if run.code == 0:
        found = [] if run.result else ["exit 0 without an output: "]
    else:
        error = [line for line in run.said.splitlines() if line.startswith("error: ")]
        hint = [line for line in run.said.splitlines() if line.startswith("hint: ")]
        found = ["an output in spite of an error: "] if run.result else []
        if len(error) != 1 or len(hint) != 1:
            found.append(f"not one line and a hint: {run.said}")
        if not re.search(REFUSED.get(run.code, "$^"), error[0] if error else ""):
            found.append(f"exit {run.code}: {error}")
    return found + ([f"left behind: {run.left}"] if run.left else [])


# -- the picture -------------------------------------------------------------------------------------------------------


def _asked(case: Case, film: Look) -> tuple[float, float]:
    """The part of the film that is asked for, in seconds after the first picture; frames are counted."""
    values = dict(zip(case.options[::2], case.options[1::2], strict=True))
    shown = [time - film.frames[0][0] for time, _ in film.frames]

    def instant(text: str, begin: float) -> float:
        if not text.endswith("f"):
            return begin + float(text[:-1]) - 1e-6
        left = [time for time in shown if time >= begin - 1e-6]
        left += [left[-1] + more / _rate(film) for more in range(1, 20)] if left else [begin] * 20
        return left[int(text[:-1])] - 1e-6

    start = instant(values["--start"], 0) if "--start" in values else 0
    limit = values.get("--end") or values.get("--duration")
    return start, instant(limit, start if "--duration" in values else 0) if limit else 1e9


def _rate(film: Look) -> float:
    return (len(film.frames) - 1) / (film.frames[-1][0] - film.frames[0][0])


def _kept(case: Case, film: Look) -> list[tuple[float, float]]:
    start, end = _asked(case, film)
    zero = film.frames[0][0]
    return [frame for frame in film.frames if start - 1e-6 <= frame[0] - zero < end]


def _counts_frames(case: Case) -> bool:
    """Whether the output has no times of its own."""
    return case.ending == ".avi" or case.codec in {"mpeg4", "mpeg2video"}


def _anchor(case: Case) -> int:
    """The frame from which times are counted. AVI always begins with the first one, and shows it until the others."""
    return -1 if case.ending == ".avi" else 0


def _picture(case: Case, film: Look, run: Run) -> list[str]:
    assert run.result is not None
    wanted, frames = _kept(case, film), run.result.frames
    if len(wanted) != len(frames):
        return [f"number of frames: {len(frames)} instead of {len(wanted)}"]
    found = []
    if max(abs(one[1] - other[1]) for one, other in zip(wanted, frames, strict=True)) > BRIGHTNESS:
        found.append(f"not those frames: {[round(x) for _, x in frames]} instead of {[round(x) for _, x in wanted]}")
    unit = run.result.of("video")[0].unit
    if _counts_frames(case):
        unit = float(case.film.step)
        if len(case.film.gaps) > 1:
            return found
    anchor = _anchor(case)
    zero, zeros = wanted[anchor][0], frames[anchor][0]
    moved = [(one[0] - zero) - (other[0] - zeros) for one, other in zip(wanted, frames, strict=True)]
    if max(map(abs, moved[1:] if anchor else moved), default=0) > unit + film.of("video")[0].unit + 1e-6:
        found.append(
            f"frames at other times: {[round(t, 4) for t, _ in frames]} for {[round(t, 4) for t, _ in wanted]}"
        )
    return found


# -- beside it ---------------------------------------------------------------------------------------------------------


def _beside(case: Case, film: Look, run: Run, source: Path, out: Path) -> list[str]:
    """Whether each stream is there as it was, or a message says what became of it."""
    assert run.result is not None
    found = []
    if not run.result.frames or not _kept(case, film):
        return []
    for kind in ("audio", "subtitle", "cover"):
        tracks, there = film.of(kind), iter(run.result.of(kind))
        if len(run.result.of(kind)) < len(tracks) and kind != "cover":
            tracks = [track for track in tracks if _has_part(case, film, track)]
        for track in tracks:
            told = " ".join(line for line in run.said.splitlines() if re.search(rf"\b{track.index} \(", line))
            if "left out" in told:
                continue
            copy = next(there, None)
            if copy is None:
                found.append(f"{kind} stream is gone without a message: {track.codec} to {case.ending}")
                continue
            if kind == "audio" and ("is converted" in told or "transcode" in case.options):
                found += _heard(case, film, run, track, copy, source, out)
            elif kind != "cover":
                found += _copied(case, film, run, track, copy)
            elif copy.data != track.data:
                found.append("another cover: ")
            found += _described(case, run, track, copy)
    return found


def _has_part(case: Case, film: Look, track: Track) -> bool:
    """Whether a stream has anything to hold in the part asked for. Vorbis decodes its first packet to nothing."""
    must, _ = _in_range(case, film, track, _kept(case, film))
    return bool(must[1:] if track.codec == "vorbis" and must[:1] == track.packets[:1] else must)


def _slack(case: Case, film: Look, run: Run, copy: Track) -> float:
    """How far times may move: a millisecond, and half a unit of each clock that they are written in."""
    assert run.result is not None
    slack = NEAR + (run.result.of("video")[0].unit + copy.unit) / 2
    if _counts_frames(case):
        slack += float(case.film.step)
    if case.ending == ".avi" and copy.packets:
        # Sound that is copied begins with the first packet, not with the part.
        slack += copy.packets[0].length
    if case.ending == ".avi" and len(run.result.frames) == 1:
        return math.inf  # a single picture is shown from the beginning, whenever it was to be
    if copy.codec == "vorbis" and case.ending in (".mp4", ".mov") and copy.packets:
        # Where an edit list begins inside a packet of Vorbis, ffmpeg leaves the whole of it out.
        slack += copy.packets[0].length
    if copy.kind == "subtitle":
        slack += NEAR * len(case.film.cues)  # what mov_text cannot show at once comes one after the other
    if case.film.ending == ".avi":
        # Where the decoder holds frames back, AVI does not tell by how many.
        slack += float(case.film.step) * case.film.reorder
    return slack + 1e-6


def _copied(case: Case, film: Look, run: Run, track: Track, copy: Track) -> list[str]:
    """Compare the packets of a stream that is not encoded anew."""
    assert run.result is not None
    what = f"{track.kind} {track.codec} from {case.film.ending} to {case.ending}"
    wanted = _kept(case, film)
    must, may = _in_range(case, film, track, wanted)
    if not must:
        return []
    if track.codec.startswith("pcm"):
        # Containers cut it into packets as they like.
        at, per_byte = track.data.find(copy.data), sum(p.length for p in track.packets) / len(track.data)
        began = track.packets[0].time + at * per_byte
        short = max(0, began - must[0].time, must[-1].time + must[-1].length - began - len(copy.data) * per_byte)
        if at < 0 or (short > 0.03 and "packet" not in run.said):
            return [f"sound is lost or changed: {what}: {len(copy.data)} of {len(track.data)} bytes"]
        pairs = [(began, copy.packets[0].time)] if copy.packets else []
    else:
        by_data = {packet.data: packet.time for packet in may}
        missing = [p for p in must if p.data not in {packet.data for packet in copy.packets if packet.data}]
        strange = [p for p in copy.packets if p.data and p.data not in by_data]
        if missing and "packet" not in run.said:
            return [f"{track.kind} packets lost: {what}: {len(missing)} of {len(must)}, at {missing[0].time:.3f} s"]
        if strange:
            return [f"{track.kind} packets from elsewhere: {what}: {len(strange)}, at {strange[0].time:.3f} s"]
        pairs = [(by_data[p.data], p.time) for p in copy.packets if p.data]
        if track.kind == "subtitle":
            pairs = [(before, after) for before, after in pairs if before >= wanted[0][0]]
    anchor = _anchor(case)
    apart = [(after - run.result.frames[anchor][0]) - (before - wanted[anchor][0]) for before, after in pairs]
    worst = max(apart, key=abs, default=0.0)
    if abs(worst) > _slack(case, film, run, copy):
        return [f"{track.kind} moves against the picture: {what}: by {worst * 1000:.2f} ms"]
    return []


def _in_range(case: Case, film: Look, track: Track, wanted: list[tuple[float, float]]) -> tuple[list, list]:
    """The packets that must be kept, and those that may be."""
    zero, (_, end) = film.frames[0][0], _asked(case, film)
    packets = [packet for packet in track.packets if packet.data]
    if not case.options:
        return packets, packets
    first = wanted[0][0] if "--start" in case.options else -1e9
    reach = 0.0015 + track.unit
    early = (lambda p: p.time + p.length) if track.kind == "subtitle" else (lambda p: p.time)
    # Where frames are counted, how long the last one is shown is not for the film to say.
    counted = any(option[:-1].isdigit() for option in case.options)
    unsure = max(0, min(zero + end, 1e6) - film.frames[-1][0]) if counted else 0
    must = [p for p in packets if early(p) >= first + 0.001 and p.time < zero + end - unsure - reach]
    may = [p for p in packets if p.time + p.length >= first - 0.001 and p.time < zero + end + unsure + reach]
    return must, may


def _heard(case: Case, film: Look, run: Run, track: Track, copy: Track, source: Path, out: Path) -> list[str]:
    """Compare sound that was encoded anew by ear: by how much it moved, and how long it is."""
    assert run.result is not None
    what = f"{track.codec} from {case.film.ending} to {copy.codec} in {case.ending}"
    (began, before), (begins, after) = sound_of(source, track.index), sound_of(out, copy.index)
    wanted = _kept(case, film)
    if len(before) < 4800 or len(after) < 4800:
        return []
    size = 1 << (len(before) + len(after)).bit_length()
    alike = np.fft.irfft(np.fft.rfft(before, size) * np.conj(np.fft.rfft(after, size)), size)
    lag = int(np.argmax(np.abs(alike)))
    lag -= size if lag > size // 2 else 0
    # Sample 0 of the copy is sample `lag` of the source.
    anchor = _anchor(case)
    moved = (begins - run.result.frames[anchor][0]) - (began + lag / 48000 - wanted[anchor][0])
    found = []
    if abs(moved) > _slack(case, film, run, copy):
        found.append(f"sound encoded anew moves against the picture: {what}: by {moved * 1000:.2f} ms")
    must, _ = _in_range(case, film, track, wanted)
    length = must[-1].time + must[-1].length - must[0].time if must else 0
    if case.ending == ".avi" and must:
        length += max(0, must[0].time - (wanted[0][0] if "--start" in case.options else 0))  # silence
    # Sound is cut between samples, and packets that reach over an end of the part are not among those that must be.
    if abs(length - len(after) / 48000) > 0.03 + 2 * max(packet.length for packet in track.packets):
        found.append(f"sound encoded anew has another length: {what}: {len(after) / 48000:.3f} s for {length:.3f} s")
    return found


def _described(case: Case, run: Run, track: Track, copy: Track) -> list[str]:
    """Compare language and default flag where both containers have a place for them."""
    found = []
    same = {copy.language, TERMS.get(copy.language, ""), "und", ""}
    if case.ending in SPEAK and track.language not in same and "language" not in run.said:
        found.append(f"language of {track.kind}: {track.language} to {copy.language} in {case.ending}")
    # In mp4 and mov one stream of each kind always is the default one.
    free = {".mkv", ".webm"} if copy.default else FLAG
    if case.film.ending in FLAG and case.ending in free and track.default != copy.default and track.kind != "cover":
        found.append(f"default flag of {track.kind}: {track.default} to {copy.default} in {case.ending}")
    return found


def _file(case: Case, film: Look, run: Run) -> list[str]:
    result = run.result
    assert result is not None
    found = _described(case, run, film.of("video")[0], result.of("video")[0])
    longest = max([result.end, *(frame[0] + 3 * float(case.film.step) for frame in result.frames)])
    if result.length is not None and result.length > longest + 0.1:
        found.append(f"longer than anything in it: {result.length:.2f} s, {longest:.2f} s are there")
    if film.chapters and not case.options and case.ending in {".mp4", ".mov", ".mkv"}:
        within = [c for c in film.chapters if c[0] < film.frames[-1][0] - film.frames[0][0]]
        if len(result.chapters) < len(within) and "chapter" not in run.said:
            found.append(f"chapters lost: {result.chapters} of {film.chapters}")
    if any(end > max(longest, film.end) + 0.1 for _, end in result.chapters):
        found.append(f"chapter past the end: {result.chapters}, {longest:.2f} s")
    return found
