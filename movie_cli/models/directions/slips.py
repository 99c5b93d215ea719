"""Slips of the keyboard in words that directions are made of, mended towards the commonest of them."""

from __future__ import annotations

import functools
import re

from movie_cli.models.directions.patterns import LOOK
from movie_cli.models.directions.words import ATTRIBUTES, KEYBOARD, WORDS_THEMSELVES, listed
from movie_cli.models.region_names import COMMON, PLACES, around, place_of

SHORTEST_SWAPPED, SHORTEST_MENDED, SHORTEST_CHANGED = 3, 4, 5
"""Letters of a word in which two may be swapped, one lost or added, and one mistaken. In colours two may be swapped."""
_GRAMMAR = frozenset(
    listed(
        "everything everywhere except change without leave should could would please make turn paint only can"
        " brighten darken lighten"
    )
)
_COLOURS = frozenset(word for word in ATTRIBUTES if word.isalpha())
_MENDED = COMMON | {name for name in PLACES if "_" not in name} | _GRAMMAR | _COLOURS
"""What slips of the keyboard are mended towards."""


@functools.cache
def mended(typed: str) -> str:
    """A word of letters, or the place's name that it is one slip of the keyboard from, unless it is a word itself."""
    if typed in KEYBOARD:
        return KEYBOARD[typed]
    words = WORDS_THEMSELVES | _GRAMMAR
    if len(typed) < SHORTEST_SWAPPED or typed in words or place_of(typed) or around(typed) or re.fullmatch(LOOK, typed):
        return typed
    for name in sorted(_MENDED):
        for form in (name, f"{name}s"):
            swapped = sorted(typed) == sorted(form)
            long = min(len(typed), len(name)) >= SHORTEST_MENDED and name not in _COLOURS
            if (long or swapped) and _one_slip(typed, form):
                return form
    return typed


def _one_slip(typed: str, word: str) -> bool:
    """Whether a letter was lost, added, or mistaken in a long word, or two neighbours were swapped."""
    if abs(len(typed) - len(word)) > 1 or typed[0] != word[0]:
        return False
    same = next((n for n, (a, b) in enumerate(zip(typed, word, strict=False)) if a != b), min(len(typed), len(word)))
    a, b = typed[same:], word[same:]
    while a and b and a[-1] == b[-1]:
        a, b = a[:-1], b[:-1]
    if len(a) == len(b) == 1:
        return len(typed) >= SHORTEST_CHANGED
    return len(a) + len(b) == 1 or (len(a) == len(b) == 2 and a == b[::-1])
