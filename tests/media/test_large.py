"""Files of more than 4 GiB, most of them holes."""

from __future__ import annotations

import struct
from pathlib import Path

from movie_cli.media import probe
from tests.media.clips import identity_edit, make_clip

HOLE = 5 << 30


def boxes(data: bytes, at: int, end: int):
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, at, size
        at += size


def moved(data: bytes, at: int, end: int, by: int) -> bytes:
    """Boxes with 64-bit chunk offsets, all later by so many bytes."""
    made = b""
    for name, begin, size in boxes(data, at, end):
        kind, body = name, data[begin + 8 : begin + size]
        if kind in {b"moov", b"trak", b"mdia", b"minf", b"stbl"}:
            body = moved(data, begin + 8, begin + size, by)
        elif kind == b"stco":
            count = struct.unpack_from(">I", body, 4)[0]
            offsets = struct.unpack_from(f">{count}I", body, 8)
            kind, body = b"co64", body[:8] + b"".join(struct.pack(">Q", offset + by) for offset in offsets)
        made += struct.pack(">I4s", 8 + len(body), kind) + body
    return made


def with_hole(clip: Path, out: Path) -> Path:
    """The clip with a hole before its samples."""
    data = clip.read_bytes()
    place = {kind: (begin, size) for kind, begin, size in boxes(data, 0, len(data))}
    (samples, size), (index, length) = place[b"mdat"], place[b"moov"]
    with out.open("wb") as file:
        file.write(data[: place[b"ftyp"][1]])
        file.write(struct.pack(">I4sQ", 1, b"mdat", 16 + HOLE + size - 8))
        file.seek(HOLE, 1)
        by = file.tell() - (samples + 8)
        file.write(data[samples + 8 : samples + size] + moved(data, index, index + length, by))
    return out


def test_a_source_of_more_than_four_gigabytes(tmp_path):
    source = with_hole(make_clip(tmp_path / "a.mp4", audio=True, faststart=False), tmp_path / "big.mp4")
    info = probe(source)
    assert info.size_bytes > HOLE
    assert identity_edit(source, tmp_path / "out.mp4", start=0.2).frames == 15
    assert probe(tmp_path / "out.mp4").audio
