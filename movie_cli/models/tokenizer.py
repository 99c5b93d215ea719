"""The instruction tokenizer: lower-case WordPiece over `tokenizers`, in the folder layout of transformers.

Promises ids and a mask for any Python strings whatever: empty, very long, control characters, other scripts, lone
surrogates. Knows nothing of what words mean. Imports neither transformers nor, before `encode` is called, torch;
transformers' `PreTrainedTokenizerFast.from_pretrained` reads the same folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from movie_cli.errors import ModelError
from movie_cli.models.spelling import Speller

if TYPE_CHECKING:
    from torch import Tensor

Ids = NDArray[np.int64]

MAX_TOKENS = 48
MAX_CHARACTERS = 2000
"""More is cut off before it reaches the tokenizer: 48 tokens never need it, and a megabyte takes long to split."""
PAD, UNKNOWN = "[PAD]", "[UNK]"
FILE, CONFIG_FILE = "tokenizer.json", "tokenizer_config.json"


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
