"""Clocks that restart or jump inside a file, as where two recordings were joined, and how they become one.

One pass over the packets, without decoding, finds offsets that hold for all streams alike, wherever in the file reading
begins.
"""

from __future__ import annotations

import bisect
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import av.error

from movie_cli.media.opening import demuxed

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet

TS_DISCONT = 0x0200
"""ffmpeg's AVFMT_TS_DISCONT: timestamps of this format start anywhere and may jump."""

_SEGMENT = b"\x18\x53\x80\x67"
"""Matroska's element that holds all of a recording."""

_MOST_STEPS = 10_000
"""More steps than any film has: timestamps that mean nothing."""

GAP = 10
"""Seconds by which a clock must be ahead to count as jumped, as in ffmpeg (dts_delta_threshold)."""

_WRAP = Fraction(2**33, 90_000)
"""Seconds after which the clock of transport and programme streams begins anew."""

_FAR = 1 << 62

_NOTES = {
    "restart": "its clock restarts {}: picture and sound are joined there",
    "closed": "its clock jumps ahead {} by more than 10 s: the gaps are closed",
    "stray": "single timestamps far from their neighbours are mended {}",
}

_REORDERED = 16
"""Packets after a step among which the first one to be shown is looked for."""


@dataclass(frozen=True)
class Splice:
    """From byte `position` of the file on, `offset` seconds are added to the timestamps.

    `stream` is None for all streams, else the only one to which this and earlier offsets apply from here on.
    """

    position: int
    offset: Fraction
    stream: int | None = None


@dataclass(frozen=True)
class Splices:
    """What a pass over the packets found: the offsets, when the picture ends (in seconds), sentences about them.

    `end` is None where no pass was made.
    """

    splices: tuple[Splice, ...] = ()
    end: Fraction | None = None
    notes: tuple[str, ...] = ()


class Clock:
    """Moves the timestamps of packets, in the order in which they are read, by the offset that holds at their place."""

    def __init__(self, splices: Sequence[Splice]) -> None:
        self._splices = splices
        self._by_stream: dict[int, tuple[list[int], list[Fraction]]] = {}
        self._position: dict[int, int] = {}
        self._duration: dict[int, int] = {}

    def __call__(self, packet: Packet[Any]) -> Packet[Any]:
        """The same packet, moved."""
        if not self._splices:
            return packet
        stream = packet.stream.index
        if stream not in self._by_stream:
            mine = [splice for splice in self._splices if splice.stream in {None, stream}]
            self._by_stream[stream] = [splice.position for splice in mine], [splice.offset for splice in mine]
        # Of several packets that were stored as one only the first has a place.
        position = packet.pos if packet.pos is not None else self._position.get(stream, 0)
        self._position[stream] = position
        if packet.stream.type == "audio":
            # ffmpeg no longer knows it where the clock has gone back, and the last one would be lost without.
            packet.duration = packet.duration or self._duration.get(stream, 0)
            self._duration[stream] = packet.duration
        positions, offsets = self._by_stream[stream]
        after = bisect.bisect_right(positions, position)
        if after and packet.time_base:
            offset = round(offsets[after - 1] / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts + offset
            packet.dts = None if packet.dts is None else packet.dts + offset
        return packet


def may_step(container: InputContainer, path: Path) -> bool:
    """Whether the clock of a file may step, so that all of it must be looked at."""
    return bool(int(container.format.flags) & TS_DISCONT) or _may_restart(container.format.name, path)


def find_splices(container: InputContainer, video: int) -> Splices:
    """Read all packets of picture and sound; `video` is the picture's stream. The container is used up."""
    jumps = bool(int(container.format.flags) & TS_DISCONT)
    tracks: dict[int, _Track] = {}
    for stream in container.streams:
        if stream.type == "audio" or stream.index == video:
            time_base = stream.time_base or Fraction(1, av.time_base)
            rate = stream.average_rate if isinstance(stream, av.VideoStream) else None
            usual = max(1, int(1 / (rate * time_base))) if rate else 1
            tracks[stream.index] = _Track(time_base, jumps, usual, shown=not jumps)
        else:
            stream.discard = av.stream.Discard.all
    with contextlib.suppress(av.error.FFmpegError, OSError, ValueError):
        for packet in demuxed(container):
            if packet.size and packet.stream.index in tracks:
                tracks[packet.stream.index].add(packet)
    picture = tracks.pop(video)
    picture.settle()
    if len(picture.steps) > _MOST_STEPS:
        return Splices()
    return _joined(picture, list(tracks.values()), video)


def _may_restart(name: str, path: Path) -> bool:
    """Whether recordings may have been joined byte by byte, in formats whose clock must not restart."""
    if not name.startswith("matroska"):
        return name in {"flv", "live_flv"}
    with path.open("rb") as file:
        head = file.read(4096)
    place = head.find(_SEGMENT) + len(_SEGMENT)
    if place < len(_SEGMENT) or place + 8 > len(head) or not head[place]:
        return False
    # The length's first bits say of how many bytes it is; all others set: not known when it was written.
    count = 9 - head[place].bit_length()
    mask = (1 << 7 * count) - 1
    length = int.from_bytes(head[place : place + count]) & mask
    return length == mask or place + count + length < path.stat().st_size


def _joined(picture: _Track, sounds: list[_Track], video: int) -> Splices:
    found: list[Splice] = []
    heard = [[step for step in sound.steps if not step.stray] for sound in sounds]
    offset = Fraction(0)
    told = dict.fromkeys(_NOTES, 0)
    for step in picture.steps:
        if step.stray:
            found += [
                Splice(step.position, offset + step.shift, video),
                Splice(step.until, offset, video),
            ]
            told["stray"] += 1
            continue
        # The same place in the file; one step of the sound may seem to meet two of the picture's.
        alike = [next((other for other in sound if other.meets(step)), None) for sound in heard]
        for sound, other in zip(heard, alike, strict=True):
            if other is not None:
                del sound[: sound.index(other) + 1]
        # Sound that would overlap by a whole packet moves both: none of its packets is to be lost.
        offset += max([step.shift, *(other.shift - other.duration for other in alike if other)])
        found.append(Splice(min([step.position, *(other.position for other in alike if other)]), offset))
        told["closed" if -_WRAP / 2 < step.shift < 0 else "restart"] += 1
    notes = tuple(_NOTES[kind].format("once" if n == 1 else f"{n} times") for kind, n in told.items() if n)
    return Splices(tuple(found), picture.end + offset or None, notes)


@dataclass
class _Step:
    """Where a stream's clock steps, between the bytes `before` and `position`; its `end` becomes its new `begin`.

    All times in seconds. A `stray` is one packet alone, up to the byte `until`.
    """

    before: int
    position: int
    end: Fraction
    begin: Fraction
    duration: Fraction
    stray: bool = False
    until: int = _FAR

    @property
    def shift(self) -> Fraction:
        return self.end - self.begin

    def meets(self, other: _Step) -> bool:
        """Whether both may be at one place of the file."""
        return self.before < other.position and other.before < self.position


@dataclass(frozen=True)
class _Stamp:
    """A packet's place and times, in units of its stream."""

    position: int
    dts: int
    pts: int


class _Track:
    """Looks for steps in one stream's decoding times. A step counts if the next packet goes on from it.

    Where only the times of showing are stored (`shown`), key frames tell: all that was stored before is shown before.
    `end` is when the last picture or sound so far ends, in seconds by the clock of its part.
    """

    def __init__(self, time_base: Fraction, jumps: bool, usual: int, *, shown: bool) -> None:
        self.steps: list[_Step] = []
        self.end = Fraction(0)
        self._time_base = time_base
        self._gap = int(GAP / time_base) if jumps else None
        self._shown = shown
        self._expected: int | None = None
        self._duration = usual
        self._position = self._taken = 0
        self._held: _Stamp | None = None

    def add(self, packet: Packet[Any]) -> None:
        """Take the next packet."""
        dts = packet.pts if self._shown else packet.dts
        if dts is None:
            return
        position = packet.pos if packet.pos is not None else self._position
        this = _Stamp(position, dts, packet.pts if packet.pts is not None else dts)
        if self._held is not None:
            held, self._held = self._held, None
            self._decide(held, this)
        told = packet.is_keyframe or not self._shown
        step = self._expected is not None and told and self._is_step(dts, self._expected)
        # Only now: what was expected follows from the one before, and so does whether this one is late.
        if packet.duration:
            self._duration = packet.duration
        elif not self._shown and self._expected and 0 < dts - self._expected + self._duration <= 1 / self._time_base:
            self._duration += dts - self._expected
        if step:
            self._held = this
        else:
            self._take(this)

    def settle(self) -> None:
        """The last packet has come."""
        if self._held is not None:
            self._decide(self._held, None)

    def _is_step(self, dts: int, expected: int) -> bool:
        return dts < expected - self._duration or (self._gap is not None and dts > expected + self._gap)

    def _decide(self, held: _Stamp, following: _Stamp | None) -> None:
        assert self._expected is not None
        step = _Step(
            self._position, held.position, self.end, held.pts * self._time_base, self._duration * self._time_base
        )
        off = held.dts - self._expected
        ahead = None if following is None else following.dts - self._expected - self._duration
        if following is not None and ahead is not None and abs(ahead - off) <= abs(ahead):
            self.steps.append(step)
            self.end, self._taken, self._expected = step.begin, 0, None
            self._take(held)
            return
        # The next one knows nothing of it: a wrong timestamp.
        step.begin, step.end, step.stray = held.dts * self._time_base, self._expected * self._time_base, True
        step.until = _FAR if following is None else following.position
        self.steps.append(step)
        self._expected += self._duration

    def _take(self, stamp: _Stamp) -> None:
        before = self._expected if self._shown else None
        self._position, self._expected = stamp.position, stamp.dts + self._duration
        if before is not None:
            self._expected = max(before, self._expected)
        begin = stamp.pts * self._time_base
        if self.steps and not self.steps[-1].stray and self._taken < _REORDERED:
            self.steps[-1].begin = min(self.steps[-1].begin, begin)
        end = begin + self._duration * self._time_base
        self.end = max(self.end, end) if self._taken else end
        self._taken += 1
