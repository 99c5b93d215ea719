"""The procedural bank: every edit by name, pairs of edits that make sense together, and look-up by name."""

from __future__ import annotations

import difflib
from functools import cache

from torch import Tensor

from movie_cli.errors import UsageError
from movie_cli.train.bank import cartoon, drawing, film, handmade, light, materials, outdoors, painting, photographic
from movie_cli.train.bank.edit import Edit, amount_of, blend
from movie_cli.train.bank.scene import Scene

__all__ = ["BANK", "COMBINATIONS", "Edit", "amount_of", "blend", "combine", "get"]

_KINDS = (
    *(outdoors.SEASONS, light.EDITS, outdoors.PLACES, materials.COLOURS, materials.MATERIALS, drawing.EDITS),
    *(cartoon.EDITS, handmade.EDITS, painting.EDITS, film.EDITS, photographic.EDITS),
)
BANK: dict[str, Edit] = {edit.name: edit for kind in _KINDS for edit in kind}
"""All edits by name, kind by kind."""

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
    ("autumn", "klimt"),
    ("sunset", "klimt"),
    ("winter", "paper_cut"),
    ("winter", "rembrandt"),
    ("winter", "anime"),
    ("night", "rembrandt"),
    ("night", "claymation"),
    ("spring", "anime"),
    ("snow", "paper_cut"),
    ("snow", "claymation"),
    ("storm", "hokusai"),
    ("snow", "hokusai"),
    ("sunset", "munch"),
    ("storm", "munch"),
    ("autumn", "crayon"),
    ("spring", "crayon"),
    ("fog", "chinese_ink"),
    ("winter", "chinese_ink"),
    ("rain", "engraving"),
    ("storm", "engraving"),
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

    def look(scene: Scene) -> Tensor:
        for edit in edits:
            scene = scene.edited(edit.look(scene).clamp(0, 1))
        return scene.image

    return Edit(
        name="+".join(edit.name for edit in edits),
        group=edits[-1].group,
        look=look,
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
