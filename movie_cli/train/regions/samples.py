"""Samples of the region network: crops of photographs, changed in light and colour, with their merged labels.

Sample `i` follows from the seed and `i` alone. Photographs with rare regions are drawn more often, and persons,
animals and vehicles are now and then cut out of one photograph and put into another. Held-out ones are never drawn.
Teachers are checked, and asked where they have not been.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from movie_cli.errors import SourceError
from movie_cli.models.region_names import REGIONS, SCENE
from movie_cli.models.regions import STRIDE
from movie_cli.train.augmentation import changed
from movie_cli.train.photos import PhotoFolder, is_held_out
from movie_cli.train.regions.labels import Labels, coloured
from movie_cli.train.regions.opinions import Opinions
from movie_cli.train.regions.teachers import FEATURE_GRID, Teachers, check_teachers
from movie_cli.train.samples import rng_of
from movie_cli.train.settings import RegionsSettings

UNITS = FEATURE_GRID
"""Crops begin and end at 1/32 of a photograph's side: there the grids of pixels, labels and features meet."""
SMALLEST_CROP = 0.4
SUBJECTS = tuple(SCENE.index(name) for name in ("person", "animal", "vehicle"))
LEAST, MOST = 0.02, 0.6
"""Share of a photograph that a subject fills which is put into another."""
RAREST = 0.002
"""Mean share of the photographs from which a region is looked for: of less there is nothing to learn from."""


@dataclass(frozen=True)
class RegionSample:
    """One crop.

    `image` `(3, H, W)` in [0, 1]; `regions` `(15, H/4, W/4)`, the parts' within a person; `weights` `(2, H/4, W/4)` of
    scene and parts; `features` `(129, H/16, W/16)`: MOSAIC's, and last a weight.
    """

    image: Tensor
    regions: Tensor
    weights: Tensor
    features: Tensor
    number: int


@dataclass(frozen=True)
class RegionBatch:
    """Samples side by side; `source` `(N, 3, H, W)` in [-1, 1]."""

    source: Tensor
    regions: Tensor
    weights: Tensor
    features: Tensor
    numbers: list[int]

    def to(self, device: torch.device) -> RegionBatch:
        """The same on a device."""
        names = ("source", "regions", "weights", "features")
        return replace(self, **{name: getattr(self, name).to(device, non_blocking=True) for name in names})

    @property
    def edited(self) -> Tensor:
        """The labels as colours over the source, for sheets, `(N, 3, H, W)` in [-1, 1]."""
        return coloured(self.source, self.regions)

    @property
    def instructions(self) -> list[str]:
        """What stands beside a sheet."""
        return [f"sample {number}" for number in self.numbers]

    def __len__(self) -> int:
        return len(self.numbers)


class RegionSamples:
    """Endless samples by number from what the teachers said.

    `sizes` are `(width, height, steps)`: the size of pictures for so many steps of `batch` samples, then the next; the
    last goes on. `pasted` is the share of samples with a subject of another photograph, `plain` that of samples that
    are crops and nothing more, `balance` that of photographs drawn for a region, each region as often as another.
    """

    sequential = False

    def __init__(
        self,
        opinions: Opinions,
        seed: int,
        batch: int,
        sizes: Sequence[tuple[int, int, int]],
        pasted: float,
        plain: float = 0.0,
        balance: float = 0.0,
    ) -> None:
        self._opinions, self._seed, self._batch, self._sizes = opinions, seed, batch, sizes
        self._pasted, self._plain = pasted, plain
        ready = [row for row, path in enumerate(opinions.paths) if opinions.done[row]]
        self.rows = [row for row in ready if not is_held_out(opinions.paths[row])]
        self.held_out_rows = [row for row in ready if is_held_out(opinions.paths[row])]
        self._labels = Labels(opinions)
        shares = np.stack([self._labels.shares(row) for row in self.rows])
        self._chances = _chances(shares, balance)
        self.shares = torch.from_numpy(shares.mean(axis=0)).float()
        """What share of the photographs each of `SCENE` fills."""
        self._subjects = {
            kind: [row for row, share in zip(self.rows, shares[:, kind], strict=True) if LEAST < share < MOST]
            for kind in SUBJECTS
        }

    def size(self, number: int) -> tuple[int, int]:
        """Width and height of sample `number`."""
        step = number // self._batch
        for width, height, steps in self._sizes:
            if step < steps:
                return width, height
            step -= steps
        return self._sizes[-1][0], self._sizes[-1][1]

    def sample(self, number: int) -> RegionSample:
        """Sample `number`, from 0."""
        rng = rng_of("regions", self._seed, number)
        width, height = self.size(number)
        row = self.rows[rng.choices(range(len(self.rows)), cum_weights=self._chances)[0]]
        sample = self._crop(row, width, height, rng, number)
        if rng.random() < self._plain:
            return sample
        if rng.random() < self._pasted:
            kind = rng.choice([kind for kind in SUBJECTS if self._subjects[kind]] or [-1])
            if kind >= 0:
                donor = self._crop(rng.choice(self._subjects[kind]), width, height, rng, number)
                sample = _pasted(sample, donor, kind)
        return replace(sample, image=changed(sample.image, rng))

    def held_out(self, count: int) -> list[RegionSample]:
        """Whole held-out photographs as they are."""
        width, height = self._sizes[-1][:2]
        rows = self.held_out_rows[:: max(1, len(self.held_out_rows) // max(1, count))][:count]
        return [self._cut(row, (0, 0, UNITS, UNITS), width, height, False, row) for row in rows]

    @staticmethod
    def collate(samples: Sequence[RegionSample]) -> RegionBatch:
        """Stack samples."""
        return RegionBatch(
            torch.stack([sample.image for sample in samples]) * 2 - 1,
            torch.stack([sample.regions for sample in samples]),
            torch.stack([sample.weights for sample in samples]),
            torch.stack([sample.features for sample in samples]),
            [sample.number for sample in samples],
        )

    def _crop(self, row: int, width: int, height: int, rng: random.Random, number: int) -> RegionSample:
        wide, high = self._opinions.shapes[row]
        stretch = width / height * 2 ** rng.uniform(-0.3, 0.3) * high / wide  # of a crop's sides, as shares
        scale = 1.0 if rng.random() < 0.4 else rng.uniform(SMALLEST_CROP, 1)
        across, down = scale * min(1, stretch), scale * min(1, 1 / stretch)
        columns, lines = (max(4, min(UNITS, round(share * UNITS))) for share in (across, down))
        left, top = rng.randint(0, UNITS - columns), rng.randint(0, UNITS - lines)
        box = (left, top, left + columns, top + lines)
        return self._cut(row, box, width, height, rng.random() < 0.5, number)

    def _cut(
        self, row: int, box: tuple[int, int, int, int], width: int, height: int, mirrored: bool, number: int
    ) -> RegionSample:
        pixels = _part(self._opinions.pixels[row].transpose(2, 0, 1), box, mirrored)
        image = F.interpolate(pixels[None], (height, width), mode="bilinear", antialias=True)[0].float() / 255
        planes = _part(self._labels.planes(row), box, mirrored).float() / 255
        planes = _resized(planes, height // STRIDE, width // STRIDE)
        grid = (-(-height // 16), -(-width // 16))
        known = _resized(_part(self._opinions.features[row], box, mirrored).float(), *grid)
        count = len(REGIONS)
        features = torch.cat([known, torch.ones(1, *grid)])
        return RegionSample(image, planes[:count], planes[count:], features, number)


def _chances(shares: NDArray[np.float64], balance: float) -> list[float]:
    """Running sums of how often photographs are drawn, from the shares `(N, 12)` of their regions."""
    wanted = np.sqrt(shares[:, shares.mean(axis=0) > RAREST])
    by_region = (wanted / wanted.sum(axis=0)).mean(axis=1)
    return list(np.cumsum((1 - balance) / len(shares) + balance * by_region))


def _part(planes: NDArray[np.uint8], box: tuple[int, int, int, int], mirrored: bool) -> Tensor:
    """A box in 1/32 of the sides, cut out of `(C, S, S)`."""
    unit = planes.shape[-1] // UNITS
    left, top, right, bottom = (unit * place for place in box)
    part = torch.from_numpy(np.ascontiguousarray(planes[:, top:bottom, left:right]))
    return part.flip(-1) if mirrored else part


def _resized(planes: Tensor, height: int, width: int) -> Tensor:
    """Planes `(C, h, w)` at another size, as `interpolate` makes them with antialiasing, in a third of its time."""
    return _weights(planes.shape[1], height).T @ planes @ _weights(planes.shape[2], width)


@lru_cache(maxsize=256)
def _weights(before: int, after: int) -> Tensor:
    """What each of `before` cells in a row gives to each of `after`, `(before, after)`."""
    each = torch.eye(before)[None, None]
    return F.interpolate(each, (before, after), mode="bilinear", antialias=True)[0, 0]


def _pasted(sample: RegionSample, donor: RegionSample, kind: int) -> RegionSample:
    """The sample with the donor's subject in it, where that is sure; beside it labels count less."""
    mask = ((donor.regions[kind] * donor.weights[0].clamp(0, 1) - 0.35) / 0.3).clamp(0, 1)
    if float(mask.mean()) < 0.01:
        return sample
    fine = F.interpolate(mask[None, None], sample.image.shape[-2:], mode="bilinear")[0]
    coarse = F.interpolate(mask[None, None], sample.features.shape[-2:], mode="area")[0]
    edge = 1 - 4 * mask * (1 - mask)
    features = torch.cat([sample.features[:-1], sample.features[-1:] * (coarse < 0.05)])
    return replace(
        sample,
        image=sample.image.lerp(donor.image, fine),
        regions=sample.regions.lerp(donor.regions, mask),
        weights=sample.weights.lerp(donor.weights, mask) * edge,
        features=features,
    )


def open_opinions(settings: RegionsSettings, work: Path, say: Callable[[str], None] = print) -> Opinions:
    """What the teachers say of `data.folder`, asked now where it was not before; kept in `labels` or below `work`.

    Raises:
        SourceError: no photographs are named, or there are none.
        ModelError: a teacher's file is missing or another one.
        UsageError: what runs teachers is not installed.
    """
    if not settings.data.folder:
        raise SourceError("there are no photographs to train on", "name a folder with --data")
    folder = Path(settings.teachers).expanduser()
    check_teachers(folder)
    photos = PhotoFolder(Path(settings.data.folder).expanduser())
    paths = sorted(photos.paths(held_out=False) + photos.paths(held_out=True))
    opinions = Opinions(Path(settings.labels).expanduser() if settings.labels else work / "labels", paths)
    if not opinions.complete():
        opinions.fill(Teachers(folder), say=say)
    return opinions


def open_samples(settings: RegionsSettings, opinions: Opinions) -> RegionSamples:
    """The samples that the settings ask for."""
    return RegionSamples(
        opinions,
        settings.seed,
        settings.batch,
        settings.sizes,
        settings.pasted,
        settings.plain,
        settings.balance,
    )
