"""What the instruction encoder learns from: a pool of texts with the teacher's embeddings and edit targets.

Promises batches of three kinds (pairs of phrasings of the same edits, texts that ask for no edit, open text). Knows
nothing of the student. Open text gets its edit targets from a linear probe on the teacher's embeddings, so that a
word which the phrase book lacks, and which the teacher puts beside one that it has, means the same edit.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from movie_cli.training import instructions, wording
from movie_cli.training.instructions import EDITS, Part
from movie_cli.training.text_teacher import Teacher

PROBE_STEPS = 400
PROBE_FLOOR = 0.5
"""Below this probability a probe's guess about open text counts as no edit."""


@dataclass(frozen=True)
class Batch:
    """Texts with the teacher's embeddings `(N, 384)` and edit targets `(N, E)` in [0, 1].

    The first `2 * pairs` texts are phrasings, neighbours 2i and 2i + 1 asking for the same edits.
    """

    texts: list[str]
    embeddings: Tensor
    targets: Tensor
    pairs: int


@dataclass(frozen=True)
class Pool:
    """Texts in clean form with their embeddings, and for phrasings the rows of each set of edits."""

    phrasings: list[str]
    phrasing_embeddings: Tensor
    sets: list[tuple[tuple[int, ...], list[int]]]
    others: list[str]
    other_embeddings: Tensor
    other_targets: Tensor
    unknown: int
    """The first `unknown` of the others are texts that ask for no edit by construction."""


def target(edits: Sequence[str]) -> Tensor:
    """Multi-hot `(E,)` of the edits' places in the bank."""
    row = torch.zeros(len(EDITS))
    row[[EDITS.index(edit) for edit in edits]] = 1.0
    return row


def make_phrasings(
    count: int, pairs: float, per_set: int, rng: random.Random, part: Part
) -> list[tuple[tuple[str, ...], list[str]]]:
    """About `count` clean phrasings: sets of edits with up to `per_set` different phrasings each."""
    made = []
    for i in range(count // per_set):
        single = rng.random() >= pairs
        edits = (EDITS[i % len(EDITS)],) if single else instructions.random_edits(rng, pairs=1.0)
        phrases = dict.fromkeys(instructions.clean_phrase(edits, rng, part) for _ in range(per_set))
        made.append((edits, list(phrases)))
    return made


def build_pool(
    teacher: Teacher, open_texts: Sequence[str], phrasings: int, pairs: float, part: Part, seed: int
) -> Pool:
    """Make the pool and embed all of it. The costly part is the teacher; its cache makes a second run cheap."""
    rng = random.Random(seed)  # noqa: S311 - not cryptography
    made = make_phrasings(phrasings, pairs, 6, rng, part)
    texts: list[str] = []
    rows: dict[tuple[int, ...], list[int]] = {}
    for edits, phrases in made:
        key = tuple(sorted(EDITS.index(edit) for edit in edits))
        rows.setdefault(key, []).extend(range(len(texts), len(texts) + len(phrases)))
        texts.extend(phrases)
    unknown = list(dict.fromkeys(instructions.clean_unknown(rng, part) for _ in range(phrasings // 5)))
    embeddings = teacher.embed(texts)
    others = unknown + list(open_texts)
    other_embeddings = teacher.embed(others)
    targets = torch.zeros(len(texts), len(EDITS))
    for places, members in rows.items():
        for place in places:
            targets[members, place] = 1.0
    # Open text counts as no edit for the probe too: what it still takes for an edit after that must be very near one.
    none = torch.zeros(len(others), len(EDITS))
    probe = fit_probe(torch.cat([embeddings, other_embeddings]), torch.cat([targets, none]), seed)
    guessed = torch.cat([none[: len(unknown)], probe_targets(probe, other_embeddings[len(unknown) :])])
    sets = [(places, members) for places, members in rows.items() if len(members) > 1]
    return Pool(texts, embeddings, sets, others, other_embeddings, guessed, len(unknown))


def fit_probe(embeddings: Tensor, targets: Tensor, seed: int) -> nn.Linear:
    """Logistic regression from the teacher's embeddings `(N, 384)` to edits `(N, E)`."""
    torch.manual_seed(seed)
    probe = nn.Linear(embeddings.shape[1], targets.shape[1])
    optimizer = torch.optim.AdamW(probe.parameters(), lr=0.03, weight_decay=1e-3)
    for _ in range(PROBE_STEPS):
        rows = torch.randint(len(embeddings), (2048,))
        # Unit-norm embeddings have components of about 0.05: scaled so that the learning rate fits.
        loss = nn.functional.binary_cross_entropy_with_logits(probe(10 * embeddings[rows]), targets[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return probe


@torch.no_grad()
def probe_targets(probe: nn.Linear, embeddings: Tensor) -> Tensor:
    """The probe's probabilities `(N, E)`, zero where below `PROBE_FLOOR`."""
    probabilities = probe(10 * embeddings).sigmoid()
    return torch.where(probabilities > PROBE_FLOOR, probabilities, torch.zeros_like(probabilities))


def draw(pool: Pool, rng: random.Random, pairs: int, unknown: int, open_text: int) -> Batch:
    """A random batch: `2 * pairs` phrasings (single edits and combinations), then unknown, then open texts.

    Texts are roughened (typos, casing) while their embeddings stay those of the clean text.
    """
    singles = [s for s in pool.sets if len(s[0]) == 1]
    combined = [s for s in pool.sets if len(s[0]) > 1]
    texts: list[str] = []
    phrasing_rows: list[int] = []
    targets = torch.zeros(2 * pairs + unknown + open_text, len(EDITS))
    for i in range(pairs):
        places, members = rng.choice(combined if combined and rng.random() < 0.3 else singles)
        phrasing_rows += rng.sample(members, 2)
        targets[2 * i : 2 * i + 2, list(places)] = 1.0
    texts += [wording.roughen(pool.phrasings[row], rng) for row in phrasing_rows]
    other_rows = [rng.randrange(pool.unknown) for _ in range(unknown)]
    other_rows += [
        rng.randrange(pool.unknown, len(pool.others))
        for _ in range(open_text if len(pool.others) > pool.unknown else 0)
    ]
    texts += [wording.roughen(pool.others[row], rng) for row in other_rows]
    targets = targets[: len(texts)]
    targets[2 * pairs :] = pool.other_targets[other_rows]
    embeddings = torch.cat([pool.phrasing_embeddings[phrasing_rows], pool.other_embeddings[other_rows]])
    return Batch(texts, embeddings, targets, pairs)
