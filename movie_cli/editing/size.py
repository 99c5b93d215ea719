"""At which size the network works for a source of a given shape. Plain arithmetic."""

from __future__ import annotations

import math

MINIMUM_SIDE = 64
MOST_UPSCALING = 4.0
"""A source of fewer pixels than a quarter of the native area is enlarged by this factor of area at most."""


def working_size(width: int, height: int, native_area: int, multiple: int) -> tuple[int, int]:
    """Width and height, multiples of `multiple`, of about `native_area` pixels and the source's shape.

    `width` and `height` are those on a screen of square pixels: the network sees the picture as a person does.
    """
    area = min(native_area, MOST_UPSCALING * width * height)
    ratio = width / height
    exact = math.sqrt(area * ratio), math.sqrt(area / ratio)
    low = max(multiple, MINIMUM_SIDE)
    # A ribbon of a picture would be cut to nothing by its short side's minimum: bound the long side by the area.
    long = max(low, native_area // low // multiple * multiple)
    rounded = tuple(min(long, max(low, round(side / multiple) * multiple)) for side in exact)
    return rounded[0], rounded[1]
