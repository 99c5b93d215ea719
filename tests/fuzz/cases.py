"""Which file is damaged how, and with what command it is edited: everything follows from a seed and a number."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.mutate import mutate

LARGEST = 400_000
"""Bytes of a source at most: damage to a small file is found sooner."""

_ENDINGS = (".mp4", ".mp4", ".mkv", ".mkv", ".mov", ".nut", ".ts")


@dataclass(frozen=True)
class Case:
    """One mutated file, what was done to it, and the options it is edited with."""

    number: int
    source: str
    data: bytes
    damage: tuple[str, ...]
    options: tuple[str, ...]
    ending: str


def find_sources(folders: Sequence[Path]) -> list[Path]:
    """The small files of some folders, in order of their names; `folders` may also name single files."""
    found = []
    for folder in folders:
        found += sorted(folder.iterdir()) if folder.is_dir() else [folder]
    return [
        path
        for path in found
        if path.is_file() and path.suffix not in {".csv", ".md", ".py"} and 0 < path.stat().st_size <= LARGEST
    ]


def make_case(sources: Sequence[Path], seed: int, number: int) -> Case:
    """The case of that number; the same whatever ran before."""
    rng = random.Random(f"{seed}:{number}")
    path = sources[number % len(sources)]
    others = [other.read_bytes() for other in rng.sample(list(sources), min(2, len(sources)))]
    data, damage = mutate(path.read_bytes(), rng, others)
    options = ["--duration", rng.choice(("2f", "4f", "0.2s"))]
    if rng.random() < 0.15:
        options += ["--start", "0.1s"]
    for name, chance in (("--strict", 0.1), ("--no-audio", 0.2)):
        if rng.random() < chance:
            options.append(name)
    return Case(number, path.name, data, tuple(damage), tuple(options), rng.choice(_ENDINGS))
