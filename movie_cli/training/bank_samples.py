"""Samples from the procedural bank over a folder of photographs, or of videos, whose stills are taken first."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import torch
from torch import Tensor

from movie_cli.errors import UsageError
from movie_cli.models.autoencoder import PATCH
from movie_cli.training import bank, photos
from movie_cli.training.instructions import sample_phrase
from movie_cli.training.photos import check_images, photographs
from movie_cli.training.samples import Draws, Sample, rng_of, seed_of
from movie_cli.training.settings import DataSettings
from movie_cli.training.triplets import BankTriplets, TargetCache

FRAME_MULTIPLE = 32
"""Pixels that the smallest of the embedded denoiser's maps stands for."""


class BankSamples:
    """Made on the fly: a photograph, an edit (or two, or none), a crop, and a phrase that asks for it.

    Whole frames take their sizes in turn; `together` samples in a row have the same, as a batch needs them.

    Raises:
        SourceError: the folder has no photographs, or unreadable or tiny ones.
        UsageError: the crop or a frame does not fit, or a weight is given for an edit that the bank does not have.
    """

    sequential = False

    def __init__(self, settings: DataSettings, seed: int, work: Path, together: int = 1) -> None:
        for name in settings.weights:
            bank.get(name)
        self._frames = [_frame(text) for text in settings.frames]
        self._together = together
        largest = min(photos.SHORT_SIDES)
        if settings.crop % PATCH or settings.crop > largest:
            raise UsageError(f"data.crop is {settings.crop}, not a multiple of {PATCH} up to {largest}", "128 is usual")
        found = photographs(Path(settings.folder), work / "stills")
        self._settings, self._seed = settings, seed
        self._held_out = [path for path in found if path.stem.endswith("0")] or found[:8]
        self.paths = [path for path in found if not path.stem.endswith("0")] or found
        check_images(found, settings.crop)
        targets = TargetCache(Path(settings.targets) if settings.targets else work / "targets")
        self._training = self._triplets(self.paths, targets, settings.photo_share)
        self._looking = self._triplets(self._held_out, targets, 1.0)

    def _triplets(self, paths: list[Path], targets: TargetCache, share: float) -> BankTriplets:
        return BankTriplets(
            paths,
            targets,
            self._settings.crop,
            self._seed,
            combined=self._settings.combined,
            unedited=self._settings.unedited,
            weights=self._settings.weights,
            share=share,
            strength=self._settings.strength or None,
        )

    def sample(self, number: int) -> Sample:
        """Sample `number` of the training photographs."""
        frame = self._frames[number // self._together % len(self._frames)] if self._frames else None
        return self._draw(self._training, "bank", number, frame)

    def held_out(self, count: int) -> list[Sample]:
        """Samples of photographs kept out of training: those whose name's last digit is 0."""
        frame = self._frames[0] if self._frames else None
        return [self._draw(self._looking, "held out", number, frame) for number in range(count)]

    def patches(self, per_photo: int) -> Tensor:
        """Random 8x8 patches `(P, 3, 8, 8)` in [-1, 1] of all training photographs."""
        generator = torch.Generator().manual_seed(self._seed)
        return torch.cat(list(itertools.chain(photos.patches(self.paths, per_photo, generator))))

    def _draw(self, triplets: BankTriplets, purpose: str, number: int, frame: tuple[int, int] | None) -> Sample:
        rng = rng_of(purpose, self._seed, number)
        triplet = triplets.draw(rng, frame)
        source, edited = triplet.source, triplet.edited
        if self._settings.source_noise:
            source = _grainy(source, self._settings.source_noise, Draws(seed_of("grain", self._seed), [number]))
            if self._settings.strength:
                # Part of the way from what is seen to the full edit: when that part is multiplied, noise is not.
                edited = edited + (1 - self._settings.strength) * (source - triplet.source)
        return Sample(source, edited, sample_phrase(triplet.edits, rng), triplet.edits, number)


def _frame(text: str) -> tuple[int, int]:
    """Width and height of `WIDTHxHEIGHT`."""
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(size) or any(side % FRAME_MULTIPLE for side in size):
        raise UsageError(
            f"data.frames has {text}, not WIDTHxHEIGHT in multiples of {FRAME_MULTIPLE}", '["512x384"] is one'
        )
    return size


def _grainy(image: Tensor, deviation: float, draws: Draws) -> Tensor:
    """A picture `(3, S, S)` with noise as a camera might have left it, on half of the samples."""
    amount = (draws.uniform(-0.5, 0.5).clamp_min(0) * 2 * deviation).item()
    return (image + amount * draws.normal(*image.shape)[0]).clamp(0, 1) if amount else image
