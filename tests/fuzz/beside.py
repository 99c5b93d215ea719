"""What must hold of the streams beside the picture: sound, subtitles and covers are there as they were, or a message
says what became of them, and keep their distance to the picture.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from pathlib import Path

import numpy as np

from tests.fuzz.edits import Run, anchor, asked, counts_frames, kept, origin, rate
from tests.fuzz.films import Case
from tests.fuzz.looking import Look, Track, sound_of

NEAR = 0.001
"""Seconds by which picture and sound may move against each other, beside the rounding of the containers' clocks."""

FLAG = {".mp4", ".mov", ".mkv", ".webm"}
"""Containers that say which stream is to be played."""

TERMS = {"chi": "zho", "ger": "deu", "fre": "fra"}
"""Languages have two codes."""

SPEAK = FLAG | {".ts", ".nut"}
"""Containers that say the language of a stream."""


def beside(case: Case, film: Look, run: Run, source: Path, out: Path) -> list[str]:
    """Whether each stream is there as it was, or a message says what became of it."""
    assert run.result is not None
    found = []
    if not run.result.frames or not kept(case, film):
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
            found += described(case, run, track, copy)
    return found


def _has_part(case: Case, film: Look, track: Track) -> bool:
    """Whether anything of a stream is to be heard in the part asked for. Vorbis decodes its first packet to nothing."""
    wanted = kept(case, film)
    must, _ = _in_range(case, film, track, wanted)
    # Most encoders' beginning is not for hearing.
    packets = [dataclasses.replace(packet, time=max(packet.time, track.begin)) for packet in track.packets]
    heard, _ = _in_range(case, film, dataclasses.replace(track, packets=packets), wanted)
    return bool(heard and (must[1:] if track.codec == "vorbis" and must[:1] == track.packets[:1] else must))


def _slack(case: Case, film: Look, run: Run, copy: Track) -> float:
    """How far times may move: a millisecond, and half a unit of each clock that they are written in."""
    assert run.result is not None
    slack = NEAR + (run.result.of("video")[0].unit + copy.unit) / 2
    if counts_frames(case):
        slack += max(float(case.film.step), 1 / rate(film))  # uneven frames are counted in their mean
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
    wanted = kept(case, film)
    must, may = _in_range(case, film, track, wanted)
    if not must:
        return []
    if track.codec.startswith("pcm"):
        # Containers cut it into packets as they like.
        at, bits = track.data.find(copy.data), int((re.findall(r"\d+", track.codec) or ["8"])[0])
        # By the packet it is in, for times are rounded; and lengths too, where not an edit list ends them.
        per_byte, first = 8 / bits / track.channels / track.rate, 0
        began = track.packets[0].time
        for packet in track.packets:
            if first <= at:
                began = packet.time + (at - first) * per_byte
            first += len(packet.data)
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
    base = anchor(case)
    apart = [(after - run.result.frames[base][0]) - (before - wanted[base][0]) for before, after in pairs]
    worst = max(apart, key=abs, default=0.0)
    if abs(worst) > _slack(case, film, run, copy):
        return [f"{track.kind} moves against the picture: {what}: by {worst * 1000:.2f} ms"]
    return []


def _in_range(case: Case, film: Look, track: Track, wanted: list[tuple[float, float]]) -> tuple[list, list]:
    """The packets that must be kept, and those that may be."""
    zero, (_, end) = film.frames[0][0], asked(case, film)
    packets = [packet for packet in track.packets if packet.data]
    if not case.options:
        return packets, packets
    first = wanted[0][0] if "--start" in case.options else -1e9
    reach = 0.0015 + track.unit
    early = (lambda p: p.time + p.length) if track.kind == "subtitle" else (lambda p: p.time)
    unsure = _unsure(case, film)
    must = [p for p in packets if early(p) >= first + 0.001 and p.time < zero + end - unsure - reach]
    may = [p for p in packets if p.time + p.length >= first - 0.001 and p.time < zero + end + unsure + reach]
    return must, may


def _unsure(case: Case, film: Look) -> float:
    """Seconds by which a part may end elsewhere: how long the last of counted frames is shown, no film says."""
    counted = any(name != "--start" and value.endswith("f") for name, value in itertools.pairwise(case.options))
    return max(0, min(film.frames[0][0] + asked(case, film)[1], 1e6) - film.frames[-1][0]) if counted else 0


def _heard(case: Case, film: Look, run: Run, track: Track, copy: Track, source: Path, out: Path) -> list[str]:
    """Compare sound that was encoded anew by ear: by how much it moved, and how long it is."""
    assert run.result is not None
    what = f"{track.codec} from {case.film.ending} to {copy.codec} in {case.ending}"
    (began, before), (begins, after) = sound_of(source, track.index), sound_of(out, copy.index)
    wanted = kept(case, film)
    if len(before) < 4800 or len(after) < 4800:
        return []
    size = 1 << (len(before) + len(after)).bit_length()
    alike = np.fft.irfft(np.fft.rfft(before, size) * np.conj(np.fft.rfft(after, size)), size)
    lag = int(np.argmax(np.abs(alike)))
    lag -= size if lag >= len(before) else 0
    # Sample 0 of the copy is sample `lag` of the source.
    base = anchor(case)
    moved = (begins - run.result.frames[base][0]) - (began + lag / 48000 - wanted[base][0])
    found = []
    if abs(moved) > _slack(case, film, run, copy):
        found.append(f"sound encoded anew moves against the picture: {what}: by {moved * 1000:.2f} ms")
    must, _ = _in_range(case, film, track, wanted)
    length = must[-1].time + must[-1].length - must[0].time if must else 0
    if case.ending == ".avi" and must:
        length += max(0, must[0].time - origin(case, film))  # silence
    # Sound is cut between samples, and packets that reach over an end of the part are not among those that must be.
    reach = 0.03 + 2 * max(packet.length for packet in track.packets)
    if not -reach <= len(after) / 48000 - length <= reach + 2 * _unsure(case, film):
        found.append(f"sound encoded anew has another length: {what}: {len(after) / 48000:.3f} s for {length:.3f} s")
    return found


def described(case: Case, run: Run, track: Track, copy: Track) -> list[str]:
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
