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
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from movie_cli.errors import UsageError
from movie_cli.models.autoencoder import PATCH
from movie_cli.models.network import one_thread
from movie_cli.models.region_names import REGIONS
from movie_cli.models.regions import RegionNetwork
from movie_cli.models.scales import IMAGE_SCALE_RANGE, TEXT_SCALE_RANGE
from movie_cli.models.scene import scene_of
from movie_cli.train import bank, photos
from movie_cli.train.bank import paint
from movie_cli.train.bank.edit import amount_of, blend
from movie_cli.train.instructions import sample_phrase
from movie_cli.train.photos import check_images, photographs
from movie_cli.train.regions.labels import PhotoLabels
from movie_cli.train.samples import Draws, Sample, rng_of, seed_of
from movie_cli.train.settings import DataSettings

FRAME_MULTIPLE = 32
"""Pixels that the smallest of the embedded denoiser's maps stands for."""
STRIDE = 7919
"""A prime, so that steps of it visit every photograph of a folder whose size is no multiple of it."""

CANDIDATES = 4
"""Photographs of which one is drawn, as much more often as the look changes more of it: blonde hair needs hair."""
LEAST_CHANGE = 0.02
"""What is added to each one's change, so that a look also learns where it has nothing to do."""
SPARSE = 8
"""Of so many rows and columns one is compared."""


class BankSamples:
    """Made on the fly: a photograph, an edit (or two, or none), a crop, and a phrase that asks for it.

    Whole frames take their sizes in turn; `together` samples in a row have the same, as a batch needs them.

    An edit whose weight is 0 is in no pair either.

    Raises:
        SourceError: the folder has no photographs, or unreadable or tiny ones.
        UsageError: the crop or a frame does not fit, or a weight is given for an edit that the bank does not have, or
            painted edits are to be drawn and no style teacher is named.
        ModelError: a file of the style teacher or a painting is missing, or another one.
    """

    sequential = False

    def __init__(
        self, settings: DataSettings, seed: int, work: Path, together: int = 1, regions: RegionNetwork | None = None
    ) -> None:
        groups = {edit.group for edit in bank.BANK.values()}
        for name in settings.weights.keys() - groups:
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
        self._regions = regions
        labels = PhotoLabels(Path(settings.labels).expanduser(), Path(settings.folder)) if settings.labels else None
        self._targets = TargetCache(Path(settings.targets) if settings.targets else work / "targets", regions, labels)
        weights = settings.weights
        self._weights = [weights.get(name, weights.get(edit.group, 1.0)) for name, edit in bank.BANK.items()]
        self._edits = [(name,) for name in bank.BANK]
        drawn = {name for name, weight in zip(bank.BANK, self._weights, strict=True) if weight > 0}
        self._combinations = [pair for pair in bank.COMBINATIONS if drawn.issuperset(pair)]
        if settings.teachers or settings.paintings:
            paint.use(Path(settings.teachers).expanduser(), Path(settings.paintings).expanduser())
        elif painted := [name for name in bank.BANK if name in drawn and bank.BANK[name].painted]:
            paint.check_ready(", ".join(painted))

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
        if kind < settings.combined and self._combinations:
            names = rng.choice(self._combinations)
        elif kind < settings.combined + settings.unedited:
            names = ()
        edit = bank.get("+".join(names)) if names else None
        if frame is None:
            photos_of = [_photo(paths, share, names, rng) for _ in range(CANDIDATES if paths is self.paths else 1)]
            shown = [self._targets.change(*each, edit) if edit else 1.0 for each in photos_of]
            photo = rng.choices(photos_of, shown)[0]
            source, full, scene = self._crop(names, edit, photo, rng)
        else:
            picture = photos.framed(rng.choice(paths), *frame, rng)
            seen = None if self._regions is None else scene_of(self._regions, picture * 2 - 1)
            full = edit.full(picture, None if seen is None else seen[:, :-1])[0] if edit else picture[0]
            source, scene = picture[0], None if seen is None else seen[0]
        scales = _scales(rng)
        edited = source
        if edit and not settings.strength:
            edited = blend(source[None], full[None], amount_of(*scales), edit.drawn)[0]
        elif edit:
            # In a straight line: guidance multiplies a direction, and colour that went first would go too far.
            edited = source + settings.strength * (full - source)
        if settings.source_noise:
            clean, source = source, _noisy(source, settings.source_noise, Draws(seed_of("grain", self._seed), [number]))
            if settings.strength:
                # Part of the way from what is seen to the full edit: when that part is multiplied, noise is not.
                edited = edited + (1 - settings.strength) * (source - clean)
        known = None if settings.strength else scales
        return Sample(source, edited, sample_phrase(names, rng), names, number, known, scene)

    def _crop(
        self, names: tuple[str, ...], edit: bank.Edit | None, photo: tuple[Path, int], rng: random.Random
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """The same place of a photograph, of its full edit and of its scene."""
        crop = self._settings.crop
        source = self._targets.source(*photo)
        top, left = (8 * rng.randrange((size - crop) // 8 + 1) for size in source.shape[1:])
        window = (slice(None), slice(top, top + crop), slice(left, left + crop))
        full = self._targets.target(*photo, edit) if edit else source
        seen = self._targets.scene(*photo)
        rows, columns = (slice(start // PATCH, (start + crop) // PATCH) for start in (top, left))
        scene = None if seen is None else to_float(seen[:, rows, columns])
        return to_float(source[window]), to_float(full[window]), scene


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

    def __init__(self, root: Path, regions: RegionNetwork | None = None, labels: PhotoLabels | None = None) -> None:
        self.root, self._regions, self._labels = root, regions, labels
        self._changes: dict[tuple[Path, int, str], float] = {}

    def source(self, path: Path, short_side: int) -> np.ndarray:
        """The photograph itself, at `short_side`."""
        file = self.root / f"source-{short_side}" / f"{path.stem}.npy"
        return _kept(file, lambda: photos.load(path, short_side)[0])

    def scene(self, path: Path, short_side: int) -> np.ndarray | None:
        """What the region network sees in the photograph, with the height, `(16, H/8, W/8)`; None without a network."""
        network = self._regions
        if network is None:
            return None
        file = self.root / f"scene-{short_side}" / f"{path.stem}.npy"
        return _kept(file, lambda: scene_of(network, photos.load(path, short_side) * 2 - 1)[0])

    def target(self, path: Path, short_side: int, edit: bank.Edit) -> np.ndarray:
        """The photograph edited at full strength."""
        folder = self.root / f"{edit.name}-{short_side}-{fingerprint(edit)}"
        return _kept(folder / f"{path.stem}.npy", lambda: self._full(path, short_side, edit))

    def change(self, path: Path, short_side: int, edit: bank.Edit) -> float:
        """How much an edit changes the photograph, the mean in [0, 1], and a little more."""
        key = (path, short_side, edit.name)
        if key not in self._changes:
            source, target = (
                pixels[:, ::SPARSE, ::SPARSE].astype(np.int16)
                for pixels in (self.source(path, short_side), self.target(path, short_side, edit))
            )
            self._changes[key] = LEAST_CHANGE + float(np.abs(target - source).mean()) / 255
        return self._changes[key]

    def _full(self, path: Path, short_side: int, edit: bank.Edit) -> Tensor:
        image = photos.load(path, short_side)
        regions = None if self._labels is None else self._labels.regions(path, *photos.size_at(path, short_side))
        if regions is not None:
            regions = photos.middle(regions, photos.MULTIPLE)
        elif (seen := self.scene(path, short_side)) is not None:
            regions = to_float(seen[:-1])[None]
        return edit.full(image, regions)[0]


def _kept(file: Path, make: Callable[[], Tensor]) -> np.ndarray:
    """An array of uint8 from a file, made first of values in [0, 1] where there is none."""
    if not file.exists():
        values = make()
        file.parent.mkdir(parents=True, exist_ok=True)
        # Not of `random`: loaders of two processes have it seeded alike.
        partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
        with partial.open("wb") as stream:
            np.save(stream, (values * 255).round().to(torch.uint8).numpy(), allow_pickle=False)
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
    regions = (4 * torch.rand(1, len(REGIONS), 12, 12, generator=generator)).softmax(dim=1)
    with one_thread():  # the last bit of a sum depends on how it is divided
        result = (edit.full(picture, regions) * 255).round().to(torch.uint8)
    return hashlib.blake2b(result.numpy().tobytes(), digest_size=4).hexdigest()


def to_float(pixels: np.ndarray) -> Tensor:
    """uint8 to float32 in [0, 1]."""
    return torch.from_numpy(np.array(pixels)).float() / 255
