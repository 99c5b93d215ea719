"""The instruction encoder: a small transformer from word pieces to a sentence embedding, edits and code tokens.

Any ids give an embedding in the space of all-MiniLM-L6-v2, one logit for each edit the checkpoint was trained
on, and the tokens for the denoiser's cross-attention: the edits' codes, mixed by how much of each is asked for. Knows
nothing of images, or of how it was trained. Around it, and around CLIP's for checkpoints of SD's size, is what turns
one instruction into what the UNet's cross-attention takes (`TextConditioner`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from movie_cli.models.network import Network, register_to_config
from movie_cli.models.reading import Encoded, Judgement, Reader, asked_of
from movie_cli.models.tokenizer import InstructionTokenizer, mended_texts, surest_rows

SHARPNESS = 2.0
"""Factor on the logits before they become amounts."""
LIKELY = 0.2
"""Amount above which the likeliest edit is taken for certain."""


@dataclass(frozen=True)
class InstructionEncoding:
    """What the encoder says of `N` instructions.

    `tokens` `(N, S, width)` are mixed edit codes, for `encoder_hidden_states`; zeros where nothing known is asked for.
    `embedding` `(N, embedding_dim)` has unit norm. `logits` `(N, E)` are independent: two edits may be asked for at
    once.
    """

    tokens: Tensor
    embedding: Tensor
    logits: Tensor


class InstructionEncoder(Network):
    """Transformer over word pieces with learned summary tokens in front.

    `edits` names the logits, in order. `known_threshold` is the nearness that an instruction must have to one of the
    edits to count as known (see `nearness`). The word embedding is factored, `vocab_size x embed_dim`
    times `embed_dim x width` (ALBERT, arXiv 1909.11942, section 3.1). Each summary token carries its own
    part of the sentence embedding, so that none of them can be left empty. `codes` `(E, S, width)` belong to the
    denoiser, which is trained with them: whatever words ask for an edit, it sees the same code.
    """

    prototypes: Tensor
    codes: Tensor

    @register_to_config
    def __init__(
        self,
        edits: tuple[str, ...] = (),
        vocab_size: int = 8192,
        embed_dim: int = 96,
        width: int = 192,
        layers: int = 4,
        heads: int = 4,
        feed_forward: int = 384,
        summary_tokens: int = 4,
        embedding_dim: int = 384,
        max_tokens: int = 48,
        known_threshold: float = 1.0,
    ) -> None:
        super().__init__()
        self.word_embedding = nn.Embedding(vocab_size, embed_dim)
        self.word_projection = nn.Linear(embed_dim, width)
        # The summary tokens start from the mean of the words, so that the layers only learn what order adds to it.
        self.bag_projection = nn.Linear(embed_dim, width, bias=False)
        self.position = nn.Parameter(torch.empty(max_tokens, width))
        self.summary = nn.Parameter(torch.empty(summary_tokens, width))
        layer = nn.TransformerEncoderLayer(
            width, heads, feed_forward, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(width), enable_nested_tensor=False)
        self.embedding_head = nn.Parameter(torch.empty(summary_tokens, width, embedding_dim // summary_tokens))
        for parameter, deviation in ((self.position, 0.02), (self.summary, 0.1), (self.embedding_head, width**-0.5)):
            nn.init.normal_(parameter, std=deviation)
        self.edit_head = nn.Linear(summary_tokens * width, len(edits))
        # Mean embedding of each edit's phrasings, to tell which edits are nearest to an unknown instruction.
        self.register_buffer("prototypes", torch.zeros(len(edits), embedding_dim))
        self.register_buffer("codes", torch.zeros(len(edits), summary_tokens, width))

    @property
    def edits(self) -> tuple[str, ...]:
        """Names of the edits this checkpoint knows, in the order of the logits."""
        return tuple(self.config["edits"])

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> InstructionEncoding:
        """Encode ids `(N, L)`, int64, L at most `max_tokens`, with a mask `(N, L)`: 1 on tokens, 0 on padding.

        A row without any token is the null text.
        """
        count, length = input_ids.shape
        pieces = self.word_embedding(input_ids)
        present = attention_mask.to(pieces.dtype)
        mean = torch.einsum("nl,nld->nd", present, pieces) / present.sum(dim=1, keepdim=True).clamp_min(1)
        words = self.word_projection(pieces) + self.position[:length]
        in_front = self.bag_projection(mean)[:, None] + self.summary
        states = torch.cat([in_front.to(words.dtype), words], dim=1)
        hidden = torch.cat([attention_mask.new_ones(count, self.summary.shape[0]), attention_mask], dim=1) == 0
        states = self.encoder(states, src_key_padding_mask=hidden)
        summary = states[:, : self.summary.shape[0]]
        parts = torch.einsum("nsw,swd->nsd", summary, self.embedding_head.to(summary.dtype)).flatten(1)
        embedding = nn.functional.normalize(parts.float(), dim=-1).to(parts.dtype)
        logits = self.edit_head(summary.flatten(1))
        tokens = torch.einsum("ne,esw->nsw", self.amounts(logits).to(self.codes.dtype), self.codes)
        return InstructionEncoding(tokens, embedding, logits)

    @staticmethod
    def amounts(logits: Tensor) -> Tensor:
        """How much of each edit is asked for, `(N, E)` in [0, 1], from logits.

        Sharper than the probabilities, so that an edit is asked for or not; and with the likeliest edit raised to 1
        where it is likely at all, so that an unusual phrasing is not a weaker edit: strength is the scales' business.
        """
        sharp = (SHARPNESS * logits.float()).sigmoid()
        return sharp / sharp.amax(dim=-1, keepdim=True).clamp_min(LIKELY)

    def nearness(self, encoding: InstructionEncoding) -> Tensor:
        """How near each instruction is to each edit: `(N, E)`, from about 0 to 2.

        The edit's probability plus the cosine to the mean embedding of its phrasings. The probability decides among
        edits that are asked for; the cosine holds where no probability says anything, on words never trained on.
        """
        cosine = encoding.embedding.float() @ self.prototypes.float().T
        return encoding.logits.float().sigmoid() + cosine

    def is_known(self, encoding: InstructionEncoding) -> Tensor:
        """Whether any edit is near enough to count as asked for: bool `(N,)`. The null text is not known."""
        near: Tensor = self.nearness(encoding).amax(dim=-1) >= self.config["known_threshold"]
        return near

    def asked_edits(self, encoding: InstructionEncoding) -> list[tuple[str, ...]]:
        """For each instruction the edits it asks for, the most certain first; empty where it is not known."""
        known = self.is_known(encoding).tolist()
        logits = encoding.logits.tolist()
        return [asked_of(self.edits, row) if each else () for row, each in zip(logits, known, strict=True)]

    def nearest_edits(self, encoding: InstructionEncoding, k: int = 3) -> list[tuple[str, ...]]:
        """For each instruction the `k` nearest edits, nearest first."""
        top = self.nearness(encoding).topk(min(k, len(self.edits)), dim=-1).indices.tolist()
        return [tuple(self.edits[i] for i in row) for row in top]

    def set_known_threshold(self, threshold: float) -> None:
        """Store the calibrated threshold, between 0 and 2, in the configuration that `save_pretrained` writes."""
        self.register_to_config(known_threshold=float(threshold))


def encode_texts(
    encoder: InstructionEncoder, tokenizer: InstructionTokenizer, texts: Sequence[str]
) -> InstructionEncoding:
    """Encode texts, as typed or mended: each in the reading that the encoder is surer of (see `surest_rows`)."""
    mended = mended_texts(tokenizer, texts)
    with torch.no_grad():
        encoding = encoder(*tokenizer.encode([*texts, *mended.values()]))
    rows = surest_rows(encoding.logits.amax(dim=-1).tolist(), len(texts), list(mended))
    return InstructionEncoding(encoding.tokens[rows], encoding.embedding[rows], encoding.logits[rows])


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
        """Summary tokens `(1, 4, 192)`. What the text negates is never asked for (see `reading`)."""
        edits = self.encoder.edits
        threshold = self.encoder.config["known_threshold"]
        return Reader(edits, threshold, self._judge, lambda name: self.encoder.codes[edits.index(name)][None]).read(
            text
        )

    def _judge(self, text: str) -> Judgement:
        encoding = encode_texts(self.encoder, self.tokenizer, [text])
        nearness = self.encoder.nearness(encoding)[0].tolist()
        return Judgement(encoding.tokens, encoding.logits[0].tolist(), nearness)


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
