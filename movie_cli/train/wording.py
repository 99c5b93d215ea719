"""The wording around a content phrase: subjects, verbs, politeness, hedges, typing habits.

What makes an instruction mean one edit and not another is in the phrase files alone. The words themselves are in
`phrases/wording.txt`.
"""

from __future__ import annotations

import configparser
import random
import re
from functools import cache
from importlib import resources

SPELLINGS = (
    ("colour", "color"),
    ("grey", "gray"),
    ("cosy", "cozy"),
    ("cosier", "cozier"),
    ("centre", "center"),
    ("sombre", "somber"),
    ("visualise", "visualize"),
    ("harbour", "harbor"),
    ("stylise", "stylize"),
    ("neutralise", "neutralize"),
    ("posterise", "posterize"),
    ("metre", "meter"),
    ("theatre", "theater"),
    ("mum", "mom"),
    ("favourite", "favorite"),
    ("moustache", "mustache"),
)
SHORTCUTS = (
    ("it is", "it's"),
    ("do not", "don't"),
    ("i would like", "i'd like"),
    ("want to", "wanna"),
    ("there is", "there's"),
    ("please", "plz"),
    ("please", "pls"),
    ("could you", "could u"),
    ("can you", "can u"),
    ("you", "u"),
    ("with", "w/"),
    ("and", "n"),
)
KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
HEDGED = 0.25
POLITE = 0.22
CONTEXT = 0.07
SHORTENED = 0.12
SLOPPY = 0.12
MISTYPED = 0.15
LONGEST_WITH_CONTEXT = 100
"""Characters; a longer text gets no sentence of context, so that the instruction stays most of what is said."""


def read_lists(name: str) -> dict[str, dict[str, tuple[str, ...]]]:
    """A file of `phrases/` in INI form: section -> key -> the values that semicolons separate."""
    parser = configparser.ConfigParser(interpolation=None, delimiters=(":",))
    parser.read_string(read_text(name))
    return {
        section: {key: tuple(v for v in map(_one_line, text.split(";")) if v) for key, text in parser[section].items()}
        for section in parser.sections()
    }


def read_text(name: str) -> str:
    """The text of a file of `phrases/`."""
    return resources.files(__package__).joinpath("phrases", name).read_text(encoding="utf-8")


def _one_line(text: str) -> str:
    return " ".join(text.split())


@cache
def _words() -> dict[str, tuple[str, ...]]:
    return read_lists("wording.txt")["words"]


@cache
def _templates() -> dict[str, tuple[str, ...]]:
    return read_lists("wording.txt")["templates"]


def sentence(kind: str, phrase: str, rng: random.Random) -> str:
    """An instruction made of a content phrase of a kind: adj, noun, medium, prep, clause, act, say or ask."""
    if kind == "adj" and rng.random() < HEDGED:
        phrase = f"{rng.choice(_words()['hedges'])} {phrase}"
    template = rng.choice(_templates()[kind])
    return fill(template, rng, x=phrase, X=without_article(phrase), an=with_article(phrase))


def place(rng: random.Random) -> str:
    """A place, creature or thing that a video may show, without article."""
    return rng.choice(_words()["places"])


def subject(rng: random.Random) -> str:
    """What an instruction speaks of: "it", "my video", "the street", "this clip of a dog"."""
    draw = rng.random()
    if draw < 0.62:
        return rng.choice(_words()["subjects"])
    if draw < 0.85:
        return f"{rng.choice(('the', 'the', 'this', 'my', 'that', 'our'))} {place(rng)}"
    what = rng.choice(("clip", "video", "footage", "shot", "film", "scene", "recording"))
    return f"{rng.choice(('this', 'the', 'my', 'a'))} {what} of {with_article(place(rng))}"


def with_article(noun: str) -> str:
    """The noun phrase with `a` or `an`, unless it starts with an article or looks like a plural name."""
    first = noun.split(" ", 1)[0].lower()
    if first in {"a", "an", "the", "my", "this"} or (noun[:1].isupper() and noun.endswith("s")):
        return noun
    return f"{'an' if first[:1] in set('aeiou') or first.startswith('8') else 'a'} {noun}"


def without_article(noun: str) -> str:
    """The noun phrase without a leading article."""
    return re.sub(r"^(a|an|the) ", "", noun, flags=re.IGNORECASE)


def fill(template: str, rng: random.Random, **values: str) -> str:
    """Replace `{s}`, `{o}`, `{o2}`, `{p}`, `{p2}` by random subjects, objects, people, and the values given."""
    if "{" not in template:
        return template
    words = _words()
    return template.format(
        s=subject(rng),
        o=rng.choice(words["objects"]),
        o2=rng.choice(words["objects"]),
        p=rng.choice(words["people"]),
        p2=rng.choice(words["creatures"]),
        **values,
    )


def polite(text: str, rng: random.Random) -> str:
    """The text with an opening, a closing or both."""
    draw = rng.random()
    if draw < 0.6:
        text = f"{rng.choice(_words()['openings'])} {text}"
    if draw > 0.4:
        text = f"{text} {rng.choice(_words()['closings'])}"
    return text


def situate(text: str, rng: random.Random) -> str:
    """The text with something before or after it that says nothing of the edit: where and how the video was shot."""
    if rng.random() < 0.6:
        return f"{rng.choice(_words()['contexts'])}{rng.choice((', ', '. ', ': ', ' - ', ' '))}{text}"
    return f"{text}{rng.choice((', ', '. ', ' - '))}{rng.choice(_words()['afterwords'])}"


def dress(text: str, rng: random.Random) -> str:
    """Add politeness and context to some texts, choose spellings and short forms, and make all lower case."""
    if rng.random() < POLITE:
        text = polite(text, rng)
    if len(text) <= LONGEST_WITH_CONTEXT and rng.random() < CONTEXT:
        text = situate(text, rng)
    back, forth = (0, 1) if rng.random() < 0.5 else (1, 0)
    text = text.lower()
    if rng.random() < 0.7:
        for spelling in SPELLINGS:
            text = re.sub(rf"\b{spelling[back]}", spelling[forth], text)
    if rng.random() < SHORTENED:
        for long, short in rng.sample(SHORTCUTS, 6):
            text = re.sub(rf"\b{long}\b", short, text)
    return _one_line(text)


def roughen(text: str, rng: random.Random) -> str:
    """What typing makes of a text: casing, punctuation, and in about one text of seven a typing error or two."""
    if not text:
        return text
    if rng.random() < MISTYPED:
        for _ in range(rng.choice((1, 1, 2))):
            text = _mistype(text, rng)
    if rng.random() < SLOPPY:
        text = re.sub(r"[',]", "", text) or text
    draw = rng.random()
    if draw < 0.3:
        text = text[0].upper() + text[1:]
    elif draw < 0.35:
        text = text.upper()
    elif draw < 0.4:
        text = text.title()
    elif draw < 0.42:
        text = "".join(c.upper() if rng.random() < 0.3 else c for c in text)
    return text + rng.choices(("", ".", "!", "...", "?", "!!"), (60, 25, 6, 3, 4, 2))[0]


@cache
def _vocabulary() -> frozenset[str]:
    """Every word of the phrase files."""
    folder = resources.files(__package__).joinpath("phrases")
    texts = (read_text(file.name) for file in folder.iterdir() if file.name.endswith(".txt"))
    return frozenset(word for text in texts for word in re.findall(r"[a-z]+", text.lower()))


def _mistype(text: str, rng: random.Random) -> str:
    """One slip in one word, or a space missed; never a slip that makes another word of the phrase files.

    So "fog" does not become "dog", "rain" not "train", and "night" not "knight".
    """
    words = list(re.finditer(r"[A-Za-z]{3,}", text))
    spaces = [i for i, letter in enumerate(text) if letter == " "]
    if spaces and rng.random() < 0.12:
        i = rng.choice(spaces)
        return text[:i] + text[i + 1 :]
    if not words:
        return text
    match = rng.choice(words)
    slipped = _slip(match.group(), rng)
    if slipped.lower() in _vocabulary():
        return text
    return text[: match.start()] + slipped + text[match.end() :]


def _slip(word: str, rng: random.Random) -> str:
    """A word of three letters or more with letters swapped, lost, doubled, or the key beside; rarely the first."""
    i = rng.randrange(0 if len(word) > 3 and rng.random() < 0.1 else 1, len(word))
    draw = rng.random()
    if draw < 0.3:
        i = min(i, len(word) - 2)
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    if draw < 0.55 and len(word) > 3:
        return word[:i] + word[i + 1 :]
    if draw < 0.75:
        return word[:i] + word[i] + word[i:]
    row = next(row for row in KEYS if word[i].lower() in row)
    at = row.index(word[i].lower())
    beside = [row[k] for k in (at - 1, at + 1) if 0 <= k < len(row)]
    return word[:i] + rng.choice(beside) + word[i + 1 :]
