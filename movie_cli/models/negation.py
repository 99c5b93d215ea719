"""What an instruction says not to do: "not winter", "without fog", "remove the snow", "summer instead of winter".

An encoder of meanings takes such words for what they name. So what is negated is asked for by itself, and must not be
among what the whole asks for. Words like "less dark", whose whole has a meaning of its own, are left to the encoder.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

_VERB = r"(?:do|does|did|is|are|was|were|should|must|could|would|can|may|need)"
_ASKS = r"(?! (?:it|we|you|they|this|there)\b)"
"""Couldn't it be winter? It could."""
_CUE = re.compile(
    rf"\b(?:{_VERB}(?:n['’]?t{_ASKS}| not)|cannot|(?<!why )not|no(?! \d)|non(?=-)|without|sans|minus|remove"
    rf"|removing|delete|erase|undo"
    r"|(?:get|getting|keep) (?:it )?(?:rid of|from)|rid (?:it|the \w+) of|(?:take|clear|wash|wipe|turn"
    r"|switch) (?:away|out|off)"
    r"|(?:any|every)thing (?:but|except|other than)|nothing like|less|fewer|neither|nor|(?:free|far) (?:of|from)"
    r"|(?:instead|opposite) of|rather than|avoid(?:ing)?|skip|lose|hate|dislike|ban|(?:cut|cancel|reverse|melt|kill"
    r"|ditch|scrap|hold|forget(?: about)?)(?= the)|refrain from|can(?:['’]?t|not) (?:stand|bear)"
    r"|drop(?= the [\w ]+ (?:look|effect|filter|style|thing|idea)\b)|^never"
    r"|never(?= make| turn| let| be| give| show)|stop(?: with)?(?= the| it| all| any| this| \w+ing\b))\b"
    # What stands between and names nothing.
    r"(?:[\s-]+(?:want|make|making|turn|turning|give|let|have|see|seeing|look|looking|like|be|being|it|this|that|to"
    r"|me|of|in|into|as|any|all|every|the|a|an|so|too|such|much|more|look|effect|style)\b)*\s*",
    re.IGNORECASE,
)
_END = re.compile(
    r"[,.;:!?()\n]|\b(?:but|(?<!black )and|instead|rather|just|only|please|then|with|nor)\b", re.IGNORECASE
)
_GONE = re.compile(
    r"(?:\b(?:make|let|want|have|with|take|turn|switch|wash|wipe) )?\b(?:the|all|this"
    r"|that) (?P<gone>[\w'-]+(?: [\w'-]+){0,2}?)"
    r"(?: (?:should|must|has to|have to|to))?(?: be)? "
    r"(?:disappears?|vanish(?:es)?|gone|goes away|go away|melts?|removed|off|away)\b",
    re.IGNORECASE,
)
# "No colour" is a look, and "nothing but sand" negates all else.
_MEANT = re.compile(r"(?:nothing|none|colou?rs?|colou?rful|chroma|hues?|saturation)\b", re.IGNORECASE)


_NOT_SO = re.compile(r"(?:\bnot|n['’]?t)( be| look)? (?:quite )?so\b(?! much\b)", re.IGNORECASE)


_UNDONE = re.compile(
    r"(?P<gone>.+?)[,.;:!]+ (?:please )?(?:remove|delete|get rid of|take away|lose|drop|undo|kill) (?:it|that|them)\b",
    re.IGNORECASE,
)


def softened(text: str) -> str:
    """The text with "less bright" for "not so bright"."""
    return _NOT_SO.sub(r"\1 less", text)


def negations(text: str) -> Iterator[tuple[str, str]]:
    """For each thing that a text negates: the text without it, and the thing."""
    for cue in _CUE.finditer(text):
        end = _END.search(text, cue.end())
        stop = end.start() if end else len(text)
        negated = text[cue.end() : stop].strip()
        if negated and not _MEANT.match(negated):
            yield f"{text[: cue.start()]} {text[stop:]}".strip(" ,.;:!?"), negated
    for gone in itertools.chain(_GONE.finditer(text), _UNDONE.finditer(text)):
        if not _MEANT.match(gone["gone"]):
            yield f"{text[: gone.start()]} {text[gone.end() :]}".strip(" ,.;:!?"), gone["gone"]
