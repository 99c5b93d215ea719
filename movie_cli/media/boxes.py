"""What containers say that ffmpeg does not tell: why a file would not open, and which part of the picture is shown.

Text, an mp4 without its index, an encrypted one and damage are told apart by a few megabytes at most. ffmpeg's decoders
know the cropping of a stream's own headers only, so that of the container is read here: `clap` in ISO files, PixelCrop
in Matroska. A rule that makes no sense is none.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from movie_cli.errors import SourceError

_TOP_LEVEL = frozenset(b"ftyp moov mdat free skip wide moof styp sidx uuid pdin meta".split())
_ENCRYPTED = (b"encv", b"enca", b"drmi", b"drms", b"pssh")
_INDEX_BYTES = 8 << 20


def diagnose(path: Path, reason: str) -> SourceError:
    """The error for a file that ffmpeg refused for `reason`."""
    try:
        with path.open("rb") as file:
            head = file.read(1 << 16)
            boxes = _top_level_boxes(path) if head[4:8] in _TOP_LEVEL else {}
            index = b""
            if b"moov" in boxes:
                file.seek(boxes[b"moov"])
                index = file.read(_INDEX_BYTES)
    except OSError as error:
        return SourceError(f"{path} cannot be read: {error.strerror}", "check the disk it is on")
    if any(mark in index or mark in head for mark in _ENCRYPTED) and head[4:8] in _TOP_LEVEL:
        return SourceError(f"{path} is encrypted", "only a copy without rights management can be edited")
    if boxes and b"moov" not in boxes:
        return SourceError(
            f"{path} has no index (no moov box): the recording or download stopped before its end",
            "get the whole file again, or rebuild the index from another clip of the same camera with untrunc",
        )
    if _is_text(head):
        return SourceError(f"{path} is text, not a video", "check that the name is the one you meant")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return SourceError(f"{path} is an animated WebP, which ffmpeg cannot decode", "convert it to GIF or MP4 first")
    return SourceError(
        f"{path} is not a video that can be read: {reason}",
        "if a player shows it, convert it once: ffmpeg -i FILE -c copy FIXED.mkv",
    )


def index_of(path: Path) -> bytes:
    """The body of an ISO file's box `moov`, or its first megabytes; empty without.

    Raises:
        OSError: the file cannot be read.
    """
    at = _top_level_boxes(path).get(b"moov")
    if at is None:
        return b""
    with path.open("rb") as file:
        file.seek(at)
        size, _ = struct.unpack(">I4s", file.read(8))
        return file.read(min(size - 8, _INDEX_BYTES)) if size >= 8 else b""


def _top_level_boxes(path: Path) -> dict[bytes, int]:
    """Offset of the first box of each kind at the top of an ISO base media file (ISO/IEC 14496-12, 4.2)."""
    found: dict[bytes, int] = {}
    end = path.stat().st_size
    offset = 0
    with path.open("rb") as file:
        for _ in range(4096):
            file.seek(offset)
            header = file.read(16)
            if len(header) < 8:
                break
            size, kind = struct.unpack(">I4s", header[:8])
            if size == 1 and len(header) == 16:
                size = struct.unpack(">Q", header[8:])[0]
            elif size == 0:
                size = end - offset
            found.setdefault(kind, offset)
            offset += size
            if size < 8 or offset >= end:
                break
    return found


def _is_text(head: bytes) -> bool:
    sample = head[:4096]
    try:
        text = sample.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(sample) - 4:
            return False
        text = sample[: error.start].decode("utf-8")
    printable = sum(character.isprintable() or character.isspace() for character in text)
    return bool(text) and printable >= 0.98 * len(text)


_HEAD = 4 << 20
"""Bytes of a Matroska file among which its tracks are looked for."""

_SEGMENT, _TRACKS, _ENTRY, _VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0xE0
_EDGES = {0x54CC: "left", 0x54BB: "top", 0x54DD: "right", 0x54AA: "bottom"}
_VISUAL_ENTRY = 86
"""Bytes of a picture's sample entry before the boxes in it (ISO/IEC 14496-12, 12.1.3)."""


@dataclass(frozen=True)
class Crop:
    """How many pixels to take off each edge of the stored picture."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0


def container_crop(path: Path, index: int, form: str, size: tuple[int, int]) -> Crop | None:
    """What the container wants taken off stream `index` of (width, height) `size`; None where that is nothing.

    `form` is ffmpeg's name of the container.
    """
    try:
        if form.startswith("matroska"):
            with path.open("rb") as file:
                crop = _pixel_crop(file.read(_HEAD), index)
        elif form.startswith("mov,"):
            crop = _clean_aperture(index_of(path), index, size)
        else:
            return None
    except (OSError, struct.error, IndexError, ZeroDivisionError):
        return None
    edges = (crop.left, crop.top, crop.right, crop.bottom)
    if not any(edges) or min(edges) < 0 or crop.left + crop.right >= size[0] or crop.top + crop.bottom >= size[1]:
        return None
    return crop


def _clean_aperture(index: bytes, stream: int, size: tuple[int, int]) -> Crop:
    """From the body of the box `moov`; ISO/IEC 14496-12, 12.1.4."""
    track = [body for kind, body in _boxes(index) if kind == b"trak"][stream]
    for wanted in (b"mdia", b"minf", b"stbl", b"stsd"):
        track = next((body for kind, body in _boxes(track) if kind == wanted), b"")
    rule = next((body for kind, body in _boxes(track[8 + _VISUAL_ENTRY :]) if kind == b"clap"), b"")
    if not rule:
        return Crop()
    values = struct.unpack_from(">8i", rule)
    width, height, across, down = (Fraction(*pair) for pair in zip(values[::2], values[1::2], strict=True))
    left = round((size[0] - width) / 2 + across)
    top = round((size[1] - height) / 2 + down)
    return Crop(left, top, size[0] - left - round(width), size[1] - top - round(height))


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8:
            return
        yield kind, data[at + 8 : at + size]
        at += size


def _pixel_crop(head: bytes, stream: int) -> Crop:
    for number, segment in _elements(head):
        if number != _SEGMENT:
            continue
        tracks = next((body for number, body in _elements(segment) if number == _TRACKS), b"")
        entry = [body for number, body in _elements(tracks) if number == _ENTRY][stream]
        video = next((body for number, body in _elements(entry) if number == _VIDEO), b"")
        return Crop(**{_EDGES[n]: int.from_bytes(body) for n, body in _elements(video) if n in _EDGES})
    return Crop()


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Numbers and bodies of EBML elements (RFC 8794); the last one's body may be cut off."""
    at = 0
    while at < len(data):
        length = 9 - data[at].bit_length()
        number = int.from_bytes(data[at : at + length])
        at += length
        width = 9 - data[at].bit_length()
        size = int.from_bytes(data[at : at + width]) & ((1 << 7 * width) - 1)
        at += width
        yield number, data[at : at + size]
        at += size
