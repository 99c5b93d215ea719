"""Training of the instruction encoder: distillation from all-MiniLM-L6-v2 and learning of the edits.

`python -m tools.text_distillation -o RUN` writes a run's folder, as `movie train` does, by the same trainer; its
`checkpoint/` holds `text_encoder`, `tokenizer` and `result.json`. The edits' codes come from the denoiser's training.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from movie_cli.backends.torch_devices import bfloat16_feature
from movie_cli.models.text import InstructionEncoder, InstructionEncoding
from movie_cli.models.tokenizer import InstructionTokenizer
from movie_cli.train.instructions import EDITS, Part
from movie_cli.train.run_folder import RunFolder
from movie_cli.train.samples import Draws, rng_of
from movie_cli.train.settings import StageSettings
from movie_cli.train.stages import Loss, Stage
from movie_cli.train.trainer import Trainer
from tools import text_data, text_evaluation
from tools.text_data import Batch, Pool, Teacher, build_pool, draw

VALIDATION_TEXTS = 1000
NULL_SHARE = 0.01
"""Share of a batch's unknown texts that are replaced by the null text."""


@dataclass(frozen=True)
class TextSettings(StageSettings):
    """All that decides a training run. A sample is a whole batch of texts."""

    steps: int = 3000
    batch: int = 1
    micro_batch: int = 1
    learning_rate: float = 2e-3
    warmup: int = 30
    decay: Any = "cosine"
    weight_decay: float = 0.01
    ema: float = 0.0
    mixed_precision: Any = "bf16" if bfloat16_feature() else "no"
    workers: int = 0
    sample_every: int = 0
    log_every: int = 50
    part: Part = "all"
    vocab_size: int = 8192
    embed_dim: int = 96
    phrasings: int = 90_000
    pairs: float = 0.3
    open_texts: int = 90_000
    batch_pairs: int = 40
    batch_unknown: int = 24
    batch_open: int = 48
    phrasing_cosine: float = 0.3
    edit_weight: float = 0.5


@torch.no_grad()
def start_from_teacher(encoder: InstructionEncoder, tokenizer: InstructionTokenizer, teacher: Teacher) -> None:
    """Make the encoder begin as a bag of words in the teacher's space.

    Each word piece starts as the teacher's sentence embedding of it, reduced by principal components; the mean over an
    instruction goes to the summary tokens along orthogonal directions, and the embedding head starts as the way back.
    """
    table = teacher.embed([piece.removeprefix("##") for piece in tokenizer.vocabulary])
    centred = table - table.mean(dim=0)
    dim = encoder.word_embedding.weight.shape[1]
    _, _, basis = torch.pca_lowrank(centred, q=dim, center=False, niter=4)
    reduced = centred @ basis
    encoder.word_embedding.weight.copy_(reduced / reduced.std())
    nn.init.orthogonal_(encoder.bag_projection.weight)
    encoder.bag_projection.weight.mul_(2.0)
    back = (basis @ encoder.bag_projection.weight.T / 2.0).T
    encoder.embedding_head.copy_(torch.stack(back.chunk(encoder.embedding_head.shape[0], dim=1)))


def terms(encoding: InstructionEncoding, batch: Batch, settings: TextSettings) -> dict[str, Tensor]:
    """The two terms: distance to the teacher's embedding, and edits."""
    count = 2 * batch.pairs
    distance = 1.0 - (encoding.embedding.float() * batch.embeddings).sum(dim=-1)
    weight = torch.ones_like(distance)
    weight[:count] = settings.phrasing_cosine
    # The null text has no embedding to learn: its target row is zero.
    weight = weight * (batch.embeddings.square().sum(dim=-1) > 0.5)
    edits = nn.functional.binary_cross_entropy_with_logits(encoding.logits.float(), batch.targets, reduction="none")
    return {
        "cosine": (weight * distance).sum() / weight.sum(),
        "edits": edits.sum(dim=-1).mean(),
    }


def encode_by_length(
    encoder: InstructionEncoder, tokenizer: InstructionTokenizer, texts: Sequence[str], groups: int = 2
) -> InstructionEncoding:
    """Encode texts in groups of similar length, so that little is spent on padding; results in the texts' order."""
    ids, mask = tokenizer.encode(texts)
    lengths = mask.sum(dim=1)
    order = lengths.argsort()
    parts = []
    for rows in order.chunk(groups):
        longest = max(1, int(lengths[rows].max()))
        parts.append(encoder(ids[rows, :longest], mask[rows, :longest]))
    back = order.argsort()
    return InstructionEncoding(
        torch.cat([part.tokens for part in parts])[back],
        torch.cat([part.embedding for part in parts])[back],
        torch.cat([part.logits for part in parts])[back],
    )


def with_null_texts(batch: Batch, rng: random.Random) -> Batch:
    """The batch with a few of the texts after the phrasings replaced by ""."""
    texts, embeddings, targets = list(batch.texts), batch.embeddings.clone(), batch.targets.clone()
    for i in range(2 * batch.pairs, len(texts)):
        if rng.random() < NULL_SHARE:
            texts[i], embeddings[i], targets[i] = "", 0.0, 0.0
    return Batch(texts, embeddings, targets, batch.pairs, batch.numbers)


class TextSamples:
    """Batches of texts by number."""

    sequential = False

    def __init__(self, pool: Pool, settings: TextSettings) -> None:
        self._pool, self._settings = pool, settings

    @staticmethod
    def collate(samples: Sequence[Batch]) -> Batch:
        """The one batch."""
        (only,) = samples
        return only

    def sample(self, number: int) -> Any:
        """Batch `number`."""
        settings, rng = self._settings, rng_of("texts", self._settings.seed, number)
        drawn = draw(self._pool, rng, settings.batch_pairs, settings.batch_unknown, settings.batch_open)
        return with_null_texts(replace(drawn, numbers=[number]), rng)

    def held_out(self, count: int) -> list[Any]:
        """None: there are no sheets."""
        del count
        return []


class TextStage(Stage):
    """The encoder, and texts kept out of its training to measure it on."""

    AVERAGED = ("encoder",)
    BETAS = (0.9, 0.98)
    settings: TextSettings

    def __init__(
        self,
        settings: TextSettings,
        encoder: InstructionEncoder,
        tokenizer: InstructionTokenizer,
        held_out: tuple[Sequence[str], Tensor],
        seen_all: bool,
    ) -> None:
        super().__init__(settings)
        self.encoder, self._tokenizer, self._held_out, self._seen_all = encoder, tokenizer, held_out, seen_all
        self.parts["encoder"] = encoder.train()

    def losses(self, batch: Batch, draws: Draws, step: int) -> Iterator[Loss]:
        """Distance to the teacher's embeddings, and edits."""
        del draws, step
        # The fused attention's backward pass on CPUs takes longer than all else together at these lengths.
        with sdpa_kernel(SDPBackend.MATH):
            encoding = encode_by_length(self.encoder, self._tokenizer, batch.texts)
        found = terms(encoding, batch, self.settings)
        yield Loss(found["cosine"] + self.settings.edit_weight * found["edits"], found)

    def save(self, folder: Path, name: str) -> None:
        """Calibrate a copy of the encoder, measure it, and write it with its tokenizer in float16."""
        del name
        encoder, tokenizer, seed = copy.deepcopy(self.encoder).eval(), self._tokenizer, self.settings.seed
        if self._seen_all:
            # Nothing is left unseen to calibrate on: the earlier run's threshold stays.
            text_evaluation.set_prototypes(encoder, tokenizer, text_evaluation.sample_set("all", 60, 0, seed))
        else:
            text_evaluation.calibrate(encoder, tokenizer, "validation", seed)
        result = text_evaluation.accuracy(encoder, tokenizer, text_evaluation.sample_set("validation", 20, 400, seed=1))
        unknown = text_evaluation.sample_unknown("validation", 400, seed=1)
        result["unknown_detected"] = text_evaluation.unknown_detected(encoder, tokenizer, unknown)
        result["known_threshold"] = float(encoder.config["known_threshold"])
        texts, embeddings = self._held_out
        if texts:
            result["teacher_cosine"] = text_evaluation.teacher_cosine(encoder, tokenizer, texts, embeddings)
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        tokenizer.save_pretrained(folder / "tokenizer")
        encoder.half().save_pretrained(folder / "text_encoder")


def distil(
    settings: TextSettings,
    teacher: Teacher,
    output: Path,
    wordnet: Path,
    start: Path | None = None,
    *,
    resume: bool = False,
    bar: bool = False,
) -> Path:
    """Run the whole training into the folder `output`; returns the checkpoint's.

    `start` is the checkpoint of an earlier run to go on from, with its tokenizer.

    Raises:
        MovieError: the folder is refused, or the teacher is not there.
    """
    accelerator = Accelerator(cpu=True, mixed_precision=settings.mixed_precision)
    folder = RunFolder(output, "text", settings, resume)
    torch.manual_seed(settings.seed)
    texts: list[str] = []
    if text_data.available(wordnet):
        texts = text_data.open_texts(settings.open_texts, folder=wordnet)
    else:
        click.echo(f"WordNet is not in {wordnet}: training without open-vocabulary text", err=True)
    held_out, texts = texts[:VALIDATION_TEXTS], texts[VALIDATION_TEXTS:]
    pool = build_pool(teacher, texts, settings.phrasings, settings.pairs, settings.part, settings.seed)
    if start:
        tokenizer = InstructionTokenizer.from_pretrained(start / "tokenizer")
        encoder = InstructionEncoder.from_pretrained(start / "text_encoder", torch_dtype=torch.float32)
    else:
        tokenizer = InstructionTokenizer.train(pool.phrasings + pool.others, settings.vocab_size)
        encoder = InstructionEncoder(edits=EDITS, vocab_size=len(tokenizer), embed_dim=settings.embed_dim)
        start_from_teacher(encoder, tokenizer, teacher)
    known = held_out, teacher.embed(held_out) if held_out else torch.empty(0)
    stage = TextStage(settings, encoder, tokenizer, known, seen_all=start is not None and settings.part == "all")
    Trainer(stage, TextSamples(pool, settings), folder, accelerator, click.echo, bar).run()
    return folder.checkpoint


@click.command(help="Train the instruction encoder and its tokenizer into a run's folder.")
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--steps", default=TextSettings.steps, show_default=True)
@click.option("--seed", default=TextSettings.seed, show_default=True)
@click.option("--phrasings", default=TextSettings.phrasings, show_default=True, help="Phrasings in the pool.")
@click.option(
    "--open-texts", default=TextSettings.open_texts, show_default=True, help="Open-vocabulary texts in the pool."
)
@click.option("--part", type=click.Choice(["all", "train"]), default="all", show_default=True,
              help="train keeps a third of the content phrases out, to measure on them.")  # fmt: skip
@click.option(
    "--start",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Go on from the checkpoint of an earlier run.",
)
@click.option("--resume", is_flag=True, help="Go on with the run in that folder.")  # fmt: skip
@click.option("--learning-rate", default=TextSettings.learning_rate, show_default=True)
@click.option("--wordnet", type=click.Path(path_type=Path), default=text_data.WORDNET, show_default=True)
@click.option("--cache", type=click.Path(path_type=Path), default=Path("runs/text_teacher"), show_default=True,
              help="Where the teacher's embeddings are kept between runs.")  # fmt: skip
def main(
    output: Path,
    start: Path | None,
    resume: bool,
    wordnet: Path,
    cache: Path,
    **options: Any,
) -> None:
    """Entry point of the training command."""
    checkpoint = distil(TextSettings(**options), Teacher(cache), output, wordnet, start, resume=resume, bar=True)
    click.echo((checkpoint / "result.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
