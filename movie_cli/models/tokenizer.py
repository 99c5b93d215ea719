"""The instruction tokenizer: lower-case WordPiece over `tokenizers`, in the folder layout of transformers.

Any Python strings get ids and a mask: empty, very long, control characters, other scripts, lone
surrogates. Imports neither transformers nor, before `encode` is called, torch;
transformers' `PreTrainedTokenizerFast.from_pretrained` reads the same folder.

Slips of the keyboard are mended: a word that is no word becomes the known word that is one slip away from it. A slip is
one letter lost, doubled, added or mistaken, or two neighbours swapped (Damerau 1964). Known words that a slip can lead
to are found through their deletions, as in SymSpell.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from movie_cli.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

Ids = NDArray[np.int64]

MAX_TOKENS = 48
MAX_CHARACTERS = 2000
"""More is cut off before it reaches the tokenizer: 48 tokens never need it, and a megabyte takes long to split."""
PAD, UNKNOWN = "[PAD]", "[UNK]"
FILE, CONFIG_FILE = "tokenizer.json", "tokenizer_config.json"
SHORTEST_SWAPPED, SHORTEST_CHANGED = 4, 6
"""Letters that a word must have to be mended; in a short one a mistaken letter makes another word too easily."""
ENDINGS = ("s", "es", "d", "ed", "ing", "er", "est", "y", "ly", "ish", "like", "ness", "less", "n", "en", "ful")
"""A known word with one of these is a word, whether the vocabulary has it or not: "snowed" is not "showed"."""
_WORD = re.compile(r"[A-Za-z]{4,24}")


class InstructionTokenizer:
    """WordPiece with BERT's normaliser: lower case, no accents, control characters dropped, truncated at 48 tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()
        pad = tokenizer.token_to_id(PAD)
        if pad is None:
            raise ModelError(f"the tokenizer has no {PAD} token", "the checkpoint is not one of movie's own")
        self.pad_id: int = pad

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> InstructionTokenizer:
        """Load a folder that `save_pretrained` wrote.

        Raises:
            ModelError: the file is missing or is not a tokenizer.
        """
        path = Path(folder) / FILE
        try:
            return cls(Tokenizer.from_str(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise ModelError(
                f"cannot read the tokenizer {path}: {error.strerror}", "the checkpoint is incomplete"
            ) from error
        except ModelError:
            raise
        except Exception as error:  # tokenizers raises bare Exception
            raise ModelError(f"{path} is not a tokenizer: {error}", "the checkpoint is damaged") from error

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int) -> InstructionTokenizer:
        """Learn `vocab_size` word pieces from texts. Deterministic for the same texts in the same order."""
        tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece()
        trainer = trainers.WordPieceTrainer(
            vocab_size=vocab_size, special_tokens=[PAD, UNKNOWN], show_progress=False, limit_alphabet=80
        )
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `tokenizer.json` and `tokenizer_config.json`, making the folder if need be."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": MAX_TOKENS,
            "model_input_names": ["input_ids", "attention_mask"],
            "pad_token": PAD,
            "unk_token": UNKNOWN,
            "padding_side": "right",
            "truncation_side": "right",
            "clean_up_tokenization_spaces": False,
        }
        (target / FILE).write_text(self._tokenizer.to_str(pretty=False), encoding="utf-8")
        (target / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    def encode(self, texts: Sequence[str], length: int | None = None) -> tuple[Tensor, Tensor]:
        """What `ids_and_mask` gives, as tensors."""
        import torch

        ids, mask = self.ids_and_mask(texts, length)
        return torch.from_numpy(ids), torch.from_numpy(mask)

    def ids_and_mask(self, texts: Sequence[str], length: int | None = None) -> tuple[Ids, Ids]:
        """Token ids and mask of texts, both int64 `(len(texts), L)`; the mask is 1 on tokens and 0 on padding.

        `L` is `length` if given (1 to 48), else that of the longest text, at least 1. "" is all padding: the null text.
        """
        limit = min(length or MAX_TOKENS, MAX_TOKENS)
        # A lone surrogate is legal in a str and not in UTF-8.
        clean = [text[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8") for text in texts]
        rows = [encoding.ids[:limit] for encoding in self._tokenizer.encode_batch_fast(clean)]
        width = length or max((len(row) for row in rows), default=0) or 1
        ids = np.full((len(rows), min(width, MAX_TOKENS)), self.pad_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        return ids, mask

    def mended(self, text: str) -> str:
        """The text with slips of the keyboard mended towards the whole words of the vocabulary."""
        return self._speller.correct(text[:MAX_CHARACTERS])

    @cached_property
    def _speller(self) -> Speller:
        return Speller([piece for piece in self.vocabulary if piece.isalpha()])

    def pieces(self, text: str) -> list[str]:
        """The word pieces of a text, for showing."""
        tokens: list[str] = self._tokenizer.encode(text[:MAX_CHARACTERS]).tokens
        return tokens

    @property
    def vocabulary(self) -> list[str]:
        """All word pieces, by id."""
        vocab: dict[str, int] = self._tokenizer.get_vocab()
        return sorted(vocab, key=vocab.__getitem__)

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())


def padded_ids(folder: Path, text: str, length: int, pad: int) -> Ids:
    """Token ids `(1, length)` of a text with the `tokenizer.json` of any other encoder, such as CLIP's.

    Special tokens are added, a text too long is cut before the last of them.

    Raises:
        ModelError: the file is missing or is not a tokenizer.
    """
    path = folder / FILE
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise ModelError(f"{path} is not a tokenizer: {error}", "the checkpoint is damaged") from error
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(length=length, pad_id=pad)
    clean = text[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
    return np.array([tokenizer.encode(clean).ids], np.int64)


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


class Speller:
    """Corrects texts towards `words`, lower case, the commonest first; of two that are as near the commoner wins."""

    def __init__(self, words: Sequence[str]) -> None:
        self._rank = {word: place for place, word in reversed(list(enumerate(words)))}

    def correct(self, text: str) -> str:
        """The text with its misspelt words replaced, in lower case; all else as it was."""
        return _WORD.sub(lambda match: self._mend(match.group()), text)

    def _mend(self, word: str) -> str:
        typed = word.lower()
        if self._is_word(typed):
            return word
        near = {other for key in _deletions(typed) for other in self._by_deletion.get(key, ())}
        near = {other for other in near if _one_slip(typed, other)}
        return min(near, key=self._rank.__getitem__, default=word)

    def _is_word(self, typed: str) -> bool:
        if typed in self._rank:
            return True
        stems = (typed.removesuffix(ending) for ending in ENDINGS if typed.endswith(ending))
        return any(stem in self._rank or stem + "e" in self._rank for stem in stems)

    @cached_property
    def _by_deletion(self) -> dict[str, list[str]]:
        index: dict[str, list[str]] = defaultdict(list)
        for word in self._rank:
            if len(word) >= SHORTEST_SWAPPED:
                for key in _deletions(word):
                    index[key].append(word)
        return index


def _deletions(word: str) -> set[str]:
    """The word, and it with any one letter left out: words one slip apart have one of these in common."""
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


def _one_slip(typed: str, word: str) -> bool:
    if len(typed) == len(word):
        wrong = [i for i, (a, b) in enumerate(zip(typed, word, strict=True)) if a != b]
        if len(wrong) == 2:
            i, j = wrong
            return j == i + 1 and typed[i] == word[j] and typed[j] == word[i] and len(typed) >= SHORTEST_SWAPPED
        return len(wrong) == 1 and len(typed) >= SHORTEST_CHANGED
    shorter, longer = sorted((typed, word), key=len)
    return len(longer) == len(shorter) + 1 and shorter in _deletions(longer) and len(typed) >= SHORTEST_CHANGED
