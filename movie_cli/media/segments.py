"""A segment: some consecutive frames, encoded by an encoder of their own, as packets in a file.

Promises plain values about that file that JSON can hold (`Segment`), a check that the file is what was written, and the
decoding times that make packets of several encoders one stream. Knows nothing of encoders, nor of where segments are.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from movie_cli.media.colour import has_alpha

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
