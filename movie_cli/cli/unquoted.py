"""Instructions that were typed without quotes, and patterns that a shell has made into names: what to type instead."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from movie_cli.errors import UsageError

_NUMBERED = re.compile(r"(.*?)(\d+)(\.(?:png|jpe?g|webp|tiff?|bmp))", re.IGNORECASE | re.DOTALL)
_SPECIAL = re.compile(r'["$`\\!]')


def too_many(command: str, typed: Sequence[str], words: Sequence[str]) -> UsageError:
    """What to say of a command line with more words than a source and an instruction.

    `command` is the command as it is typed, `typed` all that follows it, `words` what is no option or one's value.
    """
    rest = list(typed)
    for word in words:
        rest.remove(word)
    pattern, count = _pattern_of(words)
    source, said = (pattern, words[count:]) if count else (words[0], words[1:])
    line = " ".join(
        [command, shlex.quote(source) if not count else f'"{source}"', _quoted(" ".join(said)), *rest_of(rest)]
    )
    if count:
        return UsageError(
            f"{words[0]} and {count - 1} more pictures are one source", f"name them by their pattern: {line}"
        )
    return UsageError(f"the instruction is {len(said)} words without quotes", f"put it in quotes: {line}")


def rest_of(typed: Sequence[str]) -> list[str]:
    """What else was typed, without what only ends the options."""
    return [shlex.quote(word) for word in typed if word != "--"]


def _quoted(text: str) -> str:
    return shlex.quote(text) if _SPECIAL.search(text) else f'"{text or "INSTRUCTION"}"'


def _pattern_of(words: Sequence[str]) -> tuple[str, int]:
    """The pattern of the numbered pictures that the words begin with, and how many these are; 0 where they are none."""
    first = _NUMBERED.fullmatch(words[0])
    if first is None:
        return "", 0
    digits = []
    for word in words:
        found = _NUMBERED.fullmatch(word)
        if found is None or (found[1], found[3]) != (first[1], first[3]):
            break
        digits.append(found[2])
    widths = {len(each) for each in digits}
    place = f"%0{widths.pop()}d" if len(widths) == 1 and len(digits[0]) > 1 else "%d"
    return (first[1].replace("%", "%%") + place + first[3], len(digits)) if len(digits) > 1 else ("", 0)
