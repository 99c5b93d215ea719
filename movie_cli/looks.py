"""The looks that checkpoints know by name, and what one types to get them. Needs no network to be loaded."""

from __future__ import annotations

import configparser
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

KINDS = (
    *("seasons_and_weather", "light_and_place", "drawing_and_painting", "film_and_device"),
    *("colours_and_materials", "photography"),
)
"""Files of `train/phrases`: how people ask for looks. A look is a section, its first line the plainest words."""


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


def matching(looks: Sequence[Look], word: str) -> list[Look]:
    """Those with a word in their name, instruction or kind."""
    wanted = word.casefold()
    return [look for look in looks if wanted in f"{look.title} {look.words} {readable(look.kind)}".casefold()]


@cache
def _canonical() -> dict[str, tuple[str, str]]:
    """Plainest words and kind by name."""
    found: dict[str, tuple[str, str]] = {}
    folder = resources.files("movie_cli") / "train" / "phrases"
    for kind in KINDS:
        parser = configparser.ConfigParser(interpolation=None, delimiters=(":",))
        parser.read_string((folder / f"{kind}.txt").read_text(encoding="utf-8"))
        found |= {name: (parser[name]["canonical"].split(";")[0].strip(), kind) for name in parser.sections()}
    return found
