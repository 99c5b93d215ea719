"""Labels of photographs on the teachers' grid: merged when first asked for, and kept beside the teachers' answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from movie_cli.models.region_names import PARTS, REGIONS, SCENE
from movie_cli.models.regions import PERSON
from movie_cli.train.photos import PhotoFolder
from movie_cli.train.regions.labels import RULES, merge
from movie_cli.train.regions.opinions import Opinions
from movie_cli.train.regions.teachers import GRID


class Labels:
    """Merged labels of all photographs, `(N, 17, G, G)` uint8, made when asked for and kept beside the opinions."""

    def __init__(self, opinions: Opinions) -> None:
        self._opinions = opinions
        count = len(opinions.paths)
        self._planes = opinions.kept(f"labels-{RULES}", (count, len(REGIONS) + 2, GRID, GRID))
        self._made = opinions.kept(f"labelled-{RULES}", (count,))

    def planes(self, row: int) -> NDArray[np.uint8]:
        """The label of photograph `row`, as `label_planes` has it."""
        if not self._made[row]:
            self._planes[row] = label_planes(self._opinions, row)
            self._made[row] = 1
        planes: NDArray[np.uint8] = self._planes[row]
        return planes

    def shares(self, row: int) -> NDArray[np.float64]:
        """What share of the photograph each of `SCENE` fills, as far as it is believed."""
        planes = self.planes(row)[:, ::4, ::4]
        believed = planes[: len(SCENE)].astype(np.float32) * (planes[-2].astype(np.float32) / 255**2)
        shares: NDArray[np.float64] = believed.mean(axis=(1, 2), dtype=np.float64)
        return shares


def label_planes(opinions: Opinions, row: int) -> NDArray[np.uint8]:
    """One photograph's merged label: 15 planes of probability, and the weights of scene and parts; `(17, G, G)`."""
    pixels = Image.fromarray(opinions.pixels[row]).resize((GRID, GRID), Image.Resampling.BOX)
    scene, objects, masks = (
        torch.from_numpy(np.array(plane[row])).float() / 255
        for plane in (opinions.scene, opinions.objects, opinions.masks)
    )
    label = merge(scene, objects, masks, torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float() / 255)
    planes = torch.cat([label.regions, label.weight[None], label.part_weight[None]])
    result: NDArray[np.uint8] = (planes.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return result


class PhotoLabels:
    """What is where in the photographs of a folder, by their paths, as teachers say.

    Raises:
        SourceError: `labels` does not hold all of their answers.
    """

    def __init__(self, labels: Path, folder: Path) -> None:
        photos = PhotoFolder(folder)
        paths = sorted(photos.paths(held_out=False) + photos.paths(held_out=True))
        self._labels = Labels(Opinions.of(labels, paths))
        self._rows = {path.name: row for row, path in enumerate(paths)}

    def regions(self, path: Path, width: int, height: int) -> Tensor | None:
        """Probabilities `(1, 15, height, width)` for the photograph brought to a size; None for another picture."""
        row = self._rows.get(path.name)
        if row is None:
            return None
        planes = torch.from_numpy(np.array(self._labels.planes(row)[: len(REGIONS)])).float()[None] / 255
        planes[:, -len(PARTS) :] *= planes[:, PERSON : PERSON + 1]
        return F.interpolate(planes, size=(height, width), mode="bilinear", align_corners=False)
