"""The looks that checkpoints know by name, and what one types to get them. Needs no network to be loaded."""

from __future__ import annotations

import configparser
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

KINDS = (
    *("seasons_and_weather", "light_and_place", "drawing_and_painting", "film_and_device"),
    *("colours_and_materials", "photography"),
)
"""Files of `train/phrases`: how people ask for looks. A look is a section, its first line the plainest words."""
WHOLE = 2
_WORDS = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Look:
    """A look: a checkpoint's name for it, the instruction that asks for it, and the kind of looks it belongs to."""

    name: str
    words: str
    kind: str

    @property
    def title(self) -> str:
        """The name as people write it."""
        return readable(self.name)


def readable(name: str) -> str:
    """A look's name as people write it: `teal_and_orange` is `teal and orange`."""
    return name.replace("_", " ").replace("+", " and ")


def looks_of(edits: Iterable[str]) -> list[Look]:
    """The looks that a checkpoint names, in its order. One that no phrase file has is asked for by its name."""
    known = _canonical()
    found = []
    for name in edits:
        words = [known[part][0] if part in known else readable(part) for part in name.split("+")]
        kind = known[name.split("+")[0]][1] if name.split("+")[0] in known else "other"
        found.append(Look(name, " and ".join(words), kind))
    return found


def matching(looks: Sequence[Look], words: str) -> list[Look]:
    """Those that have all words, whole or as beginnings, in their name, instruction, kind, or in one of their phrases.

    The best come first: a name before an instruction, that before a kind and that before phrases, of which more are
    better; whole words before beginnings.
    """
    wanted = _WORDS.findall(words.casefold())
    found = [(place, look) for look in looks if wanted and (place := _place(look, wanted)) is not None]
    return [look for _, look in sorted(found, key=lambda each: each[0])]


def _place(look: Look, wanted: Sequence[str]) -> tuple[int, int] | None:
    """Where a look comes among those that are found, the least first; None where it has not all words."""
    phrases = [phrase for part in look.name.split("+") for phrase in _phrases().get(part, ())]
    texts = [look.title, look.words, f"{look.title} {look.words} {readable(look.kind)}"]
    for number, text in enumerate(texts):
        if closeness := _closeness(text, wanted):
            return 2 * number - (closeness == WHOLE), 0
    closest = [_closeness(phrase, wanted) for phrase in phrases]
    return (2 * len(texts) - (WHOLE in closest), -sum(map(bool, closest))) if any(closest) else None


def _closeness(text: str, wanted: Sequence[str]) -> int:
    """`WHOLE` where a text has all words, 1 where some are beginnings of its words, 0 where one is not there."""
    has = _WORDS.findall(text.casefold())
    if all(word in has for word in wanted):
        return WHOLE
    return int(all(any(one.startswith(word) for one in has) for word in wanted))


@cache
def _phrases() -> dict[str, list[str]]:
    """All ways to ask for a look, by name."""
    every = itertools.chain.from_iterable(_sections().values())
    return {section.name: [phrase for texts in section.values() for phrase in texts.split(";")] for section in every}


@cache
def _canonical() -> dict[str, tuple[str, str]]:
    """Plainest words and kind by name."""
    return {
        section.name: (section["canonical"].split(";")[0].strip(), kind)
        for kind, sections in _sections().items()
        for section in sections
    }


@cache
def _sections() -> dict[str, list[configparser.SectionProxy]]:
    """What `train/phrases` says of each look, by kind."""
    found, folder = {}, resources.files("movie_cli") / "train" / "phrases"
    for kind in KINDS:
        parser = configparser.ConfigParser(interpolation=None, delimiters=(":",))
        parser.read_string((folder / f"{kind}.txt").read_text(encoding="utf-8"))
        found[kind] = [parser[name] for name in parser.sections()]
    return found
