"""Whether a person's own words land on the edit they mean.

A phrase lands on the edit whose targets are nearest (mean squared error over a few small photographs) to what the
subject makes of the phrase. Beside it stands what the text encoder alone thinks, where pictures' likeness plays no
part.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from movie_cli.errors import SourceError, UsageError
from movie_cli.evaluate.measures import to_float, to_frames
from movie_cli.evaluate.subjects import Subject
from movie_cli.recipe import Recipe
from movie_cli.train import bank
from movie_cli.train.bank import paint
from tools.fidelity import target_of
from tools.measures import mean

UNKNOWN = "unknown"
"""The label of phrases that ask for no edit of the bank."""


@dataclass(frozen=True)
class Landing:
    """One phrase, the edit it means (or `unknown`), the edit its picture landed on ("" if none was made).

    `text` is the edit that the text encoder puts nearest, `known` whether it claims to know the phrase.
    """

    meant: str
    phrase: str
    picture: str
    text: str
    known: bool


@dataclass(frozen=True)
class PhrasingSummary:
    """Shares in [0, 1]; `misses` are the landings whose picture is another edit's, `per_edit` shares by picture.

    `unknown_detected` is the share of unknown phrases flagged as such, `known_flagged` the share of known ones
    wrongly flagged.
    """

    phrases: int
    picture_accuracy: float
    text_accuracy: float
    unknown_phrases: int
    unknown_detected: float
    known_flagged: float
    per_edit: dict[str, float]
    misses: list[Landing]


def read_phrasings(path: Path) -> list[tuple[str, str]]:
    """Rows `(edit, phrase)` of a CSV file with these columns; `unknown` is an edit's name here.

    Raises:
        SourceError: the file cannot be read or has other columns.
        UsageError: a row names an edit that the bank lacks.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(row["edit"], row["phrase"]) for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, KeyError, csv.Error) as error:
        raise SourceError(
            f"{path} cannot be read as phrasings: {error}", "give a CSV file with edit,phrase in its first line"
        ) from error
    for number, (edit, _) in enumerate(rows, start=1):
        if edit != UNKNOWN and edit not in bank.BANK:
            raise UsageError(f'{path}: phrase {number} is for "{edit}", which the bank lacks')
    return rows


def land(
    subject: Subject,
    phrasings: Sequence[tuple[str, str]],
    photos: Tensor,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> list[Landing]:
    """Land every phrase; `photos` is a batch `(N, 3, H, W)` in [0, 1], sides multiples of 16.

    Painted looks are among those that a phrase may land on where the style teacher was named. `progress` is told how
    many phrases of how many are done. Phrases labelled `unknown` are only judged by their text.

    Raises:
        UsageError: the subject reads no text.
    """
    names = [name for name, edit in bank.BANK.items() if not edit.painted or paint.is_ready()]
    targets = torch.stack([target_of(bank.get(name), photos) for name in names]).flatten(1)
    frames = to_frames(photos)
    landings = []
    for number, (meant, phrase) in enumerate(phrasings, start=1):
        judgement = subject.judge(phrase)
        if judgement is None:
            raise UsageError(f"{subject.name} reads no text", "measure phrasings on a checkpoint")
        picture = ""
        if meant != UNKNOWN:
            result = to_float(subject.prepare(Recipe(phrase))(frames)).flatten()
            picture = names[int((targets - result).square().mean(dim=1).argmin())]
        landings.append(Landing(meant, phrase, picture, judgement.nearest, judgement.known))
        progress(number, len(phrasings))
    return landings


def summarize(landings: Sequence[Landing]) -> PhrasingSummary:
    """Count what landed where."""
    known = [landing for landing in landings if landing.meant != UNKNOWN]
    unknown = [landing for landing in landings if landing.meant == UNKNOWN]
    per_edit = {
        name: mean([float(landing.picture == name) for landing in known if landing.meant == name])
        for name in dict.fromkeys(landing.meant for landing in known)
    }
    return PhrasingSummary(
        phrases=len(known),
        picture_accuracy=mean([float(landing.picture == landing.meant) for landing in known]),
        text_accuracy=mean([float(landing.text == landing.meant) for landing in known]),
        unknown_phrases=len(unknown),
        unknown_detected=mean([float(not landing.known) for landing in unknown]),
        known_flagged=mean([float(not landing.known) for landing in known]),
        per_edit=per_edit,
        misses=[landing for landing in known if landing.picture != landing.meant],
    )
