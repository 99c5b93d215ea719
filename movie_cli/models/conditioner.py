"""From an instruction to what the UNet's cross-attention takes: the embedded encoder, or CLIP for SD-sized models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from movie_cli.models.reading import read
from movie_cli.models.text import InstructionEncoder
from movie_cli.models.tokenizer import InstructionTokenizer


@dataclass(frozen=True)
class Encoded:
    """Tokens `(1, L, D)` of one instruction; whether the model knows such an edit, and the nearest ones it knows."""

    tokens: Tensor
    known: bool = True
    nearest: tuple[str, ...] = ()


class TextConditioner(Protocol):
    """Encodes one instruction at a time; the empty string is the null text."""

    def encode(self, text: str) -> Encoded:
        """Encode a text of any length; what is past the encoder's window is left out."""
        ...


class InstructionConditioner:
    """The embedded model's small encoder, with its judgement of what it knows."""

    def __init__(self, encoder: InstructionEncoder, tokenizer: InstructionTokenizer) -> None:
        self.encoder = encoder
        self.tokenizer = tokenizer

    @classmethod
    def from_folder(cls, folder: Path, **options: Any) -> InstructionConditioner:
        """Load `text_encoder/` and `tokenizer/` of a checkpoint folder."""
        encoder = InstructionEncoder.from_pretrained(folder / "text_encoder", use_safetensors=True, **options)
        return cls(encoder.eval(), InstructionTokenizer.from_pretrained(folder / "tokenizer"))

    @torch.inference_mode()
    def encode(self, text: str) -> Encoded:
        """Summary tokens `(1, 4, 192)`."""
        encoding = read(self.encoder, self.tokenizer, [text])
        nearest = self.encoder.nearest_edits(encoding, 3)[0]
        return Encoded(encoding.tokens, bool(self.encoder.is_known(encoding)[0]), nearest)


class ClipConditioner:
    """The CLIP text encoder of SD 1.x: the last hidden state of 77 padded tokens."""

    def __init__(self, encoder: Any, tokenizer: Any) -> None:
        self.encoder = encoder
        self.tokenizer = tokenizer

    @classmethod
    def from_folder(cls, folder: Path, **options: Any) -> ClipConditioner:
        """Load `text_encoder/` and `tokenizer/` of a checkpoint folder."""
        from transformers import CLIPTextModel, CLIPTokenizer

        dtype = options.pop("torch_dtype", torch.float32)
        encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", use_safetensors=True, dtype=dtype, **options)
        return cls(encoder.eval(), CLIPTokenizer.from_pretrained(folder / "tokenizer", **options))

    @torch.inference_mode()
    def encode(self, text: str) -> Encoded:
        """Hidden states `(1, 77, D)`."""
        ids = self.tokenizer(
            text,
            padding="max_length",
            max_length=self.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        ).input_ids
        return Encoded(self.encoder(ids)[0])
