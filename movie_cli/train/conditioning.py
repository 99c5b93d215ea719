"""What cross-attention sees while training: `c_T` for a batch of samples, and the null text.

Two kinds. CLIP reads the instruction, and stays frozen. The embedded encoder was trained apart to say how much of each
edit is asked for, so here the *edits* of a sample are taken for certain and only its codes, which belong to the
denoiser, are learnt: neither training waits for the other, and no step reads words. An instruction of a data set,
which names no edits, is read by the encoder itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from movie_cli.errors import ModelError
from movie_cli.models.text import ClipConditioner, InstructionConditioner, encode_texts
from movie_cli.train import bank
from movie_cli.train.samples import Draws, SampleBatch
from movie_cli.train.surgery import with_edits


class Conditioning(Protocol):
    """Tokens `(N, L, D)` for the denoiser. `module` needs a place on the device; it holds `codes` if any are learnt."""

    module: nn.Module

    def tokens(self, batch: SampleBatch, draws: Draws) -> Tensor:
        """The samples' instructions."""
        ...

    def null(self, count: int) -> Tensor:
        """The empty text, `count` times."""
        ...

    def parts(self) -> tuple[Any, Any]:
        """Text encoder and tokenizer, to be saved."""
        ...


class Codes(nn.Module):
    """The edit codes `(E, S, D)`."""

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        self.codes = nn.Parameter(codes)


class CodeConditioning:
    """The embedded model's: amounts of each edit, times the edit codes."""

    def __init__(self, conditioner: InstructionConditioner, new_codes: bool, seed: int) -> None:
        encoder, self._tokenizer = conditioner.encoder, conditioner.tokenizer
        # A checkpoint may be of fewer edits than the bank has by now.
        self._encoder = encoder if set(bank.BANK) <= set(encoder.edits) else with_edits(encoder, tuple(bank.BANK), seed)
        codes = self._encoder.codes.detach().float().clone()
        if new_codes:
            codes = torch.randn(codes.shape, generator=torch.Generator().manual_seed(seed))
        self.module: nn.Module = Codes(codes)
        self._codes: nn.Parameter = self.module.codes
        self._names = {name: index for index, name in enumerate(self._encoder.edits)}
        self._null = self._read([""])

    def tokens(self, batch: SampleBatch, draws: Draws) -> Tensor:
        """Mixed codes; a sample without named edits is encoded word by word."""
        doubts, certainties = draws.uniform(0, 1, (2, len(self._names))).cpu().unbind(dim=1)
        amounts = doubts**6 * 0.15
        certain = 1 - certainties**3 * 0.3
        for row, (edits, instruction) in enumerate(zip(batch.edits, batch.instructions, strict=True)):
            if edits is None:
                amounts[row] = self._read([instruction])[0]
            for name in edits or ():
                amounts[row, self._names[name]] = certain[row, self._names[name]]
        return self._mix(amounts)

    def null(self, count: int) -> Tensor:
        """What the encoder makes of the empty text."""
        return self._mix(self._null.expand(count, -1))

    def parts(self) -> tuple[Any, Any]:
        """The encoder with the codes as they are now."""
        self._encoder.codes.copy_(self._codes.detach().cpu())
        return self._encoder, self._tokenizer

    def _mix(self, amounts: Tensor) -> Tensor:
        return torch.einsum("ne,etw->ntw", amounts.to(self._codes.device), self._codes)

    def _read(self, texts: Sequence[str]) -> Tensor:
        return self._encoder.amounts(encode_texts(self._encoder, self._tokenizer, texts).logits).float()


class ClipConditioning:
    """Stable Diffusion's: hidden states of the frozen CLIP text encoder."""

    def __init__(self, conditioner: ClipConditioner) -> None:
        self._encoder, self._tokenizer = conditioner.encoder.requires_grad_(False), conditioner.tokenizer
        self.module: nn.Module = self._encoder
        self._null = self._encode([""])

    def tokens(self, batch: SampleBatch, draws: Draws) -> Tensor:
        """Hidden states `(N, 77, D)` of the instructions."""
        del draws
        return self._encode(batch.instructions).to(batch.source.device)

    def null(self, count: int) -> Tensor:
        """Hidden states of the empty text."""
        return self._null.to(self._encoder.device).expand(count, -1, -1)

    def parts(self) -> tuple[Any, Any]:
        """CLIP as it was."""
        return self._encoder, self._tokenizer

    @torch.no_grad()
    def _encode(self, texts: Sequence[str]) -> Tensor:
        ids = self._tokenizer(
            list(texts),
            padding="max_length",
            max_length=self._tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        ).input_ids
        states: Tensor = self._encoder(ids.to(self._encoder.device))[0]
        return states.float()


def conditioning_of(conditioner: Any, seed: int, new_codes: bool = False) -> Conditioning:
    """The conditioning of a checkpoint's text encoder. `new_codes` draws the embedded encoder's codes anew.

    Raises:
        ModelError: the encoder is of a kind that nothing can be trained with.
    """
    if isinstance(conditioner, InstructionConditioner):
        return CodeConditioning(conditioner, new_codes, seed)
    if isinstance(conditioner, ClipConditioner):
        return ClipConditioning(conditioner)
    raise ModelError(f"no training with a text encoder of the kind {type(conditioner).__name__}")
