"""The procedural bank: every edit by name, pairs of edits that make sense together, and look-up by name."""

from __future__ import annotations

import difflib
from functools import cache

from torch import Tensor

from movie_cli.errors import UsageError
from movie_cli.train.bank import drawing, film, nature
from movie_cli.train.bank.edit import Edit, blend, strength_of

__all__ = ["BANK", "COMBINATIONS", "Edit", "blend", "combine", "get", "strength_of"]

_ORDER = (
    "winter",
    "snow",
    "autumn",
    "spring",
    "fog",
    "rain",
    "storm",
    "night",
    "sunset",
    "sunrise",
    "golden_hour",
    "brighter",
    "darker",
    "warmer",
    "cooler",
    "desert",
    "underwater",
    "mars",
    "pencil",
    "charcoal",
    "ink",
    "watercolour",
    "oil",
    "van_gogh",
    "monet",
    "pop_art",
    "comic",
    "ukiyo_e",
    "stained_glass",
    "pixel_art",
    "black_and_white",
    "sepia",
    "vintage",
    "noir",
    "cyberpunk",
    "teal_and_orange",
    "infrared",
    "thermal",
    "blueprint",
    "vhs",
)

_BY_NAME = {edit.name: edit for edit in (*nature.EDITS, *drawing.EDITS, *film.EDITS)}

BANK: dict[str, Edit] = {name: _BY_NAME[name] for name in _ORDER}
"""All edits by name: seasons and weather, light, place, drawing and painting, film, device."""

COMBINATIONS: tuple[tuple[str, str], ...] = (
    ("winter", "night"),
    ("winter", "pencil"),
    ("winter", "black_and_white"),
    ("winter", "sepia"),
    ("winter", "ink"),
    ("winter", "van_gogh"),
    ("snow", "night"),
    ("snow", "watercolour"),
    ("snow", "noir"),
    ("snow", "cyberpunk"),
    ("autumn", "fog"),
    ("autumn", "rain"),
    ("autumn", "watercolour"),
    ("autumn", "vintage"),
    ("spring", "sunrise"),
    ("spring", "monet"),
    ("spring", "ukiyo_e"),
    ("fog", "pencil"),
    ("fog", "black_and_white"),
    ("fog", "sepia"),
    ("rain", "night"),
    ("rain", "noir"),
    ("rain", "cyberpunk"),
    ("storm", "oil"),
    ("storm", "ukiyo_e"),
    ("night", "ink"),
    ("night", "van_gogh"),
    ("night", "comic"),
    ("sunset", "oil"),
    ("sunset", "van_gogh"),
    ("sunrise", "monet"),
    ("desert", "sunset"),
    ("desert", "vintage"),
    ("mars", "vintage"),
    ("mars", "comic"),
)
"""Pairs (first applied, then applied) that a person would ask for; each member is in at least two of them."""


def combine(*edits: Edit) -> Edit:
    """One edit that applies `edits` one after the other, the first one first.

    Its name is theirs joined with "+", its group that of the last; it counts as drawn if any of them is.

    Raises:
        UsageError: no edit was given.
    """
    if not edits:
        raise UsageError("no edits to combine", "name at least one edit of the bank")
    if len(edits) == 1:
        return edits[0]

    def full(image: Tensor) -> Tensor:
        for edit in edits:
            image = edit.full(image)
        return image

    return Edit(
        name="+".join(edit.name for edit in edits),
        group=edits[-1].group,
        full=full,
        drawn=any(edit.drawn for edit in edits),
    )


@cache
def get(name: str) -> Edit:
    """The edit called `name`, or the combination of several: `get("winter+night")` is winter, then night.

    Raises:
        UsageError: the bank has no edit of that name; the hint names the nearest ones.
    """
    parts = [part.strip() for part in name.split("+")]
    for part in parts:
        if part not in BANK:
            near = difflib.get_close_matches(part, BANK, n=3) or list(BANK)
            raise UsageError(f'the bank has no edit called "{part}"', f"it has {', '.join(near)}")
    return combine(*(BANK[part] for part in parts))
