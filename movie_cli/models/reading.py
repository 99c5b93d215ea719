"""What an instruction's look is taken for: a text encoder's judgement, with what plain rules know better.

The encoder is told of as a function from a text to a `Judgement`, in the arrays of whatever runs it; nothing here
imports torch. Rules come before it (words that it lacks stand for words that it has) and after it: what a text negates
is never asked for, and looks that are named beside another are asked for too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from movie_cli.looks import looks_of, readable
from movie_cli.models.directions.clauses import content
from movie_cli.models.directions.words import COLOURS, SHADES, listed
from movie_cli.models.negation import negations, softened

NEAREST = 3
NAMED = 0.06
"""Odds, in [0, 1], that a second look must have whose own name is in the text; others need even odds."""
_PLAIN = {
    "red": "red redder auburn burgundy maroon cherry vermilion brick rust rusty tomato claret carmine bloody",
    "orange": "orange peach tangerine apricot amber pumpkin orangey",
    "yellow": "yellow yellowish lemon ochre mustard canary saffron",
    "green": "green greener olive lime mint khaki jade sage",
    "turquoise": "turquoise teal aqua",
    "blue": "blue bluer navy azure indigo cobalt sapphire cerulean",
    "purple": "purple plum aubergine mauve lilac eggplant purplish",
    "pink": "pink salmon coral rose magenta",
    "brown": "brown beige tan chestnut chocolate coffee caramel hazel mahogany",
    "black": "black onyx",
    "white": "white cream ivory pearl",
    "grey": "grey gray greyish grayish slate ash",
    "golden": "golden gilded gild gilt",
    "out of ice": "icy glassy",
    "chrome": "metal metallic steel",
    "pixel art": "minecraft",
    "stone": "concrete petrify petrified",
    "less colourful": "tone mute muted calm dull subdued unsaturated",
    "brighter": "brighten brightened lighten lightened lift",
    "darker": "dim dimmed darken darkened",
    "colourful": "saturate saturated vivid vibrant pop multicoloured multicolored rainbow",
    "black and white": "bw b/w b&w mono monochrome grayscale greyscale desaturate desaturated",
    "vintage": "age aged old",
    "autumn": "fall",
    "cartoon": "toon cartoonify toonify",
    "faded": "fade",
    "look better": "good better nice nicer pretty prettier beautiful",
    "ukiyo-e": "hiroshige utamaro",
    "sharper": "sharp sharpening",
    "blurry": "blurring blurrier",
    "cinematic": "filmic",
}
PLAIN = {word: plain for plain, words in _PLAIN.items() for word in listed(words)}
"""Words that the encoder lacks or takes for another look, and what they mean where nothing else is said."""
_SHADED = re.compile(
    rf"\b(?:(?:{'|'.join(sorted(SHADES, key=len, reverse=True))})[ -])+({'|'.join(COLOURS)})\b", re.IGNORECASE
)
_TOO = {
    word: plain
    for plain, words in {
        "colourful": "dull grey gray drab lifeless",
        "high contrast": "flat",
        "sharper": "blurry blurred fuzzy soft",
        "less colourful": "strong vivid vibrant loud garish intense saturated",
    }.items()
    for word in listed(words)
}
"""What is wanted where something is too much of these, or is to be less so."""
_A_LITTLE = {"black and white": "less colourful"}
_DEGREES = frozenset(
    listed("very really deep deeper dark light bright pale rich soft slightly partly somewhat much shade")
)
_SCENES = frozenset({"beach", "desert", "jungle", "summer"})
OPPOSITES = (("brighter", "darker"), ("warmer", "cooler"), ("colourful", "muted"), ("sharpen", "blur"))


@dataclass(frozen=True)
class Judgement:
    """What an encoder says of one text: tokens `(1, L, D)`, and for each look a logit and how near it is."""

    tokens: Any
    logits: Sequence[float]
    nearness: Sequence[float]


@dataclass(frozen=True)
class Encoded:
    """Tokens `(1, L, D)` of one instruction; whether the model knows such an edit, the nearest ones, what is asked."""

    tokens: Any
    known: bool = True
    nearest: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reader:
    """Reads instructions for a checkpoint that names its looks.

    Args:
        edits: The looks, in the order of the logits.
        threshold: How near one must be to count as known.
        judge: The text encoder.
        tokens_of: The tokens of a look.
    """

    edits: Sequence[str]
    threshold: float
    judge: Callable[[str], Judgement]
    tokens_of: Callable[[str], Any]

    def read(self, text: str) -> Encoded:
        """What a text asks for. A look's own name and nothing else is that look."""
        text = in_plain_words(softened(text))
        found, judged = self._judged(text)
        name = re.sub(r"\W+", "_", text.strip(" .!").casefold())
        if name in self.edits:
            others = [edit for edit in found.nearest if edit != name]
            return Encoded(self.tokens_of(name), True, (name, *others[: NEAREST - 1]), (name,))
        negated_names: set[str] = set()
        for rest, negated in negations(text):
            negated_names |= {*named(negated, self.edits)}
            told = self._judged(in_plain_words(negated))[0]
            meant = {*told.asked, *told.nearest[:2]} - {other for edit in told.nearest[:1] for other in _opposite(edit)}
            if not found.asked or meant & {*found.asked}:
                left = self.read(rest)
                # What is left counts if it says something, else nothing is asked for.
                return left if left.known or not rest else self.read("")
        names = [name for name in dict.fromkeys(named(text, self.edits)) if name not in negated_names]
        return self._with_named(names, found, judged)

    def _judged(self, text: str) -> tuple[Encoded, Judgement]:
        """What the encoder alone makes of a text."""
        judged = self.judge(text)
        near = sorted(range(len(self.edits)), key=lambda index: -judged.nearness[index])
        known = max(judged.nearness, default=0.0) >= self.threshold
        nearest = tuple(self.edits[index] for index in near[:NEAREST])
        return Encoded(judged.tokens, known, nearest, asked_of(self.edits, judged.logits) if known else ()), judged

    def _with_named(self, names: Sequence[str], found: Encoded, judged: Judgement) -> Encoded:
        """The same with looks that are named in the text, as the encoder often hears but one of two."""
        least = math.log(NAMED / (1 - NAMED))
        if found.asked:
            asked = [name for name in names if judged.logits[self.edits.index(name)] >= least]
        else:
            asked = [name for name in names if "_" in name]
        more = [name for name in asked if name not in found.asked]
        if not more:
            return found
        asked = [*found.asked, *more]
        tokens = sum((self.tokens_of(name) for name in asked[1:]), start=self.tokens_of(asked[0]))
        return Encoded(tokens, True, tuple(dict.fromkeys([*asked, *found.nearest]))[:NEAREST], tuple(asked))


def asked_of(edits: Sequence[str], logits: Sequence[float]) -> tuple[str, ...]:
    """The looks that a known instruction asks for, the surest first: a second one needs even odds."""
    sure = sorted(range(len(edits)), key=lambda index: -logits[index])
    return tuple(edits[index] for place, index in enumerate(sure) if place == 0 or logits[index] >= 0)


def in_plain_words(text: str) -> str:
    """The text, or where all that it says is a word of `PLAIN` and how much of it, that in words the encoder has.

    A shade of a colour ("midnight blue") is that colour.
    """
    text = _SHADED.sub(r"\1", text)
    said = content(text)
    known = [PLAIN[word] for word in said if word in PLAIN]
    too = [_TOO[word] for word in said if word in _TOO]
    if too and {*said} <= {*_TOO, "too", "less", "way", "far", "much"} and {*said} & {"too", "less"}:
        return f"make it {too[0]}"
    if len({*known}) != 1 or any(word not in PLAIN and word not in _DEGREES for word in said):
        return text
    little = re.search(r"\b(?:bit|little|slightly|partly|somewhat)\b", text, re.IGNORECASE)
    return f"make it {_A_LITTLE.get(known[-1], known[-1]) if little else known[-1]}"


def named(text: str, edits: Sequence[str]) -> Iterator[str]:
    """Looks whose names are in a text, "fog" also as "foggy"; of names in one another the longest.

    Not those of colours and of places, which may be what is there.
    """
    titles = {readable(look.name): look for look in looks_of(sorted(edits, key=len, reverse=True))}
    one = "|".join(re.escape(title) for title in titles) or r"(?!)"
    for found in re.finditer(rf"(?<![\w-])({one})(?:\w?y|'s)?(?![\w-])", text.casefold().replace("&", "and")):
        if titles[found[1]].kind != "colours_and_materials" and found[1] not in _SCENES:
            yield titles[found[1]].name


def _opposite(edit: str) -> Iterator[str]:
    for pair in OPPOSITES:
        if edit in pair:
            yield from {*pair} - {edit}
