"""Patterns of words that directions are made of: places, looks, verbs, and what stands around them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from movie_cli.models.directions.words import ATTRIBUTES, SHADES, THINGS, listed
from movie_cli.models.region_names import PARTS_OF, PLACES, WORDS


def any_of(words: Iterable[str]) -> str:
    """A pattern of any of some words, the longest first."""
    return "(?:" + "|".join(re.escape(word) for word in sorted(set(words), key=lambda word: (-len(word), word))) + ")"


P = r"§(\d+)§"
NAMED = frozenset(name for name in (*WORDS, *PLACES) if "_" not in name) - {"other", "everything"}
"""What one may call a place."""
ABSTRACT = frozenset(listed("sky background subject hair face_and_skin clothes"))
"""Places of which anything may be said, as no scene is described by them."""
PEOPLE = frozenset({"person", "people"})
PARTS_OF_PEOPLE = frozenset({"hair", "face_and_skin", "clothes"})
THING_PLACES = PEOPLE | {"vehicle", "animal", "building", "clothes"}
LOOK = f"(?:(?:{any_of(SHADES)}[ -]){{1,3}}|[a-z]{{3,}}-)?{any_of(ATTRIBUTES)}(?:ish|[nd]?er|r|y|[ -]colou?red)?"
THING = rf"(?:{any_of(word for words in THINGS.values() for word in words.split())})(?:es|s)?"
OWNED = r"(?:my|our|your|his|her|their|its|(?:(?:the|this|that|my|our|your|his|her|their) (?:[a-z]+ )?)?[a-z]+'s)"
THE = rf"(?:(?:all|both|each|every)(?: of)?(?: (?:the|those|these|{OWNED}))?|the|this|that|these|those|{OWNED})"
VERB = any_of(
    listed(
        "make turn paint dye colour color tint render get have let want set change transform convert shade style"
        " restyle recolour recolor bathe spray show put draw cover coat give add apply remove delete replace swap"
        " blur keep leave darken brighten lighten move"
    )
)
"""Verbs that begin an instruction."""
PUT = r"(?:on|in|for|of|to|at|over|onto)"
HEAD = any_of({*NAMED, *PARTS_OF}) + "s?"
_STOP = any_of(
    listed(
        "a an the and or but not as is are be was were am it this that look looks looking like in on at of to for"
        " from with into onto over under by than then if when where make makes turn turns give paint change put"
        " add apply get set let keep leave want should could would must can will may so too very only just more"
        " less bit everything everyone all some any no what which who whose except excluding besides apart i you"
        " we he she they me us him them"
        " have has had do does please blur cover"
    )
)
INNER = rf"(?!{_STOP}\b)[a-z][a-z'-]*"
"""A word that may stand between an article and what it belongs to."""


def thing_place(thing: str) -> str:
    """The place, in words, that a thing comes nearest to that is none; empty where none does."""
    for place, words in THINGS.items():
        if {thing, thing.removesuffix("s")} & set(words.split()):
            return place
    return ""
