"""Why a file would not open: a look at its first bytes, without ffmpeg.

Text, an mp4 without its index, an encrypted one and damage are told apart by a few megabytes at most.
"""

from __future__ import annotations

import struct
from pathlib import Path

from movie_cli.errors import SourceError

_TOP_LEVEL = {
    b"ftyp",
    b"moov",
    b"mdat",
    b"free",
    b"skip",
    b"wide",
    b"moof",
    b"styp",
    b"sidx",
    b"uuid",
    b"pdin",
    b"meta",
}
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


def _top_level_boxes(path: Path, limit: int = 4096) -> dict[bytes, int]:
    """Offset of the first box of each kind at the top of an ISO base media file (ISO/IEC 14496-12, 4.2)."""
    found: dict[bytes, int] = {}
    end = path.stat().st_size
    offset = 0
    with path.open("rb") as file:
        for _ in range(limit):
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
