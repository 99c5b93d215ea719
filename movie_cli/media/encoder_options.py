"""Which options of encoders may come from a stranger.

Promises that an option which passes can name no file: numbers cannot, and flags can ask for statistics, which some
encoders write to a file of their own choice.
"""

from __future__ import annotations

import functools

import av
from av import CodecContext
from av.codec import Codec
from av.codec.codec import UnknownCodecError

_NUMBERS = frozenset(("INT", "INT64", "UINT", "UINT64", "FLOAT", "DOUBLE", "RATIONAL", "BOOL", "DURATION", "CONST"))
_WORDS = frozenset(("preset", "profile", "level", "tune", "deblock", "partitions", "psy-rd", "vendor"))
"""Options that some encoder takes as a text, which is a choice of its own or a few numbers."""


@functools.cache
def harmless_options() -> frozenset[str]:
    """The options that are numbers in every video encoder which has them, and a few texts that are known."""
    numbers, others = set[str](), set[str]()
    for name in sorted(av.codecs_available):
        try:
            if Codec(name, "w").type != "video":
                continue
        except UnknownCodecError:
            continue
        supported = CodecContext.create(name, "w").supported_options
        for option in (*supported.private, *supported.generic):
            (numbers if getattr(option.type, "name", "") in _NUMBERS else others).add(option.name)
    return frozenset((numbers - others) | _WORDS)
