"""Subtitles that are pictures and are shown until the next: what is on screen where a part begins."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.media.clips import identity_edit, picture


def pgs(state: int, objects: int) -> bytes:
    """A display set of Blu-ray's: a composition with so many (tiny) objects, and its end."""
    placed = b"".join(struct.pack(">HBBHH", number, 0, 0, 1, 1) for number in range(objects))
    body = struct.pack(">HHBHBBBB", 64, 48, 0x10, 1, state, 0, 0, objects) + placed
    return b"\x16" + struct.pack(">H", len(body)) + body + b"\x80\0\0"


def dvb(state: int, regions: int, timeout: int = 9) -> bytes:
    """A page of a broadcast's with so many regions, and its end."""
    body = bytes([timeout, state << 2]) + b"\x01\xff\0\0\0\0" * regions
    return b"\x0f\x10\0\x01" + struct.pack(">H", len(body)) + body + b"\x0f\x80\0\x01\0\0"


def dvd(ends: int) -> bytes:
    """A DVD's picture of one pixel that goes after `ends` units of 1024 / 90000 s."""
    shown = b"\0\0" + struct.pack(">H", 30) + b"\x01\x03\x32\x10\x04\xff\xff\x05\0\0\0\0\0\0\x06\0\x04\0\x05\xff"
    data = b"\x80\x80" + shown
    data += struct.pack(">HH", ends, 4 + len(data)) + b"\x02\xff"
    return struct.pack(">HH", len(data) + 4, 6) + data


def film(path: Path, codec: str, shown: dict[float, bytes]) -> Path:
    """Two seconds, with these packets of bitmap subtitles, which have no duration."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height = 64, 48
        text = container.add_mux_stream(codec)
        container.start_encoding()
        waiting = sorted(shown.items())
        for index in range(50):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
            while waiting and waiting[0][0] <= index / 25:
                time, data = waiting.pop(0)
                packet = av.Packet(data)
                packet.pts = packet.dts = round(time * 1000)
                packet.time_base, packet.stream = Fraction(1, 1000), text
                container.mux(packet)
        container.mux(video.encode(None))
    return path


def texts(path: Path) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        return [(round(float(p.pts * p.time_base), 3), bytes(p)) for p in container.demux(subtitles=0) if p.size]


@pytest.mark.parametrize(
    ("codec", "shown", "kept"),
    [
        # What was shown last, with what it is built upon, and what comes after.
        ("pgssub", {0.1: pgs(0x80, 2), 0.3: pgs(0x80, 1), 0.5: pgs(0, 1), 1.2: pgs(0, 0)}, [0.3, 0.5, 1.2]),
        ("pgssub", {0.1: pgs(0x80, 1), 0.5: pgs(0, 0), 1.2: pgs(0x80, 1)}, [1.2]),
        ("pgssub", {0.1: pgs(0x80, 1)}, [0.1]),
        ("dvbsub", {0.1: dvb(2, 1), 0.3: dvb(0, 1), 1.2: dvb(0, 0)}, [0.1, 0.3, 1.2]),
        ("dvbsub", {0.1: dvb(2, 1), 0.3: dvb(0, 0), 1.2: dvb(2, 1)}, [1.2]),
        ("dvdsub", {0.1: dvd(40), 0.3: dvd(80), 1.2: dvd(10)}, [0.3, 1.2]),
        ("dvdsub", {0.3: dvd(10), 1.2: dvd(20)}, [1.2]),
    ],
)
def test_a_bitmap_that_is_on_screen_where_a_part_begins_is_kept(tmp_path, codec, shown, kept):
    source = film(tmp_path / "in.mkv", codec, shown)
    stored = dict(texts(source))
    report = identity_edit(source, tmp_path / "out.mkv", start=0.8)
    found = texts(tmp_path / "out.mkv")
    assert [data for _, data in found] == [stored[time] for time in kept]
    assert [max(0.0, round(time - 0.8, 3)) for time in kept] == pytest.approx([time for time, _ in found], abs=0.002)
    assert not report.messages


def test_a_damaged_bitmap_harms_nothing(tmp_path):
    source = film(tmp_path / "in.mkv", "dvdsub", {0.1: b"\0\x08\0\x02\0\0\0\x02", 0.2: b"\0", 0.3: b"\0\x04\xff\xff"})
    identity_edit(source, tmp_path / "out.mkv", start=0.8)
    assert len(texts(tmp_path / "out.mkv")) <= 1
