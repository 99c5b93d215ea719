"""Mends slips of the keyboard: a word that is no word becomes the known word that is one slip away from it.

A slip is one letter lost, doubled, added or mistaken, or two neighbours swapped (Damerau 1964). Known words that a slip
can lead to are found through their deletions, as in SymSpell. Knows nothing of what words mean.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property

SHORTEST_SWAPPED, SHORTEST_CHANGED = 4, 6
"""Letters that a word must have to be mended; in a short one a mistaken letter makes another word too easily."""
ENDINGS = ("s", "es", "d", "ed", "ing", "er", "est", "y", "ly", "ish", "like", "ness", "less", "n", "en", "ful")
"""A known word with one of these is a word, whether the vocabulary has it or not: "snowed" is not "showed"."""
_WORD = re.compile(r"[A-Za-z]{4,24}")


class Speller:
    """Corrects texts towards `words`, lower case, the commonest first; of two that are as near the commoner wins."""

    def __init__(self, words: Sequence[str]) -> None:
        self._rank = {word: place for place, word in reversed(list(enumerate(words)))}

    def correct(self, text: str) -> str:
        """The text with its misspelt words replaced, in lower case; all else as it was."""
        return _WORD.sub(lambda match: self._mend(match.group()), text)

    def _mend(self, word: str) -> str:
        typed = word.lower()
        if self._is_word(typed):
            return word
        near = {other for key in _deletions(typed) for other in self._by_deletion.get(key, ())}
        near = {other for other in near if _one_slip(typed, other)}
        return min(near, key=self._rank.__getitem__, default=word)

    def _is_word(self, typed: str) -> bool:
        if typed in self._rank:
            return True
        stems = (typed.removesuffix(ending) for ending in ENDINGS if typed.endswith(ending))
        return any(stem in self._rank or stem + "e" in self._rank for stem in stems)

    @cached_property
    def _by_deletion(self) -> dict[str, list[str]]:
        index: dict[str, list[str]] = defaultdict(list)
        for word in self._rank:
            if len(word) >= SHORTEST_SWAPPED:
                for key in _deletions(word):
                    index[key].append(word)
        return index


def _deletions(word: str) -> set[str]:
    """The word, and it with any one letter left out: words one slip apart have one of these in common."""
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


def _one_slip(typed: str, word: str) -> bool:
    if len(typed) == len(word):
        wrong = [i for i, (a, b) in enumerate(zip(typed, word, strict=True)) if a != b]
        if len(wrong) == 2:
            i, j = wrong
            return j == i + 1 and typed[i] == word[j] and typed[j] == word[i] and len(typed) >= SHORTEST_SWAPPED
        return len(wrong) == 1 and len(typed) >= SHORTEST_CHANGED
    shorter, longer = sorted((typed, word), key=len)
    return len(longer) == len(shorter) + 1 and shorter in _deletions(longer) and len(typed) >= SHORTEST_CHANGED
