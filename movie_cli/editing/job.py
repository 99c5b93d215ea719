"""What makes two edits the same: all that decides the frames of an output, as names and values a person can read.

Promises that two jobs which are equal give equal frames, and that a source which is changed, also in mid-edit, does
not pass for the same. Where in the work folder this is kept is `work_folder`'s.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict
from pathlib import Path

import av

import movie_cli
from movie_cli.backends.base import RuntimeConfig
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.editing.identity import content_identity
from movie_cli.editing.request import EditRequest
from movie_cli.errors import SourceError
from movie_cli.media.sequence import files_of

SEGMENT_FRAMES = 240
"""Frames in a segment where a frame takes one pass through the network: what an interruption loses at most."""
LEAST_SEGMENT_FRAMES = 24


def segment_frames(request: EditRequest, descriptor: Descriptor) -> int:
    """How many frames a segment has: fewer where each takes many passes through the network."""
    if request.segment_frames is not None:
        return request.segment_frames
    passes = (request.recipe.steps or descriptor.steps) * descriptor.passes
    return max(LEAST_SEGMENT_FRAMES, SEGMENT_FRAMES // max(1, passes))


def job_of(
    request: EditRequest, path: Path, descriptor: Descriptor, choice: RuntimeConfig, batch: int
) -> dict[str, str]:
    """The job of a request. Reads source and checkpoint, of big files only pieces.

    Raises:
        SourceError: the source cannot be read.
    """
    try:
        source = " ".join(content_identity(file) for file in files_of(path))
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}", "check the file's permissions") from error
    recipe = asdict(request.recipe) | {"model": descriptor.name}
    encode = request.encode
    values: dict[str, object] = {
        "source": source,
        "checkpoint": _checkpoint_identity(descriptor),
        **{name.replace("_", " "): value for name, value in recipe.items()},
        "start": request.start,
        "end": request.end,
        "duration": request.duration,
        "ending": Path(request.output).suffix.lower(),
        "codec": encode.codec,
        "crf": encode.crf,
        "encoder preset": encode.preset,
        "pixel format": encode.pix_fmt,
        "rotation": encode.rotate,
        "audio": encode.audio,
        "subtitles": encode.subtitles,
        "metadata": encode.metadata,
        "frame rate": request.reading.frame_rate,
        "strict": "yes" if request.strict else None,
        "encoder options": " ".join(f"{key}={value}" for key, value in encode.options),
        "frames in a segment": segment_frames(request, descriptor),
        "batch size": batch,
        "device": choice.device.partition(":")[0],
        "number type": choice.dtype,
        "version of movie": movie_cli.__version__,
        "version of PyAV": av.__version__,
        "version of libavcodec": ".".join(map(str, av.library_versions["libavcodec"])),
        **choice.version,
    }
    return {name: str(value) for name, value in values.items() if value not in {None, ""}}


def _checkpoint_identity(descriptor: Descriptor) -> str:
    digest = hashlib.blake2b(digest_size=16)
    folder = descriptor.folder
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in {".json", ".safetensors", ".txt"}:
            digest.update(f"{path.relative_to(folder).as_posix()} {content_identity(path)}\n".encode())
    variant = descriptor.variant
    for part in (*(sorted(variant.vae.glob("*.safetensors")) if variant.vae else ()), variant.lora):
        if part is not None:
            digest.update(f"{part.name} {content_identity(part)}\n".encode())
    return digest.hexdigest()


class SourceWatch:
    """Notices that a source is changed, replaced or removed while it is edited."""

    def __init__(self, name: str, path: Path) -> None:
        self._name, self._path = name, path
        self._seen = _signature(path)

    def check(self) -> None:
        """Look again.

        Raises:
            SourceError: it is not as it was.
        """
        now = _signature(self._path)
        if now is None:
            raise SourceError(f"{self._name} has gone while it was being edited", "put it back")
        if now != self._seen:
            raise SourceError(
                f"{self._name} has changed while it was being edited", "wait until it is complete, then start again"
            )


def _signature(path: Path) -> list[tuple[int, int, int]] | None:
    try:
        return [_signature_of(file) for file in files_of(path)] or None
    except OSError:
        return None


def _signature_of(path: Path) -> tuple[int, int, int]:
    status = os.stat(path)  # noqa: PTH116 - one system call, whatever the path holds
    return status.st_size, status.st_mtime_ns, status.st_ino
