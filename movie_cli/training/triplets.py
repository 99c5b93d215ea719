"""Training triplets from the procedural bank: a source crop, its edits, scales, and the edited crop.

Targets are made once a (photograph, edit) at full strength, on the whole photograph, and kept on disk; a sample
is a crop of both, blended to the strength that the drawn scales ask for. Knows nothing of networks.
"""

from __future__ import annotations

import hashlib
import math
import random
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from movie_cli.models.denoiser import IMAGE_SCALE_RANGE, TEXT_SCALE_RANGE
from movie_cli.training import bank, photos
from movie_cli.training.bank.edit import blend, strength_of

STRIDE = 7919
"""A prime, so that steps of it visit every photograph of a folder whose size is no multiple of it."""


@dataclass(frozen=True)
class Triplet:
    """One sample: crops `(3, S, S)` in [0, 1], the edits that lead from one to the other, and the scales asked for."""

    source: Tensor
    edited: Tensor
    edits: tuple[str, ...]
    text_scale: float
    image_scale: float


class TargetCache:
    """Full-strength targets as `.npy` files of uint8 `(3, H, W)`, made on first use.

    A file's folder is named after the edit and a digest of the modules that made it, so that a changed edit is
    made anew.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def source(self, path: Path, short_side: int) -> np.ndarray:
        """The photograph itself, at `short_side`."""
        return self._get(self.root / f"source-{short_side}" / f"{path.stem}.npy", path, short_side, None)

    def target(self, path: Path, short_side: int, edit: bank.Edit) -> np.ndarray:
        """The photograph edited at full strength."""
        folder = self.root / f"{edit.name}-{short_side}-{fingerprint(edit)}"
        return self._get(folder / f"{path.stem}.npy", path, short_side, edit)

    def _get(self, file: Path, path: Path, short_side: int, edit: bank.Edit | None) -> np.ndarray:
        if not file.exists():
            image = photos.load(path, short_side)
            if edit is not None:
                image = edit.full(image).clamp(0, 1)
            file.parent.mkdir(parents=True, exist_ok=True)
            # Not of `random`: loaders of two processes have it seeded alike.
            partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
            with partial.open("wb") as stream:
                np.save(stream, (image[0] * 255).round().to(torch.uint8).numpy(), allow_pickle=False)
            partial.replace(file)
        array: np.ndarray = np.load(file, mmap_mode="r", allow_pickle=False)
        return array


@cache
def fingerprint(edit: bank.Edit) -> str:
    """A digest of what an edit does to a fixed picture: targets of a changed edit must not be mistaken for its own."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 12, 12, generator=generator)
    picture = torch.nn.functional.interpolate(coarse, size=(96, 96), mode="bicubic").clamp(0, 1)
    picture = (picture + 0.1 * torch.rand(1, 3, 96, 96, generator=generator)).clamp(0, 1)
    result = (edit.full(picture).clamp(0, 1) * 255).round().to(torch.uint8)
    return hashlib.blake2b(result.numpy().tobytes(), digest_size=4).hexdigest()


class BankTriplets(IterableDataset[Triplet]):
    """An endless stream of triplets; each worker draws from its own seed.

    `combined` is the share of two edits at once, `unedited` that of samples whose target is the source itself.
    `weights` raises the share of edits that need more. `share` is the part of the photographs that any one edit is
    shown on: targets take longer to make than steps to run. `strength` is that of all edits; without it the drawn
    scales decide.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        targets: TargetCache,
        crop: int,
        seed: int,
        combined: float = 0.15,
        unedited: float = 0.05,
        weights: dict[str, float] | None = None,
        share: float = 1.0,
        strength: float | None = None,
    ) -> None:
        self.paths = list(paths)
        self.strength = strength
        self.share = share
        self.targets = targets
        self.crop = crop
        self.seed = seed
        self.combined = combined
        self.unedited = unedited
        self.edits = [(name,) for name in bank.BANK]
        self.weights = [(weights or {}).get(name, 1.0) for name in bank.BANK]

    def __iter__(self) -> Iterator[Triplet]:
        info = torch.utils.data.get_worker_info()
        rng = random.Random(self.seed * 1000 + (info.id if info else 0))  # noqa: S311
        torch.set_num_threads(1)
        while True:
            yield self.draw(rng)

    def draw(self, rng: random.Random, frame: tuple[int, int] | None = None) -> Triplet:
        """One sample: a photograph, an edit (or two, or none), scales, a crop aligned to the patch grid.

        With `frame`, width and height, it is a whole picture of that size, and its target is made anew.
        """
        kind = rng.random()
        names: tuple[str, ...] = rng.choices(self.edits, self.weights)[0]
        if kind < self.combined:
            names = rng.choice(bank.COMBINATIONS)
        elif kind < self.combined + self.unedited:
            names = ()
        edit = bank.get("+".join(names)) if names else None
        if frame is None:
            source, full, scales = self._crop(names, edit, rng)
        else:
            picture = photos.framed(rng.choice(self.paths), *frame, rng)
            source, full = picture[0], edit.full(picture).clamp(0, 1)[0] if edit else picture[0]
            scales = _scales(rng)
        edited = source
        if edit and self.strength is None:
            edited = blend(source[None], full[None], strength_of(*scales), edit.drawn)[0]
        elif edit and self.strength is not None:
            # In a straight line: guidance multiplies a direction, and colour that went first would go too far.
            edited = source + self.strength * (full - source)
        return Triplet(source, edited, names, *scales)

    def _crop(
        self, names: tuple[str, ...], edit: bank.Edit | None, rng: random.Random
    ) -> tuple[Tensor, Tensor, tuple[float, float]]:
        """The same place of a photograph and of its full edit, and scales."""
        path, short_side = self._photo(names, rng)
        source = self.targets.source(path, short_side)
        scales = _scales(rng)
        top, left = (8 * rng.randrange((size - self.crop) // 8 + 1) for size in source.shape[1:])
        window = (slice(None), slice(top, top + self.crop), slice(left, left + self.crop))
        full = self.targets.target(path, short_side, edit) if edit else source
        return to_float(source[window]), to_float(full[window]), scales

    def _photo(self, names: tuple[str, ...], rng: random.Random) -> tuple[Path, int]:
        count = len(self.paths)
        start = int.from_bytes(hashlib.blake2b("+".join(names).encode(), digest_size=4).digest())
        # Every edit sees its own run of photographs, spread over the folder by a stride that meets them all.
        position = rng.randrange(max(1, round(self.share * count)))
        index = (start + position * STRIDE) % count
        return self.paths[index], photos.SHORT_SIDES[index % len(photos.SHORT_SIDES)]


def _scales(rng: random.Random) -> tuple[float, float]:
    text_scale = math.exp(rng.uniform(*(math.log(value) for value in TEXT_SCALE_RANGE)))
    return text_scale, rng.uniform(*IMAGE_SCALE_RANGE)


def to_float(pixels: np.ndarray) -> Tensor:
    """uint8 to float32 in [0, 1]."""
    return torch.from_numpy(np.array(pixels)).float() / 255


@dataclass(frozen=True)
class TripletBatch:
    """Triplets side by side: pictures `(N, 3, S, S)`, scales `(N, 2)` with the text scale first, edits of each."""

    source: Tensor
    edited: Tensor
    edits: list[tuple[str, ...]]
    scales: Tensor


def collate(samples: Sequence[Triplet]) -> TripletBatch:
    """Stack samples."""
    return TripletBatch(
        torch.stack([sample.source for sample in samples]),
        torch.stack([sample.edited for sample in samples]),
        [sample.edits for sample in samples],
        torch.tensor([[sample.text_scale, sample.image_scale] for sample in samples]),
    )
