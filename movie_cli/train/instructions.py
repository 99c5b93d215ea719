"""How people ask for the edits of the bank: a phrase book and a grammar over it.

Endless different phrasings of any edit or combination of edits, from text files that hold what people say
(`phrases/*.txt`), and texts that ask for no edit of the bank; deterministic for a given `random.Random`.

A phrase file is in INI form, a section an edit, each value a list separated by semicolons:
`adj` completes "make it ..."; `noun` (with its article) completes "turn it into ..."; `medium` is a noun without
article that takes "of ..."; `prep` completes "make it look as it would ..."; `clause` completes "as if ...";
`act` is a whole command; `say` stands on its own; `ask` is a whole
sentence that takes no wording around it. `{s}` is the place of a subject. `unknown.txt` has one
template a line.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import Literal

from movie_cli.errors import UsageError
from movie_cli.looks import KINDS
from movie_cli.train import bank, wording

Part = Literal["all", "train", "validation"]
Phrasebook = dict[str, dict[str, tuple[str, ...]]]

EDITS = tuple(bank.BANK)
ALONE: tuple[frozenset[str], ...] = (
    frozenset({"drawing", "painting"}), frozenset({"colour", "material"}), frozenset({"place"}),
)  # fmt: skip
"""Groups of edits of which one is asked for at a time."""
EXCLUSIVE = (
    {"winter", "snow", "spring", "summer", "autumn"},
    {"sunny", "overcast", "cloudy", "fog", "rain", "storm"},
    {"clear_sky", "overcast", "cloudy", "storm", "rain", "fog"},
    {"night", "moonlight", "aurora", "sunset", "sunrise", "dusk", "golden_hour", "sunny", "clear_sky"},
    {"night", "brighter"}, {"brighter", "darker"}, {"night", "darker"}, {"warmer", "cooler"},
    {"warmer", "golden_hour", "sunset"}, {"candle_light", "sunny", "golden_hour", "sunset"}, {"neon", "cyberpunk"},
    {"underwater", "rain", "snow"}, {"underwater", "storm", "winter"}, {"underwater", "fog", "autumn", "spring"},
    {"red_chalk", "engraving", "woodcut", "line_art", "ink", "black_and_white", "sepia", "noir"},
    {"black_and_white", "sepia", "noir", "teal_and_orange", "infrared", "thermal", "cyberpunk", "blueprint"},
    {"black_and_white", "warmer", "cooler"}, {"sepia", "vintage"}, {"sepia", "warmer", "cooler"},
    {"pencil", "charcoal", "black_and_white"}, {"vintage", "vhs"}, {"thermal", "blueprint", "infrared", "vintage"},
)  # fmt: skip
"""Edits of one set are not asked for together: they contradict or contain each other."""
KIND_WEIGHTS = {"adj": 14, "noun": 16, "medium": 16, "prep": 12, "clause": 13, "act": 20, "say": 20, "ask": 16}
HELD_OUT = 3
"""One content phrase in this many belongs to the validation part."""


def canonical(edit: str) -> str:
    """The plainest instruction for an edit, such as `make it winter`.

    Raises:
        UsageError: there is no such edit.
    """
    return phrasebook("all")[_known(edit)]["canonical"][0]


def combinable(first: str, second: str) -> bool:
    """Whether a person may want both edits at once."""
    groups = {bank.BANK[first].group, bank.BANK[second].group}
    if first == second or any(groups <= alone for alone in ALONE):
        return False
    return not any(first in edits and second in edits for edits in EXCLUSIVE)


def sample_phrase(edits: Sequence[str], rng: random.Random, part: Part = "all") -> str:
    """One way to ask for all the edits, with the typos, casing and punctuation of real typing.

    No edit gives the null text "". `part` restricts the content phrases to those seen in training, or to those
    held out from it. The phrasing does not always keep the order of the edits: "a foggy pencil drawing" and "fog,
    drawn in pencil" ask for the same.

    Raises:
        UsageError: one of the edits does not exist.
    """
    return wording.roughen(clean_phrase(edits, rng, part), rng)


def clean_phrase(edits: Sequence[str], rng: random.Random, part: Part = "all") -> str:
    """As `sample_phrase`, in lower case, without typos and without final punctuation."""
    names = [_known(edit) for edit in edits]
    if not names:
        return ""
    if len(names) == 1:
        return wording.dress(_single(names[0], rng, part), rng)
    return wording.dress(_combined(names, rng, part), rng)


def clean_unknown(rng: random.Random, part: Part = "all") -> str:
    """One text that asks for no edit of the bank: objects in and out, motion, sound, small talk."""
    template = rng.choice(_unknown(part))
    text = wording.fill(template, rng)
    return wording.polite(text, rng) if rng.random() < 0.3 else text


def random_edits(rng: random.Random, pairs: float = 0.3) -> tuple[str, ...]:
    """One edit, or with probability `pairs` two that combine."""
    first = rng.choice(EDITS)
    if rng.random() >= pairs:
        return (first,)
    return (first, rng.choice([edit for edit in EDITS if combinable(first, edit)]))


@cache
def phrasebook(part: Part) -> Phrasebook:
    """All content phrases: edit -> kind -> phrases. `canonical` phrases belong to every part."""
    book: Phrasebook = {}
    for name in KINDS:
        for edit, kinds in wording.read_lists(f"{name}.txt").items():
            book[edit] = {
                kind: tuple(p for p in phrases if kind == "canonical" or _belongs(p, part))
                for kind, phrases in kinds.items()
            }
    return book


@cache
def _unknown(part: Part) -> tuple[str, ...]:
    lines = [line.strip() for line in wording.read_text("unknown.txt").splitlines()]
    return tuple(line for line in lines if line and not line.startswith("#") and _belongs(line, part))


def _belongs(phrase: str, part: Part) -> bool:
    held_out = hashlib.sha256(phrase.lower().encode()).digest()[0] % HELD_OUT == 0
    return part == "all" or held_out == (part == "validation")


def _known(edit: str) -> str:
    if edit not in EDITS:
        raise UsageError(f"there is no edit named {edit!r} in the bank", "the edits are " + ", ".join(EDITS))
    return edit


def _pick(edit: str, kinds: Sequence[str], rng: random.Random, part: Part) -> tuple[str, str]:
    """A random (kind, phrase) of the edit; falls back to `say`, then to the canonical phrase."""
    book = phrasebook(part)[edit]
    # A kind with few phrases is drawn less, so that no phrase is heard a hundred times as often as another.
    weights = [KIND_WEIGHTS[kind] * min(1.0, len(book.get(kind, ())) / 8) for kind in kinds]
    if not any(weights):
        kinds, weights = (("say",), [1]) if book.get("say") else (("canonical",), [1])
    kind = rng.choices(kinds, weights)[0]
    return kind, wording.fill(rng.choice(book[kind]), rng)


def _single(edit: str, rng: random.Random, part: Part) -> str:
    if rng.random() < 0.02:
        return canonical(edit)
    kind, phrase = _pick(edit, tuple(KIND_WEIGHTS), rng, part)
    return wording.sentence(kind, phrase, rng)


def _combined(edits: list[str], rng: random.Random, part: Part) -> str:
    if len(edits) == 2 and rng.random() < 0.75:
        first, second = edits if rng.random() < 0.5 else edits[::-1]
        for pattern in rng.sample(PATTERNS, len(PATTERNS)):
            phrase = pattern(first, second, rng, part)
            if phrase:
                return phrase
    joint = rng.choice((", ", " and ", " + ", ", and ", ", then ", " plus ", " & "))
    if rng.random() < 0.5:
        return joint.join(_pick(edit, ("say", "adj", "noun", "medium"), rng, part)[1] for edit in edits)
    return joint.join(_single(edit, rng, part) for edit in edits)


def _has(edit: str, kind: str, part: Part) -> bool:
    return bool(phrasebook(part)[edit].get(kind))


def _get(edit: str, kind: str, rng: random.Random, part: Part) -> str:
    return wording.fill(rng.choice(phrasebook(part)[edit][kind]), rng)


def _thing(edit: str, rng: random.Random, part: Part) -> str:
    """A noun phrase for the edit, with its article."""
    if _has(edit, "medium", part) and (rng.random() < 0.6 or not _has(edit, "noun", part)):
        return wording.with_article(_get(edit, "medium", rng, part))
    kind = "noun" if _has(edit, "noun", part) else "say"
    return _pick(edit, (kind,), rng, part)[1]


def _thing_then_prep(first: str, second: str, rng: random.Random, part: Part) -> str | None:
    if not _has(second, "prep", part):
        return None
    lead = rng.choice(
        ("", "", "make it ", "make it look like ", "turn it into ", "I want ", "turn {s} into ", "give me ")
    )
    return wording.fill(f"{lead}{_thing(first, rng, part)} {_get(second, 'prep', rng, part)}", rng)


def _adjective_thing(first: str, second: str, rng: random.Random, part: Part) -> str | None:
    if not _has(first, "adj", part):
        return None
    thing = _thing(second, rng, part)
    lead = rng.choice(("", "", "make it ", "turn it into ", "make {s} ", "a "))
    return wording.fill(f"{lead}{_get(first, 'adj', rng, part)} {wording.without_article(thing)}", rng)


def _medium_of(first: str, second: str, rng: random.Random, part: Part) -> str | None:
    if not _has(first, "medium", part):
        return None
    medium = wording.with_article(_get(first, "medium", rng, part))
    kind, phrase = _pick(second, ("adj", "noun", "prep"), rng, part)
    place = wording.place(rng)
    scene = {
        "adj": wording.with_article(f"{phrase} {place}"),
        "prep": f"{wording.with_article(place)} {phrase}",
    }.get(kind, phrase)
    lead = rng.choice(("", "", "make it ", "turn it into ", "make it look like ", "I want ", "turn {s} into "))
    return wording.fill(f"{lead}{medium} of {scene}", rng)


def _two_adjectives(first: str, second: str, rng: random.Random, part: Part) -> str | None:
    if not (_has(first, "adj", part) and _has(second, "adj", part)):
        return None
    one, two = _get(first, "adj", rng, part), _get(second, "adj", rng, part)
    joint = rng.choice((" and ", ", ", " but also ", " and also ", " yet "))
    return wording.fill(rng.choice(("make it {a}", "{a}", "make {s} {a}", "make it look {a}", "I want it {a}")), rng,
                        a=one + joint + two)  # fmt: skip


def _two_commands(first: str, second: str, rng: random.Random, part: Part) -> str | None:
    one, two = (
        wording.sentence(kind, phrase, rng) if kind != "act" else phrase
        for kind, phrase in (_pick(edit, ("act", "act", "adj", "noun"), rng, part) for edit in (first, second))
    )
    joint = rng.choice((" and ", ", then ", " and then ", ", and ", ". ", " while you ", " and also ", ". also "))
    return f"{one}{joint}{two}"


def _two_clauses(first: str, second: str, rng: random.Random, part: Part) -> str | None:
    if not (_has(first, "clause", part) and _has(second, "clause", part)):
        return None
    lead = rng.choice(("as if ", "like ", "make it look as if ", "make it look like ", "imagine "))
    return f"{lead}{_get(first, 'clause', rng, part)} and {_get(second, 'clause', rng, part)}"


def _command_then_prep(first: str, second: str, rng: random.Random, part: Part) -> str | None:
    if not (_has(first, "act", part) and _has(second, "prep", part)):
        return None
    joint = rng.choice((" ", ", ", ", all "))
    return f"{_get(first, 'act', rng, part)}{joint}{_get(second, 'prep', rng, part)}"


def _canonical_pair(first: str, second: str, rng: random.Random, part: Part) -> str | None:
    names = [edit.replace("_", " ") for edit in (first, second)]
    return rng.choice((
        f"{canonical(first)} and {canonical(second)}", f"{names[0]} {names[1]}", f"{names[0]} and {names[1]}",
        f"{names[0]}, {names[1]}", f"{names[0]} + {names[1]}", f"{canonical(first)}, {names[1]}",
    ))  # fmt: skip


Pattern = Callable[[str, str, random.Random, Part], str | None]
PATTERNS: tuple[Pattern, ...] = (
    _thing_then_prep, _thing_then_prep, _adjective_thing, _adjective_thing, _medium_of, _medium_of, _two_adjectives,
    _two_commands, _two_commands, _two_clauses, _command_then_prep, _canonical_pair,
)  # fmt: skip
