"""Measures of an instruction encoder: accuracy on phrasings, detection of unknown instructions, teacher's cosine.

Nothing is changed but, in `calibrate`, the encoder's threshold and prototypes. Run as
`python -m tools.text_evaluation CHECKPOINT --phrasings FILE.csv` it measures a checkpoint on
phrasings with the columns edit,phrase (several edits joined by `+`).
"""

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
import torch
from torch import Tensor

from movie_cli.models.text import InstructionEncoder, InstructionEncoding, encode_texts
from movie_cli.models.tokenizer import InstructionTokenizer
from movie_cli.train import instructions, wording
from movie_cli.train.instructions import EDITS, Part

MISSED_KNOWN = 0.04
"""Share of known phrasings that the threshold may take for unknown."""


@torch.no_grad()
def encode(
    encoder: InstructionEncoder, tokenizer: InstructionTokenizer, texts: Sequence[str], batch: int = 256
) -> InstructionEncoding:
    """Encode any number of texts in batches."""
    parts = [encode_texts(encoder, tokenizer, texts[i : i + batch]) for i in range(0, len(texts), batch)]
    return InstructionEncoding(
        torch.cat([p.tokens for p in parts]),
        torch.cat([p.embedding for p in parts]),
        torch.cat([p.logits for p in parts]),
    )


def sample_set(part: Part, singles: int, pairs: int, seed: int) -> list[tuple[tuple[str, ...], str]]:
    """`singles` phrasings of each edit and `pairs` of combinations, from one part of the phrase book."""
    rng = random.Random(seed)  # noqa: S311 - not cryptography
    wanted: list[tuple[str, ...]] = [(edit,) for edit in EDITS for _ in range(singles)]
    wanted += [instructions.random_edits(rng, pairs=1.0) for _ in range(pairs)]
    return [(edits, instructions.sample_phrase(edits, rng, part)) for edits in wanted]


def sample_unknown(part: Part, count: int, seed: int) -> list[str]:
    """Different texts that ask for no edit."""
    rng = random.Random(seed)  # noqa: S311 - not cryptography
    return list(dict.fromkeys(wording.roughen(instructions.clean_unknown(rng, part), rng) for _ in range(count)))


def accuracy(
    encoder: InstructionEncoder, tokenizer: InstructionTokenizer, labelled: Sequence[tuple[tuple[str, ...], str]]
) -> dict[str, float]:
    """Shares in [0, 1]: `top` the most certain edit is one asked for, `exact` the set is exact, `known` not flagged.

    `pairs_top2` is the share of combinations whose two most certain edits are the two asked for.
    """
    encoding = encode(encoder, tokenizer, [text for _, text in labelled])
    asked = encoder.asked_edits(encoding)
    order = encoding.logits.argsort(dim=-1, descending=True)
    known = encoder.is_known(encoding)
    names = encoder.edits
    result: dict[str, float] = {"known": known.float().mean().item()}
    for label, size in (("single", 1), ("pair", 2)):
        rows = [i for i, (edits, _) in enumerate(labelled) if len(edits) == size]
        if rows:
            top = [{names[j] for j in order[i, :size].tolist()} == set(labelled[i][0]) for i in rows]
            first = [names[int(order[i, 0])] in labelled[i][0] for i in rows]
            exact = [set(asked[i]) == set(labelled[i][0]) for i in rows]
            result[f"{label}_first"] = sum(first) / len(rows)
            result[f"{label}_top"] = sum(top) / len(rows)
            result[f"{label}_exact"] = sum(exact) / len(rows)
    return result


def unknown_detected(encoder: InstructionEncoder, tokenizer: InstructionTokenizer, texts: Sequence[str]) -> float:
    """Share of texts that the encoder flags as unknown."""
    return 1.0 - encoder.is_known(encode(encoder, tokenizer, texts)).float().mean().item()


def teacher_cosine(
    encoder: InstructionEncoder, tokenizer: InstructionTokenizer, texts: Sequence[str], embeddings: Tensor
) -> float:
    """Mean cosine of the encoder's embeddings to the teacher's `(N, 384)`."""
    return (encode(encoder, tokenizer, texts).embedding * embeddings).sum(dim=-1).mean().item()


def calibrate(encoder: InstructionEncoder, tokenizer: InstructionTokenizer, part: Part, seed: int) -> float:
    """Set the prototypes and the threshold of knowing from one part of the phrase book; returns the threshold.

    The threshold is the largest at which at most `MISSED_KNOWN` of the phrasings count as unknown. It means something
    only if the encoder has not seen that part: see `set_prototypes` for the other case.
    """
    labelled = sample_set(part, 60, 0, seed)
    encoding = set_prototypes(encoder, tokenizer, labelled)
    nearness = encoder.nearness(encoding).amax(dim=-1)
    threshold = round(torch.quantile(nearness, MISSED_KNOWN).item(), 4)
    encoder.set_known_threshold(threshold)
    return threshold


def set_prototypes(
    encoder: InstructionEncoder, tokenizer: InstructionTokenizer, labelled: Sequence[tuple[tuple[str, ...], str]]
) -> InstructionEncoding:
    """Set each edit's prototype to the mean embedding of its phrasings; returns the encoding of all phrasings."""
    encoding = encode(encoder, tokenizer, [text for _, text in labelled])
    for i, edit in enumerate(encoder.edits):
        rows = [n for n, (edits, _) in enumerate(labelled) if edits == (edit,)]
        encoder.prototypes[i] = torch.nn.functional.normalize(encoding.embedding[rows].mean(dim=0), dim=0)
    return encoding


def read_phrasings(path: Path) -> list[tuple[tuple[str, ...], str]]:
    """Labelled phrasings from a CSV file with the columns edit,phrase."""
    with path.open(encoding="utf-8", newline="") as file:
        return [(tuple(row["edit"].split("+")), row["phrase"]) for row in csv.DictReader(file)]


def mistakes(
    encoder: InstructionEncoder, tokenizer: InstructionTokenizer, labelled: Sequence[tuple[tuple[str, ...], str]]
) -> list[str]:
    """A line for each phrasing whose most certain edit is not asked for: `asked -> found: text`."""
    encoding = encode(encoder, tokenizer, [text for _, text in labelled])
    found = [encoder.edits[i] for i in encoding.logits.argmax(dim=-1).tolist()]
    return [
        f"{'+'.join(edits)} -> {name}: {text}"
        for (edits, text), name in zip(labelled, found, strict=True)
        if name not in edits
    ]


@click.command(help="Measure the instruction encoder of a CHECKPOINT folder on labelled phrasings.")
@click.argument("checkpoint", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--phrasings", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="CSV: edit,phrase.")
def main(checkpoint: Path, phrasings: Path | None) -> None:
    """Print the measures as JSON, then the mistakes, to standard output."""
    encoder = InstructionEncoder.from_pretrained(checkpoint / "text_encoder", torch_dtype=torch.float32).eval()
    tokenizer = InstructionTokenizer.from_pretrained(checkpoint / "tokenizer")
    labelled = read_phrasings(phrasings) if phrasings else sample_set("validation", 20, 400, seed=1)
    known = [(edits, text) for edits, text in labelled if all(edit in EDITS for edit in edits)]
    unknown = [text for edits, text in labelled if not all(edit in EDITS for edit in edits)]
    result = accuracy(encoder, tokenizer, known)
    result["unknown_detected"] = unknown_detected(
        encoder, tokenizer, unknown or sample_unknown("validation", 400, seed=1)
    )
    click.echo(json.dumps({"phrasings": len(known), "unknown": len(unknown), **result}, indent=2))
    wrong = mistakes(encoder, tokenizer, known)
    click.echo("\n".join(wrong))
    click.echo(json.dumps(dict(Counter(line.split(" -> ")[0] for line in wrong).most_common())))


if __name__ == "__main__":
    main()
