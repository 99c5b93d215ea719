"""Open-vocabulary text for the instruction encoder: WordNet's definitions, examples and words.

Promises short English texts that have nothing to do with any edit on purpose, so that the encoder learns words
which no phrasing of an edit uses. Knows nothing of edits, teachers or training. WordNet itself is not shipped:
without its folder there is no open text, and the caller says so.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WORDNET = Path("/usr/share/wordnet")
"""Where Debian's package wordnet-base puts the dictionary."""
PARTS_OF_SPEECH = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
TEMPLATES = {
    "n": (
        "{w}", "{w}", "make it look like {a} {w}", "turn this into {a} {w}", "{a} {w}", "add {a} {w}", "with {w}",
        "give it a {w} look", "like {a} {w}", "{w} style", "a scene of {w}", "I want {w}", "put it in {a} {w}",
    ),
    "v": ("{w}", "{w} it", "{w} the video", "make it {w}", "please {w} everything"),
    "a": ("{w}", "{w}", "make it {w}", "make it look {w}", "a {w} scene", "more {w}", "very {w} look", "turn it {w}"),
    "r": ("{w}", "do it {w}"),
}  # fmt: skip
MAX_WORDS = 16


@dataclass(frozen=True)
class Synset:
    """One meaning of WordNet: its part of speech (n, v, a, r), its words, definition and examples of use."""

    part: str
    words: tuple[str, ...]
    definition: str
    examples: tuple[str, ...]


def available(folder: Path = WORDNET) -> bool:
    """Whether the folder holds WordNet's data files."""
    return all((folder / f"data.{name}").is_file() for name in PARTS_OF_SPEECH.values())


def synsets(folder: Path = WORDNET) -> Iterator[Synset]:
    """All meanings in WordNet's `data.*` files, in file order (format: the manual page wndb(5WN))."""
    for part, name in PARTS_OF_SPEECH.items():
        with (folder / f"data.{name}").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("  "):
                    continue
                head, _, gloss = line.partition(" | ")
                fields = head.split()
                count = int(fields[3], 16)
                # An adjective may carry its syntactic position: "galore(ip)".
                words = tuple(re.sub(r"\(\w+\)$", "", word).replace("_", " ") for word in fields[4 : 4 + 2 * count : 2])
                examples = tuple(re.findall(r'"([^"]+)"', gloss))
                definition = gloss.split('; "')[0].strip(" ;\n")
                yield Synset(part, words, definition, examples)


def common_words(folder: Path = WORDNET) -> dict[str, int]:
    """Words of WordNet's tagged texts with their counts (`cntlist.rev`); empty where that file is absent."""
    counts: dict[str, int] = {}
    path = folder / "cntlist.rev"
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, count = line.split()
            word = key.split("%")[0].replace("_", " ")
            counts[word] = counts.get(word, 0) + int(count)
    return counts


def article(word: str) -> str:
    """`a` or `an`, by the first letter."""
    return "an" if word[:1].lower() in "aeiou" else "a"


def templated(word: str, part: str, rng: random.Random) -> str:
    """The word inside a random instruction template for its part of speech (n, v, a or r)."""
    return rng.choice(TEMPLATES[part]).format(w=word, a=article(word))


def open_texts(limit: int, seed: int = 0, folder: Path = WORDNET) -> list[str]:
    """Up to `limit` different short texts in random order: a third each words in templates, examples, definitions.

    Common words come first: a meaning counts only if one of its words occurs in WordNet's tagged texts.
    """
    rng = random.Random(seed)  # noqa: S311 - not cryptography
    common = common_words(folder)
    known = [s for s in synsets(folder) if not common or any(w.lower() in common for w in s.words)]
    rng.shuffle(known)
    kinds: tuple[list[str], list[str], list[str]] = ([], [], [])
    for synset in known:
        words = [w for w in synset.words if not common or w.lower() in common]
        kinds[0].append(templated(rng.choice(words), synset.part, rng))
        if synset.part in "na":
            kinds[0].append(templated(rng.choice(words), synset.part, rng))
        kinds[1].extend(synset.examples)
        kinds[2].append(re.sub(r"\s*\([^)]*\)", "", synset.definition))
    chosen: dict[str, None] = {}
    for kind, share in zip(kinds, (0.4, 0.3, 0.3), strict=True):
        fitting = dict.fromkeys(text for text in kind if 0 < len(text.split()) <= MAX_WORDS)
        chosen.update(dict.fromkeys(list(fitting)[: int(share * limit)]))
    texts = list(chosen)
    rng.shuffle(texts)
    return texts
