"""What an instruction says of where: "make the sky pink" is the look "make it pink" in the place sky.

By rules alone. A place is what is changed ("blur the background", "her hair should be black"), what a look is put on
("snow on the ground"), or what is kept ("winter, but leave the people alone"). Words that only describe what the whole
is to look like ("with snow on the ground", "as if the lake was frozen") name no place: when in doubt, the look is for
the whole picture. What is negated is `models.negation`'s.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from movie_cli.looks import readable
from movie_cli.models.directions.bag import aimed_by_words
from movie_cli.models.directions.clauses import SOFT, Target, body_of, content, target_of
from movie_cli.models.directions.naming import Named
from movie_cli.models.directions.patterns import LOOK, PEOPLE, VERB, P
from movie_cli.models.directions.refusals import Refusal, nearest, refused
from movie_cli.models.directions.words import SHADES
from movie_cli.models.region_names import OWN_PLACES, place_of

LONGEST = 400
"""Characters of an instruction that may name places; a longer one is for the whole picture."""
_SPLIT = re.compile(
    r"(\s*(?:[,.;:!?\n]+|=+>?|-+>)\s*|\s+(?:but|then|and then|while|whereas|yet)\s+"
    rf"|(?<=§)\s+(?:and|&)\s+(?=(?:[a-z&/-]+ ){{1,3}}(?:for|on) §)|\s+(?:and|&)\s+(?={VERB}\b|§|the rest"
    rf"|everything else))"
)
_WHOLE = re.compile(rf"{SOFT}(?:make|turn|give|add|apply|put|render|transform|convert|change|set) .+")
_TALK = re.compile(
    r"\b(?:is|are|was|were|it's|that's|i'm|here|have|my|we|you|i|this|filmed|shot|too)\b|^(?:hi|hey|hello|ok)\b"
)
"""What is in a sentence that tells something, and asks for nothing."""


_INTRODUCED = re.compile(rf"{SOFT}(?:this|these|here|that)(?:'s| is| are) ")


@dataclass(frozen=True)
class Directions:
    """An instruction as it is understood.

    `look` is what the text encoder is to read. `only` and `spared` are places with commas between, as for `--only` and
    `--except`; None for none. `cannot` is the verb of what no look does, `unknown` a thing that is no place, `nearest`
    the place that it lies within, which is then meant, or that comes near it, and `left_out` words about another look
    for another place.
    """

    look: str
    only: str | None = None
    spared: str | None = None
    cannot: str = ""
    unknown: str = ""
    nearest: str = ""
    left_out: str = ""

    @property
    def where(self) -> str:
        """The place in words; empty for the whole picture."""
        only, spared = ((names or "").replace("_", " ").replace(",", ", ") for names in (self.only, self.spared))
        return f"{only or 'everything'} except {spared}" if spared else only


@functools.lru_cache(256)
def read_directions(text: str) -> Directions:
    """Look and places of an instruction. What names no place has `text` for its look, as it came."""
    if len(text) > LONGEST or "§" in text:
        return Directions(text)
    named = Named(text)
    if named.whole:
        return Directions(text)
    found = _aimed(_SPLIT.split(named.line), named)
    if not (found.names or found.refusals or found.left_out) and (
        alone := aimed_by_words(_SPLIT.split(named.line), named)
    ):
        found = _Aimed(alone[1], alone[0], "", ())
    cannot = next((one.verb for one in found.refusals if one.verb), "")
    parts = {part: name for part, name in named.parts.items() if name in {*found.names, *named.spared} - named.plain}
    unknown = next((one.thing for one in found.refusals if one.thing), next(iter(parts), ""))
    said = {
        "cannot": cannot,
        "unknown": unknown,
        "nearest": readable(parts[unknown]) if unknown in parts else nearest(unknown) if unknown else "",
        "left_out": _clean(named.restored(found.left_out)),
    }
    look = _clean(named.restored(found.look))
    if named.spared and not found.names and not content(look) and re.search(r"\bin (?:full )?colou?r\b", text.lower()):
        look = "black and white"  # "only the car in colour"
    if not (found.names or named.spared or found.refusals or found.left_out) or not (content(look) or cannot):
        return Directions(text, **said)
    return Directions(look, _joined(found.names), _joined(named.spared), **said)


def own_place(look: str, edits: Collection[str]) -> str | None:
    """The place that a look has by itself, of those in `edits`; None where the words say that of no such look alone."""
    said = [word.removesuffix("'s") for word in content(look)]
    for name, (place, words) in OWN_PLACES.items():
        asks = [word for word in said if re.fullmatch(words, word)]
        where = [word for word in said if place_of(word) in {place, *PEOPLE}]  # "a vampire's pale skin"
        around = {*where, *SHADES, "really", "much", "completely", "all", "white", "go", "went"}
        if name in edits and asks and {*said} <= {*asks, *around}:
            return place
    return None


@dataclass(frozen=True)
class _Aimed:
    look: str
    names: Sequence[str]
    left_out: str
    refusals: Sequence[Refusal]


def _aimed(parts: list[str], named: Named) -> _Aimed:
    """What clauses (with what separates them between) say of one place, and what is left out as it is of another."""
    targets: dict[int, Target] = {}
    gone: list[int] = []
    refusals: list[Refusal] = []
    verb = ""
    for index in range(0, len(parts), 2):
        body = body_of(parts[index])
        if verb and re.match(rf"{P} ", body):  # "make the sky pink and the grass blue"
            body = f"{verb} {body}"
        said = re.match(rf"(make|turn|paint|colou?r|dye|tint) {P} ", body)
        verb = said[1] if said else ""
        if (refusal := refused(body, named)) is not None:
            refusals.append(refusal)
            parts[index] = refusal.rest
            gone += [] if refusal.rest else [index]
        elif (found := target_of(body, named, *parts[index + 1 : index + 3])) is not None:
            targets[index] = found
    others = [part for index, part in enumerate(parts) if index % 2 == 0 and index not in {*targets, *gone}]
    if any("§" in part or content(part) for part in others):
        # One of several clauses may be there to describe a scene: "mist, bare trees, a pink sky".
        targets = {index: found for index, found in targets.items() if not found.weak}
    own = [index for index, found in targets.items() if content(found.look)]
    gone += [
        index
        for index in range(0, len(parts), 2)
        if own and index not in targets and (_INTRODUCED.match(parts[index]) or _is_told(parts[index], index < own[0]))
    ]
    if not own:
        names = [name for found in targets.values() for name in found.names]
        return _Aimed(_without(parts, [*gone, *targets]), names, "", refusals)
    first = own[0]
    aim, left = targets[first], [index for index in own if targets[index] != targets[first]]
    whole = [index for index in range(0, len(parts), 2) if index not in own and _is_whole(parts, index, first)]
    before = bool(whole) and whole[0] < first
    left = own if before else left + whole
    left_out = ", ".join(parts[index] for index in sorted(left))
    for index, found in targets.items():
        parts[index] = found.look
    return _Aimed(_without(parts, [*gone, *left]), () if before else aim.names, left_out, refusals)


def _is_told(clause: str, before: bool) -> bool:
    """Whether a clause before the one that asks only tells why: "the grass is dull, ..."."""
    return before and "§" not in clause and re.search(r"\b(?:is|are|was|were|came out|looks?)\b", clause) is not None


def _is_whole(parts: Sequence[str], index: int, first: int) -> bool:
    """Whether a clause asks for a look of the whole picture, beside the clause `first` that names a place."""
    clause, separator = parts[index].strip(), parts[index + 1].strip() if index + 1 < len(parts) else ""
    if "§" in clause or not content(clause):
        return False
    if _WHOLE.fullmatch(clause):
        return True
    joint = index + 2 == first and re.fullmatch(r",?\s*(?:and|but|then|and then|)", separator)
    short = separator != "," or len(content(clause)) < 3
    return bool(joint and short and re.match(rf"{SOFT}{VERB} ", parts[first].strip()) and not _TALK.search(clause))


def _without(parts: Sequence[str], left: Sequence[int]) -> str:
    """Clauses put together again, without some and what stood before these."""
    return "".join("" if index in left or index + 1 in left else part for index, part in enumerate(parts))


def _clean(text: str) -> str:
    """A text without what was between the words that are taken out of it."""
    text = re.sub(r"\s+([,.;:!?])", r"\1", " ".join(text.split()))
    text = re.sub(r"([,.;:!?])(?:\s*[,.;:!?])+", r"\1", text)
    before = None
    while before != text:
        before, text = text, text.strip(" ,.;:!?-&")
        text = re.sub(r"^(?:and|but|then|yet|while|so)\b|\b(?:and|but|only|just|with|for|on|in|while)$", "", text)
    return text


def _joined(names: Iterable[str]) -> str | None:
    return ",".join(dict.fromkeys(names)) or None


__all__ = ["LOOK", "PEOPLE", "Directions", "content", "own_place", "read_directions"]
