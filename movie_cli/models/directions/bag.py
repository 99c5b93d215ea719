"""The look of a place where grammar says nothing: whatever their order, one place and words of looks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from movie_cli.models.directions.clauses import SOFT, TURNED, content
from movie_cli.models.directions.naming import Named
from movie_cli.models.directions.patterns import LOOK, PARTS_OF_PEOPLE, PEOPLE, P
from movie_cli.models.directions.words import (
    LOOK_PHRASES,
    LOOK_WORDS,
    SAYING_NOTHING,
    SCENE_LOOKS,
    SCENE_WORDS,
    WEAK_WORDS,
)
from movie_cli.models.negation import negations

MOST = 3
"""Words that may say anything else."""
_DESCRIBED = re.compile(
    rf"(?<!'d )(?<!would )\b(?:like|as if|as though|as seen|as in|by|under) (?:an? )?{P}|^{SOFT}(?:with|in|under) "
    rf"|\b(?:turn|transform|convert) {P} into|^{SOFT}(?:(?:make|have) (?:it|this) look )?(?:like|as"
    rf" (?:if|though|when|in))\b"
    rf"|\b(?:an?|some|no|without|less|not) {P}(?! (?:that|which|like)\b)|^(?:the )?{P} (?:with|in|wearing) (?:an? )?{P}"
    rf"|(?<!dream )(?<!dreaming )(?<!think )(?<!thinking )(?<!negative )(?<!version )(?<!versions"
    rf" )(?<!outline )(?<!outlines )"
    rf"(?<!edges )\bof {P}"
)
"""Where a place is a part of what the whole is to look like: "an old photo of a man"."""
_BECOMES = re.compile(
    rf"(?:\bfrom|\breplace|\bchange|\bswap|\bswitch)\b.*{P}.* (?:to|into|with|for|by) (?P<new>[^§]+)$"
)


def aimed_by_words(parts: Sequence[str], named: Named) -> tuple[tuple[str, ...], str] | None:
    """Names and look of a text that is but one place and words of looks; None where more is said.

    Of a person and a part of one it is the part: "give her blue hair". What something is, is not what it is to become:
    "his shirt is blue, make it red". Words that name a scene ("snow") may be a description of the whole.
    """
    clauses = [
        clause
        for clause, separator in zip(parts[::2], [*parts[1::2], ""], strict=True)
        if re.search(P, clause) or separator.strip() not in {":", "..."} or any(map(_is_look, _words(clause)))
    ]
    line = ", ".join(clauses)
    places = [named.of(number) for number in re.findall(P, line)]
    worn = [place for place in places if {*place.names} <= PARTS_OF_PEOPLE]
    if len(worn) == 1 and all(place in worn or {*place.names} <= PEOPLE for place in places):
        places = worn
    if len(places) != 1 or _DESCRIBED.search("".join(parts)):
        return None
    wanted = places[0].kind == "a" and not worn
    if wanted and re.search(rf"\b(?:in|on|at|over) {P}", line):
        return None
    become = [clause for clause in clauses if TURNED.match(clause.strip()) and not re.search(P, clause)]
    if found := _BECOMES.search(line):
        become = [found["new"]]
    said = [[*_words(clause)] for clause in become or clauses]
    looks = [[word for word in words if _is_look(word)] for words in said]
    told = [index for index, words in enumerate(looks) if words]
    attributes = "" if become else places[0].attributes
    more = [len(words) - len(known) for words, known in zip(said, looks, strict=True)]
    beside = [n for n, clause in zip(more, become or clauses, strict=True) if not re.search(P, clause)]
    most = int(not told) if become else 0 if re.search(rf"\bwith {P}", line) else MOST
    if (
        len(told) > 1
        or sum(more) > most
        or sum(beside) > (0 if wanted else 2)
        or any(word in SCENE_WORDS for words in said for word in words)
        or any(negations(", ".join(become or clauses)))
        or (told and attributes and not re.search(P, clauses[told[0]]))
    ):
        return None
    words = [*attributes.split(), *(looks[told[0]] if told else said[0] if become else ())]
    look = re.sub(r"(?<=[a-z])-", " ", " ".join(words))
    return (places[0].names, f"make it {look}") if {*words} - SCENE_LOOKS - WEAK_WORDS else None


def _words(clause: str) -> Iterator[str]:
    """The words of a clause that may say a look."""
    text = re.sub(P, " ", clause).replace("\x01", "-")
    for word in content(re.sub(LOOK_PHRASES, lambda found: found[0].replace(" ", "-"), text)):
        if word not in SAYING_NOTHING:
            yield word.removesuffix("'s")


def _is_look(word: str) -> bool:
    known = word in LOOK_WORDS or re.fullmatch(LOOK_PHRASES, word.replace("-", " ")) is not None
    return known or all(one in LOOK_WORDS or re.fullmatch(LOOK, one) is not None for one in word.split("-"))
