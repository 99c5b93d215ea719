"""Animated WebP, which ffmpeg does not decode: Pillow decodes it into a lossless video, in constant memory."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from movie_cli.errors import SourceError
from movie_cli.options import ReadOptions

_ANIMATION = 0x02
"""The flag in a VP8X chunk."""


def is_animated(path: Path) -> bool:
    """Whether a file's first bytes are those of an animated WebP."""
    try:
        with path.open("rb") as file:
            head = file.read(21)
    except OSError:
        return False
    return len(head) == 21 and head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and bool(head[20] & _ANIMATION)


def convert(path: Path, target: Path, reading: ReadOptions) -> None:
    """Write `path`, an animated WebP, to `target` as FFV1 in Matroska.

    Raises:
        SourceError: it cannot be decoded, or is larger or longer than `reading` allows.
        OSError: `target` cannot be written.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        # Pillow would warn of large pictures on its own terms; the limit here is ours.
        with path.open("rb") as file:
            head = file.read(30)
        reading.check_size(path, *(1 + int.from_bytes(head[at : at + 3], "little") for at in (24, 27)))
        try:
            animation = Image.open(path, formats=["WEBP"])
        except OSError as error:
            raise ValueError(error) from error
        with animation:
            _write(animation, path, target, reading)
    except (UnidentifiedImageError, Image.DecompressionBombError, EOFError, SyntaxError, ValueError) as error:
        raise SourceError(f"{path} is an animated WebP that cannot be decoded: {error}", "it may be damaged") from error


def problem(path: Path, size: tuple[int, int]) -> str:
    """What is wrong with a finished animation, read back whole; empty where nothing is.

    Frames are not counted: the encoder joins those that are alike.
    """
    from PIL import Image

    with Image.open(path, formats=["WEBP"]) as animation:
        if animation.size != size:
            return "it has another size"
        for index in range(getattr(animation, "n_frames", 1)):
            animation.seek(index)
            animation.load()
    return ""


def _write(animation: Any, path: Path, target: Path, reading: ReadOptions) -> None:
    options = {"fflags": "+bitexact"}
    with av.open(f"file:{target}", "w", format="matroska", container_options=options) as container:
        stream = container.add_stream("ffv1", rate=Fraction(1000))
        stream.width, stream.height = animation.size
        stream.pix_fmt = "bgra"
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        time = 0
        for index in range(animation.n_frames):
            animation.seek(index)
            try:
                pixels = np.asarray(animation.convert("RGBA"))
            except OSError as error:
                raise ValueError(error) from error
            frame = av.VideoFrame.from_ndarray(pixels, format="rgba").reformat(format="bgra")
            # Browsers show a frame of 10 ms or less for 100 ms.
            shown = animation.info.get("duration", 0)
            frame.pts, frame.time_base, frame.duration = time, Fraction(1, 1000), shown if shown > 10 else 100
            time += frame.duration
            reading.check_length(path, time / 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
