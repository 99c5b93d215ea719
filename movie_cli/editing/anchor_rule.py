"""What is written after `--anchors`: which frames the others attend to. Costs nothing to import."""

from __future__ import annotations

import re
from dataclasses import dataclass

from movie_cli.errors import UsageError

WORDS = ("middle", "first", "every:N", "scene", "none")
_EVERY = re.compile(r"every:([1-9]\d{0,8})", re.ASCII)


@dataclass(frozen=True)
class Rule:
    """A choice of anchors: one of `WORDS`; `every` is the N of `every:N`."""

    kind: str
    every: int = 0

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Read what is written after `--anchors`.

        Raises:
            UsageError: it is none of `WORDS`.
        """
        found = _EVERY.fullmatch(text)
        if found:
            return cls("every", int(found[1]))
        if text not in WORDS or ":" in text:
            raise UsageError(f"there are no anchors {text}", f"known are {', '.join(WORDS)}, such as every:48")
        return cls(text)

    @property
    def moves(self) -> bool:
        """Whether anchors change within a clip."""
        return self.kind in {"every", "scene"}
