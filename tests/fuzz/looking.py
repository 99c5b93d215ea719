"""What a player finds in a file: its streams, every packet, every frame's time and brightness, by PyAV alone."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

FFPROBE = shutil.which("ffprobe")


@dataclass(frozen=True)
class Packet:
    """Content and time of one packet; seconds."""

    data: bytes
    time: float
    length: float


@dataclass
class Track:
    """One stream. `cover` is a picture beside the film. `begin` is when it is first seen or heard, in seconds."""

    index: int
    kind: str
    codec: str
    unit: float
    begin: float
    language: str
    default: bool
    rate: int = 0
    channels: int = 0
    packets: list[Packet] = field(default_factory=list)

    @property
    def data(self) -> bytes:
        """All of it."""
        return b"".join(packet.data for packet in self.packets)


@dataclass(frozen=True)
class Look:
    """A file. `frames` are (time, brightness) in the order in which they are shown; `length` is the file's own word."""

    tracks: tuple[Track, ...]
    frames: tuple[tuple[float, float], ...]
    length: float | None
    chapters: tuple[tuple[float, float], ...]

    def of(self, kind: str) -> list[Track]:
        """The streams of a kind."""
        return [track for track in self.tracks if track.kind == kind]

    @property
    def begin(self) -> float:
        """When the first packet begins."""
        return min(p.time for track in self.tracks for p in track.packets)

    @property
    def end(self) -> float:
        """When the last packet ends."""
        return max(
            (p.time + p.length for track in self.tracks if track.kind != "cover" for p in track.packets), default=0
        )


def look(path: Path) -> Look:
    """Read all of a file."""
    with av.open(str(path), metadata_errors="ignore") as container:
        tracks = {stream.index: _track(stream) for stream in container.streams if stream.type != "attachment"}
        frames = []
        for packet in container.demux():
            track = tracks.get(packet.stream.index)
            if track is None:
                continue
            # AVI has no times but those of decoding, the frames' numbers; what ffmpeg guesses from them is no witness.
            counted = container.format.name == "avi" and track.kind == "video"
            stamp = packet.dts if counted or packet.pts is None else packet.pts
            if packet.size:
                length = float((packet.duration or 0) * packet.time_base)
                track.packets.append(
                    Packet(_plain(track, bytes(packet)), float((stamp or 0) * packet.time_base), length)
                )
            if track.kind == "video":
                frames += [(frame.time, _brightness(frame)) for frame in packet.stream.decode(packet)]
        for track in tracks.values():
            if track.kind == "audio":
                # NUT does not say how long its packets are.
                following = [*track.packets[1:], None][: len(track.packets)]
                track.packets[:] = [
                    one if one.length or after is None else dataclasses.replace(one, length=after.time - one.time)
                    for one, after in zip(list(track.packets), following, strict=True)
                ]
        chapters = tuple(
            (float(chapter["start"] * chapter["time_base"]), float(chapter["end"] * chapter["time_base"]))
            for chapter in container.chapters()
        )
        if container.format.name == "avi":
            picture = next(track for track in tracks.values() if track.kind == "video")
            shown = sorted(packet.time for packet in picture.packets)
            if picture.codec == "mpeg2video":
                # Whose decoder holds one picture back, by which ffmpeg counts all of them later.
                shown = [*shown[1:], shown[-1] + picture.unit]
            frames = [(time, brightness) for time, (_, brightness) in zip(shown, frames, strict=False)]
        length = container.duration / av.time_base if container.duration else None
        return Look(tuple(tracks.values()), tuple(frames), length, chapters)


def _track(stream: av.stream.Stream) -> Track:
    kind, unit = stream.type, float(stream.time_base or Fraction(1, av.time_base))
    if kind == "video" and stream.disposition & av.stream.Disposition.attached_pic:
        kind = "cover"
    return Track(
        stream.index,
        kind,
        stream.codec_context.codec.canonical_name if stream.codec_context else "",
        unit,
        (stream.start_time or 0) * unit,
        stream.language or "",
        bool(stream.disposition & av.stream.Disposition.default),
        *((stream.codec_context.sample_rate, stream.codec_context.channels) if kind == "audio" else ()),
    )


def _plain(track: Track, data: bytes) -> bytes:
    """A packet's content without what a container puts around it."""
    if track.codec == "aac" and data[0] == 0xFF and data[1] & 0xF6 == 0xF0:  # ADTS
        return data[7 if data[1] & 1 else 9 :]
    if track.kind == "subtitle":
        found = re.search(rb"cue \d+", data)
        return found[0] if found else b""
    return data


def _brightness(frame: av.VideoFrame) -> float:
    return float(np.mean(frame.to_ndarray(format="rgb24")))


def sound_of(path: Path, track: int) -> tuple[float, np.ndarray]:
    """What is heard, as float32 of one channel at 48 kHz, and when its first sample is."""
    with av.open(str(path), metadata_errors="ignore") as container:
        resampler = av.AudioResampler("fltp", "mono", 48000)
        begin, parts = None, [np.zeros(0, np.float32)]
        frames: list[av.AudioFrame | None] = []
        for packet in container.demux(container.streams[track]):
            # NUT and FLV end some sound with a packet of nothing, which a decoder refuses.
            with contextlib.suppress(av.error.ArgumentError):
                frames += packet.decode()
        for frame in [*frames, None]:
            begin = frame.time if begin is None and frame is not None else begin
            parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    return begin or 0.0, np.concatenate(parts)


def ffprobe_disagrees(path: Path, seen: Look, longest: float) -> list[str]:
    """In what the installed ffprobe, another build of another version, sees another file.

    `longest` is how long the last frame may be shown, in seconds.
    """
    command = [
        str(FFPROBE),
        "-v",
        "error",
        "-count_packets",
        "-show_streams",
        "-show_format",
        "-of",
        "json",
        f"file:{path}",
    ]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    if done.returncode or done.stderr:
        return [f"ffprobe: {done.stderr.strip()[:200]}"]
    shown = json.loads(done.stdout)
    other = {stream["index"]: stream for stream in shown["streams"]}
    found = []
    for track in seen.tracks:
        if track.kind == "data":
            continue  # what one knows the other need not
        stream = other.get(track.index, {})
        if stream.get("codec_name") != track.codec:
            found.append(f"ffprobe: stream {track.index} is {stream.get('codec_name')}, for PyAV {track.codec}")
        elif int(stream.get("nb_read_packets", 0)) != len(track.packets):
            found.append(
                f"ffprobe: {stream.get('nb_read_packets')} packets of {track.kind}, for PyAV {len(track.packets)}"
            )
    length = float(shown["format"].get("duration", 0))
    # Versions differ in whether the time before the first picture and after the last one, with texts, is part of it,
    # and in whether a film ends by decoding times, which B-frames before a long frame bring closer together.
    begin = float(shown["format"].get("start_time", 0))
    times = [time for time, _ in seen.frames]
    steps = [longest, *(after - before for before, after in itertools.pairwise(times))]
    uneven = max(steps) - min(steps)
    lengths = [length, length - begin]
    if seen.chapters and seen.of("data"):
        lengths.append(seen.chapters[-1][1] - seen.chapters[0][0])  # their text is a stream, whose length one takes
    if not seen.of("subtitle") and min(abs(each - (seen.length or 0)) for each in lengths) > 0.05 + uneven:
        found.append(f"ffprobe: {length} s long, for PyAV {seen.length}")
    return found
