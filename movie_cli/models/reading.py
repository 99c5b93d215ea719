"""Reads instructions with the embedded model's encoder: as they were typed or, where that makes more sense, mended.

Knows nothing of how the encoder was trained or what its tokens are for. Imports torch only where that runs
the encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from movie_cli.models.tokenizer import InstructionTokenizer

if TYPE_CHECKING:
    from movie_cli.models.text import InstructionEncoder, InstructionEncoding


def mended_texts(tokenizer: InstructionTokenizer, texts: Sequence[str]) -> dict[int, str]:
    """The mended readings of texts that have one, by the text's place."""
    return {place: other for place, text in enumerate(texts) if (other := tokenizer.mended(text)) != text}


def surest_rows(sureness: Sequence[float], count: int, mended: Sequence[int]) -> list[int]:
    """Which row to take for each of `count` texts.

    Rows are the texts followed by the mended readings of the places `mended`; `sureness` is each row's greatest logit.
    A word that is no word to the vocabulary may be a slip of the keyboard ("nior") or one that it lacks; the mended
    text is taken only where its likeliest edit is likelier than that of the text itself.
    """
    rows = list(range(count))
    for row, place in enumerate(mended, start=count):
        if sureness[row] > sureness[place]:
            rows[place] = row
    return rows


def read(encoder: InstructionEncoder, tokenizer: InstructionTokenizer, texts: Sequence[str]) -> InstructionEncoding:
    """Encode texts, each in the reading that the encoder is surer of (see `surest_rows`)."""
    import torch

    from movie_cli.models.text import InstructionEncoding

    mended = mended_texts(tokenizer, texts)
    with torch.no_grad():
        encoding = encoder(*tokenizer.encode([*texts, *mended.values()]))
    rows = surest_rows(encoding.logits.amax(dim=-1).tolist(), len(texts), list(mended))
    return InstructionEncoding(encoding.tokens[rows], encoding.embedding[rows], encoding.logits[rows])
