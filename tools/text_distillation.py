"""Training of the instruction encoder: distillation from all-MiniLM-L6-v2 and learning of the edits.

`python -m tools.text_distillation -o DIR` writes `DIR/text_encoder`, `DIR/tokenizer` (float16
safetensors) and `DIR/text_log.jsonl`. Promises the same result for the same seed, data and machine. Knows nothing of
images: the edits' codes come from the denoiser's training.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from movie_cli.models.text import InstructionEncoder, InstructionEncoding
from movie_cli.models.tokenizer import InstructionTokenizer
from movie_cli.train.instructions import EDITS, Part
from tools import text_data, text_evaluation
from tools.text_data import Batch, Pool, Teacher, build_pool, draw

VALIDATION_TEXTS = 1000
NULL_SHARE = 0.01
"""Share of a batch's unknown texts that are replaced by the null text."""


@dataclass(frozen=True)
class Settings:
    """All that decides a training run."""

    steps: int = 3000
    minutes: float = 19.0
    seed: int = 0
    part: Part = "all"
    vocab_size: int = 8192
    embed_dim: int = 96
    phrasings: int = 90_000
    pairs: float = 0.3
    open_texts: int = 90_000
    batch_pairs: int = 40
    batch_unknown: int = 24
    batch_open: int = 48
    learning_rate: float = 2e-3
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


def losses(encoding: InstructionEncoding, batch: Batch, settings: Settings) -> dict[str, Tensor]:
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
    return Batch(texts, embeddings, targets, batch.pairs)


def train(
    settings: Settings, teacher: Teacher, output: Path, wordnet: Path, start: Path | None = None
) -> InstructionEncoder:
    """Run the whole training and save. Stops at `steps` or, with the schedule's end brought forward, at `minutes`.

    `start` is the output of an earlier run to go on from, with its tokenizer.
    """
    torch.manual_seed(settings.seed)
    rng = random.Random(settings.seed)  # noqa: S311 - not cryptography
    output.mkdir(parents=True, exist_ok=True)
    log = output / "text_log.jsonl"
    log.write_text(json.dumps({"settings": asdict(settings)}) + "\n", encoding="utf-8")
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
    _optimise(encoder, tokenizer, pool, settings, rng, log)
    encoder.eval()
    if start and settings.part == "all":
        # Nothing is left unseen to calibrate on: the earlier run's threshold stays.
        text_evaluation.set_prototypes(encoder, tokenizer, text_evaluation.sample_set("all", 60, 0, settings.seed))
    else:
        text_evaluation.calibrate(encoder, tokenizer, "validation", settings.seed)
    result = text_evaluation.accuracy(encoder, tokenizer, text_evaluation.sample_set("validation", 20, 400, seed=1))
    result["unknown_detected"] = text_evaluation.unknown_detected(
        encoder, tokenizer, text_evaluation.sample_unknown("validation", 400, seed=1)
    )
    result["known_threshold"] = float(encoder.config["known_threshold"])
    if held_out:
        result["teacher_cosine"] = text_evaluation.teacher_cosine(encoder, tokenizer, held_out, teacher.embed(held_out))
    _append(log, {"result": result})
    tokenizer.save_pretrained(output / "tokenizer")
    encoder.half().save_pretrained(output / "text_encoder")
    return encoder.float()


def _optimise(
    encoder: InstructionEncoder, tokenizer: InstructionTokenizer, pool: Pool, settings: Settings,
    rng: random.Random, log: Path,
) -> None:  # fmt: skip
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=settings.learning_rate, weight_decay=0.01, betas=(0.9, 0.98))
    encoder.train()
    start = time.monotonic()
    sums: dict[str, float] = {}
    for step in range(settings.steps):
        spent = (time.monotonic() - start) / (60 * settings.minutes)
        progress = max(step / settings.steps, spent)
        if progress >= 1.0:
            break
        rate = min(1.0, (step + 1) / 30) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * rate
        batch = with_null_texts(draw(pool, rng, settings.batch_pairs, settings.batch_unknown, settings.batch_open), rng)
        # The fused attention's backward pass on CPUs takes longer than all else together at these lengths.
        with sdpa_kernel(SDPBackend.MATH), torch.autocast("cpu", torch.bfloat16):
            encoding = encode_by_length(encoder, tokenizer, batch.texts)
            terms = losses(encoding, batch, settings)
        loss = terms["cosine"] + settings.edit_weight * terms["edits"]
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimizer.step()
        for name, value in terms.items():
            sums[name] = sums.get(name, 0.0) + value.item()
        if (step + 1) % 50 == 0:
            means = {name: round(value / 50, 4) for name, value in sums.items()}
            _append(log, {"step": step + 1, "seconds": round(time.monotonic() - start, 1), **means})
            sums = {}


def _append(log: Path, values: dict[str, object]) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(values) + "\n")


@click.command(help="Train the instruction encoder and its tokenizer into the folder OUTPUT.")
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--steps", default=Settings.steps, show_default=True)
@click.option("--minutes", default=Settings.minutes, show_default=True, help="The schedule ends by then.")
@click.option("--seed", default=Settings.seed, show_default=True)
@click.option("--phrasings", default=Settings.phrasings, show_default=True, help="Phrasings in the pool.")
@click.option("--open-texts", default=Settings.open_texts, show_default=True, help="Open-vocabulary texts in the pool.")
@click.option("--part", type=click.Choice(["all", "train"]), default="all", show_default=True,
              help="train keeps a third of the content phrases out, to measure on them.")  # fmt: skip
@click.option("--start", type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="Go on from the output of an earlier run.")  # fmt: skip
@click.option("--learning-rate", default=Settings.learning_rate, show_default=True)
@click.option("--wordnet", type=click.Path(path_type=Path), default=text_data.WORDNET, show_default=True)
@click.option("--cache", type=click.Path(path_type=Path), default=Path("runs/text_teacher"), show_default=True,
              help="Where the teacher's embeddings are kept between runs.")  # fmt: skip
def main(
    output: Path,
    steps: int,
    minutes: float,
    seed: int,
    phrasings: int,
    open_texts: int,
    part: Part,
    start: Path | None,
    learning_rate: float,
    wordnet: Path,
    cache: Path,
) -> None:
    """Entry point of the training command."""
    settings = Settings(
        steps=steps,
        minutes=minutes,
        seed=seed,
        part=part,
        phrasings=phrasings,
        open_texts=open_texts,
        learning_rate=learning_rate,
    )
    train(settings, Teacher(cache), output, wordnet, start)
    click.echo((output / "text_log.jsonl").read_text(encoding="utf-8").splitlines()[-1])


if __name__ == "__main__":
    main()
