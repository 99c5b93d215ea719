"""Frames as pictures that browsers show."""

from __future__ import annotations

import dataclasses
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from movie_cli.backends.base import Pixels

VEIL = (230, 0, 126, 140)
"""Colour of the veil over a place, and its opacity where the edit is whole; of 255."""


@dataclass(frozen=True)
class Picture:
    """An encoded picture, the command that makes it, what is to be said of it, and the place that its words name."""

    content: bytes
    kind: str
    command: str = ""
    advice: str = ""
    where: str = ""


def at_most(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """A size made smaller, if need be, until no side is over `longest`."""
    scale = min(1.0, longest / max(size))
    return round(size[0] * scale), round(size[1] * scale)


def png(pixels: Pixels) -> Picture:
    """Every pixel as it is; compressed little, as it goes no further than this machine."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG", compress_level=1)
    return Picture(stream.getvalue(), "image/png")


def jpeg(pixels: Pixels, size: tuple[int, int] | None = None) -> Picture:
    """A picture that need not be exact, of a size."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    if size is not None and size != picture.size:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=90)
    return Picture(stream.getvalue(), "image/jpeg")


def veil(mask: Pixels) -> Picture:
    """A mask `(h, w)` as a colour that lies over the frame, and how much of the frame it covers."""
    pixels = np.empty((*mask.shape, 4), np.uint8)
    pixels[:] = VEIL
    pixels[..., 3] = np.rint(mask * (VEIL[3] / 255))
    return dataclasses.replace(png(pixels), advice=f"{mask.mean() / 255:.0%} of the frame")
