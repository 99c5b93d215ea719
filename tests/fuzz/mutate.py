"""Damages a video file in the ways that storage, networks, bad muxers and malice do.

Promises the same bytes for the same source and random generator. Knows the outlines of ISO media (boxes), Matroska
(EBML elements) and MPEG-TS (packets), so that damage reaches behind the first check; everything else is bytes.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass

_BOXES_WITH_BOXES = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"moof", b"traf", b"mvex", b"udta"}
_ELEMENTS_WITH_ELEMENTS = {
    *(0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0, 0xE1, 0x1F43B675, 0xA0, 0x1C53BB6B, 0xBB, 0x114D9B74, 0x6D80),
}
INTERESTING = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@dataclass(frozen=True)
class Part:
    """A box, element or packet: where it starts, where its content starts, and where it ends."""

    start: int
    content: int
    end: int
    depth: int


def mutate(data: bytes, rng: random.Random, others: list[bytes]) -> tuple[bytes, list[str]]:
    """One to four kinds of damage; returns the bytes and what was done. `others` are files to take pieces from."""
    done = []
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        if not data:
            break
        structured = _parts(data)
        kinds: list[Callable[..., tuple[bytes, str]]] = [flip, flip, overwrite, truncate, cut, repeat]
        if structured:
            kinds += [resize, swap, duplicate, remove, retype, field, field, field] * 2
        kind = rng.choice(kinds)
        data, what = kind(data, rng, structured)
        done.append(what)
    if rng.random() < 0.03:
        data, what = splice(data, rng, rng.choice(others))
        done.append(what)
    return data, done


# -- bytes -------------------------------------------------------------------------------------------------------------


def _place(data: bytes, rng: random.Random) -> int:
    """A position; often near the beginning, where headers are, or the end."""
    span = rng.choice((64, 1024, 8192, len(data), len(data)))
    offset = rng.randrange(min(span, len(data)))
    return len(data) - 1 - offset if rng.random() < 0.2 else offset


def flip(data: bytes, rng: random.Random, parts: list[Part]) -> tuple[bytes, str]:
    """Flip up to 64 bits."""
    out = bytearray(data)
    count = rng.choice((1, 1, 2, 4, 16, 64))
    for _ in range(count):
        out[_place(data, rng)] ^= 1 << rng.randrange(8)
    return bytes(out), f"flip {count} bits"


def overwrite(data: bytes, rng: random.Random, parts: list[Part]) -> tuple[bytes, str]:
    """Overwrite a stretch with zeros, ones or noise."""
    at, length = _place(data, rng), rng.choice((1, 4, 16, 188, 1024))
    length = min(length, len(data) - at)
    filling = rng.choice((bytes(length), b"\xff" * length, rng.randbytes(length)))
    return data[:at] + filling + data[at + length :], f"overwrite {length} at {at}"


def truncate(data: bytes, rng: random.Random, parts: list[Part]) -> tuple[bytes, str]:
    """Cut off the end."""
    at = max(rng.randrange(len(data)), rng.randrange(len(data)))
    return data[:at], f"truncate to {at}"


def cut(data: bytes, rng: random.Random, parts: list[Part]) -> tuple[bytes, str]:
    """Take a stretch out."""
    at, length = _place(data, rng), rng.choice((1, 2, 4, 188, 4096))
    return data[:at] + data[at + length :], f"cut {length} at {at}"


def repeat(data: bytes, rng: random.Random, parts: list[Part]) -> tuple[bytes, str]:
    """Insert a copy of a stretch somewhere else."""
    start, at, length = _place(data, rng), _place(data, rng), rng.choice((1, 4, 188, 4096))
    return data[:at] + data[start : start + length] + data[at:], f"repeat {length} of {start} at {at}"


def splice(data: bytes, rng: random.Random, other: bytes) -> tuple[bytes, str]:
    """Go on in the middle of another file."""
    at, begin = rng.randrange(len(data) + 1), rng.randrange(len(other) + 1)
    return data[:at] + other[begin:], f"splice at {at} with another file's {begin}"


# -- structure ---------------------------------------------------------------------------------------------------------


def resize(data: bytes, rng: random.Random, parts: list[Part]) -> tuple[bytes, str]:
    """Let a box or element claim another size."""
    part = rng.choice(parts)
    out = bytearray(data)
    if _is_ebml(data):
        at = part.start + _id_length(data[part.start])
        out[at] = rng.choice((0x80, 0x81, 0xFF, 0x01, 0x40, rng.randrange(256)))
    else:
        size = rng.choice((*INTERESTING, part.end - part.start + rng.randrange(-16, 17))) & 0xFFFFFFFF
        out[part.start : part.start + 4] = struct.pack(">I", size)
    return bytes(out), f"resize at {part.start}"


def swap(data: bytes, rng: random.Random, parts: list[Part]) -> tuple[bytes, str]:
    """Swap two parts that do not overlap."""
    one, other = sorted(rng.choices(parts, k=2), key=lambda part: part.start)
    if one.end > other.start:
        return duplicate(data, rng, parts)
    middle = data[one.end : other.start]
    swapped = data[other.start : other.end] + middle + data[one.start : one.end]
    return data[: one.start] + swapped + data[other.end :], f"swap {one.start} and {other.start}"


def duplicate(data: bytes, rng: random.Random, parts: list[Part]) -> tuple[bytes, str]:
    """Put a part there twice."""
    part = rng.choice(parts)
    return data[: part.end] + data[part.start : part.end] + data[part.end :], f"duplicate {part.start}"


def remove(data: bytes, rng: random.Random, parts: list[Part]) -> tuple[bytes, str]:
    """Leave a part out."""
    part = rng.choice(parts)
    return data[: part.start] + data[part.end :], f"remove {part.start} to {part.end}"


def retype(data: bytes, rng: random.Random, parts: list[Part]) -> tuple[bytes, str]:
    """Give a part another's name."""
    part, other = rng.choice(parts), rng.choice(parts)
    out = bytearray(data)
    if _is_ebml(data):
        out[part.start] ^= 1 << rng.randrange(8)
    else:
        out[part.start + 4 : part.start + 8] = data[other.start + 4 : other.start + 8]
    return bytes(out), f"retype {part.start}"


def field(data: bytes, rng: random.Random, parts: list[Part]) -> tuple[bytes, str]:
    """Write a number of the kind that overflows into a part's content."""
    inner = [part for part in parts if part.end - part.content <= 4096] or parts
    part = rng.choice(inner)
    out = bytearray(data)
    length = part.end - part.content
    if length <= 0:
        return resize(data, rng, parts)
    at = part.content + rng.randrange(min(length, 256))
    width = rng.choice((1, 2, 4, 4, 8))
    out[at : at + width] = (rng.choice(INTERESTING) & (256**width - 1)).to_bytes(width, "big")
    return bytes(out[: max(len(data), at + width)]), f"field at {at}, {width} bytes"


def _is_ebml(data: bytes) -> bool:
    return data[:4] == b"\x1a\x45\xdf\xa3"


def _parts(data: bytes) -> list[Part]:
    if _is_ebml(data):
        return _elements(data, 0, len(data), 0)
    if data[4:8] in {b"ftyp", b"moov", b"styp", b"wide", b"mdat"}:
        return _boxes(data, 0, len(data), 0)
    if len(data) > 376 and data[0] == data[188] == 0x47:
        return [Part(at, at + 4, at + 188, 0) for at in range(0, len(data) - 187, 188)]
    if data[:3] == b"FLV":
        return _flv_tags(data)
    return []


def _boxes(data: bytes, start: int, end: int, depth: int) -> list[Part]:
    found = []
    while start + 8 <= end and len(found) < 2000:
        size, kind = struct.unpack_from(">I4s", data, start)
        if size < 8 or start + size > end:
            break
        found.append(Part(start, start + 8, start + size, depth))
        if kind in _BOXES_WITH_BOXES and depth < 8:
            found += _boxes(data, start + 8, start + size, depth + 1)
        elif kind == b"stsd" and size > 24:
            found += _boxes(data, start + 16, start + size, depth + 1)
        start += size
    return found


def _id_length(first: int) -> int:
    return 9 - first.bit_length() if first >= 0x10 else 4


def _elements(data: bytes, start: int, end: int, depth: int) -> list[Part]:
    found = []
    while start + 2 <= end and len(found) < 2000:
        width = _id_length(data[start])
        if start + width >= end:
            break
        name = int.from_bytes(data[start : start + width], "big")
        first = data[start + width]
        size_width = 9 - first.bit_length() if first else 8
        size = int.from_bytes(data[start + width : start + width + size_width], "big") & ((1 << (7 * size_width)) - 1)
        content = start + width + size_width
        unknown = size == (1 << (7 * size_width)) - 1
        stop = end if unknown else min(content + size, end)
        found.append(Part(start, min(content, end), stop, depth))
        if name in _ELEMENTS_WITH_ELEMENTS and depth < 6:
            found += _elements(data, content, stop, depth + 1)
        start = max(stop, start + 2)
    return found


def _flv_tags(data: bytes) -> list[Part]:
    found, at = [], 13
    while at + 11 <= len(data) and len(found) < 2000:
        end = at + 11 + int.from_bytes(data[at + 1 : at + 4], "big") + 4
        if end > len(data):
            break
        found.append(Part(at, at + 11, end, 0))
        at = end
    return found
