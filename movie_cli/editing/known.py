"""Which instructions a model was not trained on, found out before anything is edited.

Promises that no more than text encoders are loaded, and that a checkpoint which takes any text, or cannot be had, is
passed over: the edit itself tells what is wrong with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from movie_cli.backends.base import TextEmbedding
from movie_cli.backends.registry import choose_runtime, open_backend
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.store import open_model
from movie_cli.editing.editor import unknown
from movie_cli.editing.request import EditRequest
from movie_cli.errors import MovieError


def unknown_instructions(requests: Iterable[EditRequest]) -> list[tuple[str, int]]:
    """A sentence for each instruction that its model does not know, and how many requests have it."""
    wanted = Counter((each.recipe.model, each.recipe.instruction, each.offline) for each in requests)
    judges: dict[str, Callable[[str], TextEmbedding] | None] = {}
    found = []
    for (model, instruction, offline), count in wanted.items():
        try:
            descriptor = open_model(model, offline)
            if model not in judges:
                judges[model] = _judge(descriptor)
            judge = judges[model]
            if judge is None or (text := judge(instruction)).known:
                continue
            found.append((unknown(descriptor, instruction, text), count))
        except MovieError:
            continue
    return found


def _judge(descriptor: Descriptor) -> Callable[[str], TextEmbedding] | None:
    """What tells whether a checkpoint knows a text; None where it takes any."""
    if not descriptor.edits:
        return None
    if descriptor.export is None:
        from movie_cli.checkpoints.load import load_text

        encoder = load_text(descriptor.folder)

        def judge(text: str) -> TextEmbedding:
            encoded = encoder.encode(text)
            return TextEmbedding(encoded.tokens, None, encoded.known, encoded.nearest)

        return judge
    return open_backend(descriptor, choose_runtime(descriptor)).embed_text
