"""The look of a place where grammar says nothing: whatever their order, one place, words of looks, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from movie_cli.models.directions.clauses import SOFT, TURNED, content
from movie_cli.models.directions.naming import Named
from movie_cli.models.directions.patterns import LOOK, PARTS_OF_PEOPLE, PEOPLE, P
from movie_cli.models.directions.words import LOOK_PHRASES, LOOK_WORDS, SAYING_NOTHING, SCENE_LOOKS

_DESCRIBED = re.compile(
    rf"(?<!'d )(?<!would )\b(?:like|as if|as though|as seen|by) (?:an? )?{P}|^{SOFT}(?:with|in|under) "
    rf"|\b(?:an?|some|no|without|less|not) {P}(?! (?:that|which))|^(?:the )?{P} (?:with|in|wearing) (?:an? )?{P}"
)
"""Where a place is a part of what the whole is to look like: "an old photo of a man"."""


def aimed_by_words(clauses: Sequence[str], named: Named) -> tuple[tuple[str, ...], str] | None:
    """Names and look of a text that is but one place and words of looks; None where more is said.

    Of a person and a part of one it is the part: "give her blue hair". What something is, is not what it is to become:
    "his shirt is blue, make it red".
    """
    line = ", ".join(clauses)
    places = [named.of(number) for number in re.findall(P, line)]
    parts = [place for place in places if {*place.names} <= PARTS_OF_PEOPLE]
    if len(parts) == 1 and all(place in parts or {*place.names} <= PEOPLE for place in places):
        places = parts
    if len(places) != 1 or _DESCRIBED.search(line):
        return None
    before = r"\b(?:in|on|at|under|over) " if places[0].kind == "a" else r"\bof "
    if re.search(before + P, line) and not {*places[0].names} <= PARTS_OF_PEOPLE:
        return None
    become = [clause for clause in clauses if TURNED.match(clause.strip()) and not re.search(P, clause)]
    attributes = "" if become else places[0].attributes
    said = [[*_looks(clause)] for clause in become or clauses]
    looks = [words for words in said if words]
    if len(looks) > 1 or (looks and attributes and not re.search(P, clauses[said.index(looks[0])])):
        return None
    words = [*attributes.split(), *(looks[0] if looks else ())]
    look = " ".join(words)
    known = all(map(_is_look, re.sub(LOOK_PHRASES, " ", look).split()))
    return (places[0].names, f"make it {look}") if known and {*words} - SCENE_LOOKS else None


def _looks(clause: str) -> Iterator[str]:
    """The words of a clause that may say a look."""
    said = content(re.sub(P, " ", clause).replace("\x01", " "))
    return (word for word in said if word not in SAYING_NOTHING)


def _is_look(word: str) -> bool:
    return word in LOOK_WORDS or all(one in LOOK_WORDS or re.fullmatch(LOOK, one) for one in word.split("-"))
