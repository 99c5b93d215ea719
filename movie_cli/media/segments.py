"""Segments: some consecutive frames, encoded by an encoder of their own, as packets in a file, and joined later.

Encoding the same frames again gives the same segment, whatever stands before and after it. Segments are joined without
being decoded: their decoding times are made to rise across the borders.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import io
import itertools
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Self

import av
from av.packet import Packet

from movie_cli.errors import OutputError
from movie_cli.media.colour import has_alpha
from movie_cli.media.encoder import FrameEncoder, Picture, plan_video
from movie_cli.media.info import SourceInfo
from movie_cli.media.outfile import output_errors
from movie_cli.options import EncodeOptions

BLOCK = 1 << 20
CHECKSUM_BYTES = 16

MOST_WAITING = 32
"""More frames than any encoder lets wait for one that is shown before them."""


@dataclass(frozen=True)
class PacketEntry:
    """One packet: its length in bytes, its times in the encoder's time base counted from the source's origin."""

    size: int
    pts: int
    dts: int
    duration: int
    keyframe: bool


@dataclass(frozen=True)
class Segment:
    """All about a segment's file but the bytes in it.

    `times` are `(pts, duration)` of its frames in the source's time base. `extradata` is what the encoder wants in the
    file's header. `checksum` is the BLAKE2b of the file. `last_picture` is a CRC-32 of the source's picture that became
    the last frame, by which a reader that starts in the middle knows that it arrived at the right place.
    """

    times: tuple[tuple[int, int | None], ...]
    packets: tuple[PacketEntry, ...]
    extradata: bytes
    checksum: str
    last_picture: int

    @property
    def frames(self) -> int:
        """The number of frames."""
        return len(self.times)

    @property
    def bytes(self) -> int:
        """The file's length."""
        return sum(packet.size for packet in self.packets)

    def to_json(self) -> str:
        """All of it as one line of JSON."""
        values = {
            "times": self.times,
            "packets": [[p.size, p.pts, p.dts, p.duration, int(p.keyframe)] for p in self.packets],
            "extradata": base64.b64encode(self.extradata).decode(),
            "checksum": self.checksum,
            "last_picture": self.last_picture,
        }
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str) -> Segment:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            return cls(
                tuple((int(pts), None if duration is None else int(duration)) for pts, duration in values["times"]),
                tuple(PacketEntry(int(n), int(p), int(d), int(t), bool(k)) for n, p, d, t, k in values["packets"]),
                base64.b64decode(values["extradata"], validate=True),
                str(values["checksum"]),
                int(values["last_picture"]),
            )
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"not a segment: {error}") from error

    def matches(self, path: Path) -> bool:
        """Whether the file holds what was written into it."""
        digest = hashlib.blake2b(digest_size=CHECKSUM_BYTES)
        try:
            with path.open("rb") as file:
                while block := file.read(BLOCK):
                    digest.update(block)
        except OSError:
            return False
        return digest.hexdigest() == self.checksum


class SegmentEncoder:
    """Encodes frames into one segment's file, by the encoder that the output itself would have.

    Args:
        path: The segment's file, which is made or replaced.
        out_path: The output that the segment is for; its ending decides as it does for the output itself.
        source: As for `VideoWriter`; so are `options` and `size`.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(
        self, path: Path, out_path: str | Path, source: SourceInfo, options: EncodeOptions, size: tuple[int, int]
    ) -> None:
        self._path, self._out = path, Path(out_path)
        self._digest = hashlib.blake2b(digest_size=CHECKSUM_BYTES)
        self._entries: list[PacketEntry] = []
        self._times: list[tuple[int, int | None]] = []
        self._source = contextlib.ExitStack()
        setup = plan_video(out_path, source, options, size)
        with output_errors(self._out):
            # Never written to: it only tells the encoder what the container wants, such as headers of its own.
            self._container = av.open(io.BytesIO(), "w", format=setup.plan.container.muxer)
            self._file: BinaryIO | None = path.open("wb")
            try:
                self._encoder = FrameEncoder(setup, self._container)
                self._source.callback(self._encoder.close)
                self._encoder.open()
            except BaseException:
                self.abort()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()

    @property
    def frames_written(self) -> int:
        """The number of frames so far."""
        return len(self._times)

    def write(self, picture: Picture, pts: int, duration: int | None = None) -> None:
        """Encode one frame; see `VideoWriter.write`."""
        frame = self._encoder.frame(picture, pts, duration)
        with output_errors(self._out):
            self._encode(frame)
        self._times.append((pts, duration))

    def finish(self, last_picture: int) -> Segment:
        """Write the rest, make the file safe on the disk, and say what is in it.

        Raises:
            OutputError: it cannot be written.
        """
        assert self._file is not None
        extradata = self._encoder.extradata
        with output_errors(self._out):
            self._encode(None)
            self._file.flush()
            os.fsync(self._file.fileno())
        self._container.close()
        self._source.close()
        self._file.close()
        self._file = None
        packets = mended_decoding_times(self._entries)
        return Segment(tuple(self._times), packets, extradata, self._digest.hexdigest(), last_picture)

    def abort(self) -> None:
        """Drop a file that is not finished. Safe to call twice."""
        if self._file is not None:
            self._container.close()
            self._source.close()
            with contextlib.suppress(OSError):  # a full disk does not take what is still to be written
                self._file.close()
            self._file = None
            self._path.unlink(missing_ok=True)

    def _encode(self, frame: av.VideoFrame | None) -> None:
        assert self._file is not None
        for packet in self._encoder.encode(frame):
            data = bytes(packet)
            self._file.write(data)
            self._digest.update(data)
            self._entries.append(_entry(packet))


def can_be_joined(codec: str, pix_fmt: str) -> bool:
    """Whether a segment's packets are all there is to it.

    Palettes travel beside the packets; a source's transparency is read beside its colours, from the beginning.
    """
    return codec != "gif" and not has_alpha(pix_fmt)


def joined_decoding_times(packets: Sequence[PacketEntry], shown_before: Sequence[int]) -> list[int]:
    """Decoding times of a segment's packets when it follows other frames.

    An encoder that reorders begins its decoding times before its first frame, by the number of frames that may wait.
    In the middle of a video these first times would meet those of the segment before. One encoder for all frames would
    have given them the presentation times of the last frames before, which is what they get here.

    Args:
        packets: In the order in which they are decoded.
        shown_before: Rising presentation times of the frames before, the last 32 or more; empty at the beginning.
    """
    times = [packet.dts for packet in packets]
    if not shown_before or not packets:
        return times
    first = min(packet.pts for packet in packets)
    waiting = next((index for index, time in enumerate(times) if time >= first), len(times))
    for index in range(min(waiting, len(shown_before))):
        times[waiting - 1 - index] = shown_before[-1 - index]
    return times


def _entry(packet: Packet[Any]) -> PacketEntry:
    pts = packet.pts if packet.pts is not None else packet.dts or 0
    dts = packet.dts if packet.dts is not None else pts
    return PacketEntry(packet.size, pts, dts, packet.duration or 0, packet.is_keyframe)


def mend_decoding_times(packets: Sequence[Packet[Any]]) -> None:
    """Give all packets of one encoder the times of `mended_decoding_times`."""
    for packet, mended in zip(packets, mended_decoding_times([_entry(each) for each in packets]), strict=True):
        packet.dts = mended.dts


def mended_decoding_times(packets: Sequence[PacketEntry]) -> tuple[PacketEntry, ...]:
    """The packets of one encoder, in the order of decoding, with decoding times that can be true.

    x265 never sets its delay where fewer frames come than it would let wait, and gives random times then.
    """
    if not packets:
        return ()
    shown = sorted(packet.pts for packet in packets)
    rising = all(one.dts < other.dts for one, other in itertools.pairwise(packets))
    longest = shown[-1] - shown[0] + MOST_WAITING * max(1, *(packet.duration for packet in packets))
    if rising and all(packet.dts <= packet.pts for packet in packets) and shown[0] - packets[0].dts <= longest:
        return tuple(packets)
    step = max(1, shown[1] - shown[0] if len(shown) > 1 else packets[0].duration)
    waiting = max(index - shown.index(packet.pts) for index, packet in enumerate(packets))
    times = [shown[0] - step * (waiting - index) for index in range(waiting)] + shown
    return tuple(dataclasses.replace(packet, dts=dts) for packet, dts in zip(packets, times, strict=False))


class Joiner:
    """Makes the packets of `stream`, whose output begins at `zero`, counted from the source's origin in `time_base`."""

    def __init__(self, stream: av.VideoStream, time_base: Fraction, zero: int) -> None:
        self._stream = stream
        self._time_base = time_base
        self._zero = zero
        self._shown: list[int] = []

    def places(self, segment: Segment) -> list[int]:
        """When the frames of the next segment are shown in the output, rising."""
        shown = sorted(packet.pts for packet in segment.packets)
        # Where frames are counted, not timed, one may begin where its neighbour ends.
        moved = max(0, self._shown[-1] + 1 - (shown[0] - self._zero)) if self._shown else 0
        return [pts - self._zero + moved for pts in shown]

    def packets(self, segment: Segment, path: Path) -> Iterator[tuple[PacketEntry, av.Packet[Any]]]:
        """The packets of the next segment, out of its file, and what they were.

        Raises:
            OSError: the file cannot be read.
            OutputError: it is cut off.
        """
        places = self.places(segment)
        moved = places[0] - min(packet.pts for packet in segment.packets)
        times = joined_decoding_times(segment.packets, [pts - moved for pts in self._shown])
        with path.open("rb") as file:
            for entry, dts in zip(segment.packets, times, strict=True):
                data = file.read(entry.size)
                if len(data) != entry.size:
                    raise OutputError(f"{path} is cut off", "-y starts the edit from the beginning")
                packet: av.Packet[Any] = av.Packet(data)
                packet.pts, packet.dts, packet.duration = entry.pts + moved, dts + moved, entry.duration
                packet.is_keyframe, packet.time_base, packet.stream = entry.keyframe, self._time_base, self._stream
                yield entry, packet
        self._shown = (self._shown + places)[-MOST_WAITING:]
