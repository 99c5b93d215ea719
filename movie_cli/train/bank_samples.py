"""Samples from the procedural bank over a folder of photographs, or of videos, whose stills are taken first.

Targets are made once a (photograph, edit) at full strength, on the whole photograph, and kept on disk; a sample is a
crop of both, blended to the strength that the drawn scales ask for.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import random
import re
import secrets
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from movie_cli.errors import UsageError
from movie_cli.models.autoencoder import PATCH
from movie_cli.models.denoiser import IMAGE_SCALE_RANGE, TEXT_SCALE_RANGE
from movie_cli.train import bank, photos
from movie_cli.train.bank.edit import blend, strength_of
from movie_cli.train.instructions import sample_phrase
from movie_cli.train.photos import check_images, photographs
from movie_cli.train.samples import Draws, Sample, rng_of, seed_of
from movie_cli.train.settings import DataSettings

FRAME_MULTIPLE = 32
"""Pixels that the smallest of the embedded denoiser's maps stands for."""
STRIDE = 7919
"""A prime, so that steps of it visit every photograph of a folder whose size is no multiple of it."""


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
        self._targets = TargetCache(Path(settings.targets) if settings.targets else work / "targets")
        self._edits = [(name,) for name in bank.BANK]
        self._weights = [settings.weights.get(name, 1.0) for name in bank.BANK]

    def sample(self, number: int) -> Sample:
        """Sample `number` of the training photographs."""
        frame = self._frames[number // self._together % len(self._frames)] if self._frames else None
        return self._draw(self.paths, self._settings.photo_share, "bank", number, frame)

    def held_out(self, count: int) -> list[Sample]:
        """Samples of photographs kept out of training: those whose name's last digit is 0."""
        frame = self._frames[0] if self._frames else None
        return [self._draw(self._held_out, 1.0, "held out", number, frame) for number in range(count)]

    def patches(self, per_photo: int) -> Tensor:
        """Random 8x8 patches `(P, 3, 8, 8)` in [-1, 1] of all training photographs."""
        generator = torch.Generator().manual_seed(self._seed)
        return torch.cat(list(itertools.chain(photos.patches(self.paths, per_photo, generator))))

    def _draw(
        self, paths: list[Path], share: float, purpose: str, number: int, frame: tuple[int, int] | None
    ) -> Sample:
        """A photograph, an edit (or two, or none), scales, a crop aligned to the patch grid, a phrase.

        With `frame`, width and height, it is a whole picture of that size, and its target is made anew.
        """
        settings, rng = self._settings, rng_of(purpose, self._seed, number)
        kind = rng.random()
        names: tuple[str, ...] = rng.choices(self._edits, self._weights)[0]
        if kind < settings.combined:
            names = rng.choice(bank.COMBINATIONS)
        elif kind < settings.combined + settings.unedited:
            names = ()
        edit = bank.get("+".join(names)) if names else None
        if frame is None:
            source, full, scales = self._crop(names, edit, _photo(paths, share, names, rng), rng)
        else:
            picture = photos.framed(rng.choice(paths), *frame, rng)
            source, full = picture[0], edit.full(picture).clamp(0, 1)[0] if edit else picture[0]
            scales = _scales(rng)
        edited = source
        if edit and not settings.strength:
            edited = blend(source[None], full[None], strength_of(*scales), edit.drawn)[0]
        elif edit:
            # In a straight line: guidance multiplies a direction, and colour that went first would go too far.
            edited = source + settings.strength * (full - source)
        if settings.source_noise:
            clean, source = source, _noisy(source, settings.source_noise, Draws(seed_of("grain", self._seed), [number]))
            if settings.strength:
                # Part of the way from what is seen to the full edit: when that part is multiplied, noise is not.
                edited = edited + (1 - settings.strength) * (source - clean)
        known = None if settings.strength else scales
        return Sample(source, edited, sample_phrase(names, rng), names, number, known)

    def _crop(
        self, names: tuple[str, ...], edit: bank.Edit | None, photo: tuple[Path, int], rng: random.Random
    ) -> tuple[Tensor, Tensor, tuple[float, float]]:
        """The same place of a photograph and of its full edit, and scales."""
        crop = self._settings.crop
        source = self._targets.source(*photo)
        scales = _scales(rng)
        top, left = (8 * rng.randrange((size - crop) // 8 + 1) for size in source.shape[1:])
        window = (slice(None), slice(top, top + crop), slice(left, left + crop))
        full = self._targets.target(*photo, edit) if edit else source
        return to_float(source[window]), to_float(full[window]), scales


def _photo(paths: list[Path], share: float, names: tuple[str, ...], rng: random.Random) -> tuple[Path, int]:
    """A photograph, and the short side it is brought to."""
    start = int.from_bytes(hashlib.blake2b("+".join(names).encode(), digest_size=4).digest())
    # Every edit sees its own run of photographs, spread over the folder by a stride that meets them all.
    position = rng.randrange(max(1, round(share * len(paths))))
    index = (start + position * STRIDE) % len(paths)
    return paths[index], photos.SHORT_SIDES[index % len(photos.SHORT_SIDES)]


def _scales(rng: random.Random) -> tuple[float, float]:
    text_scale = math.exp(rng.uniform(*(math.log(value) for value in TEXT_SCALE_RANGE)))
    return text_scale, rng.uniform(*IMAGE_SCALE_RANGE)


def _frame(text: str) -> tuple[int, int]:
    """Width and height of `WIDTHxHEIGHT`."""
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(size) or any(side % FRAME_MULTIPLE for side in size):
        raise UsageError(
            f"data.frames has {text}, not WIDTHxHEIGHT in multiples of {FRAME_MULTIPLE}", '["512x384"] is one'
        )
    return size


def _noisy(image: Tensor, deviation: float, draws: Draws) -> Tensor:
    """A picture `(3, S, S)` with noise as a camera might have left it, on half of the samples."""
    amount = (draws.uniform(-0.5, 0.5).clamp_min(0) * 2 * deviation).item()
    return (image + amount * draws.normal(*image.shape)[0]).clamp(0, 1) if amount else image


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


def to_float(pixels: np.ndarray) -> Tensor:
    """uint8 to float32 in [0, 1]."""
    return torch.from_numpy(np.array(pixels)).float() / 255
