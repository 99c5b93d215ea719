"""Reads instructions with the embedded model's encoder: as they were typed or, where that makes more sense, mended.

Knows nothing of how the encoder was trained or what its tokens are for.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from movie_cli.models.text import InstructionEncoder, InstructionEncoding
from movie_cli.models.tokenizer import InstructionTokenizer


@torch.no_grad()
def read(encoder: InstructionEncoder, tokenizer: InstructionTokenizer, texts: Sequence[str]) -> InstructionEncoding:
    """Encode texts, each in the reading that the encoder is surer of.

    A word that is no word to the vocabulary may be a slip of the keyboard ("nior") or one that it lacks; the mended
    text is taken only where its likeliest edit is likelier than that of the text itself.
    """
    mended = {place: other for place, text in enumerate(texts) if (other := tokenizer.mended(text)) != text}
    encoding = encoder(*tokenizer.encode([*texts, *mended.values()]))
    logits = encoding.logits
    sureness = logits.amax(dim=-1)
    rows = list(range(len(texts)))
    for row, place in enumerate(mended, start=len(texts)):
        if sureness[row] > sureness[place]:
            rows[place] = row
    return InstructionEncoding(encoding.tokens[rows], encoding.embedding[rows], logits[rows])
