"""Merges what the teachers say of a photograph into one label: how likely each region is, and how far to believe it.

The scene's teacher knows walls from water but no animal, and calls a sheep a person; the objects' teacher knows
persons, animals and vehicles and nothing else. Where both speak and agree the label counts in full, where they
contradict each other it counts little or nothing, and elsewhere by how sure the scene's teacher is. Parts of a person
are known where a face was found, whose colour is skin wherever else that person shows it.

Labels of photographs are merged when first asked for, and kept beside the teachers' answers; as colours over their
picture they are for people to look at.
"""

from __future__ import annotations

from dataclasses import dataclass
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
from movie_cli.train.regions.opinions import Opinions
from movie_cli.train.regions.teachers import GRID

MOSAIC = {
    "other": "other",
    "wall": "wall_and_furniture",
    "building": "building",
    "sky": "sky",
    "floor": "road_and_floor",
    "tree": "tree",
    "ceiling": "wall_and_furniture",
    "road": "road_and_floor",
    "bed": "wall_and_furniture",
    "window": "",
    "grass": "grass",
    "cabinet": "wall_and_furniture",
    "sidewalk": "road_and_floor",
    "person": "person",
    "earth": "mountain_and_earth",
    "door": "",
    "table": "wall_and_furniture",
    "mountain": "mountain_and_earth",
    "plant": "tree",
    "curtain": "wall_and_furniture",
    "chair": "wall_and_furniture",
    "car": "vehicle",
    "water": "water",
    "painting": "wall_and_furniture",
    "sofa": "wall_and_furniture",
    "shelf": "wall_and_furniture",
    "house": "building",
    "sea": "water",
    "mirror": "wall_and_furniture",
    "rug": "road_and_floor",
    "field": "grass",
    "armchair": "wall_and_furniture",
}
"""MOSAIC's classes in order and the regions they are; empty: a building's or a wall's, as the surroundings are."""
RULES = 2
"""The number of these rules: labels that others made are not used."""
SURROUNDINGS = 41
"""Cells a side that tell whether a window is a building's or a room's."""
SURE, UNSURE = 0.85, 0.35
"""The scene teacher's probability that counts in full, and that from which it counts at all."""
_INDEX = {name: index for index, name in enumerate(SCENE)}


@dataclass(frozen=True)
class Label:
    """A photograph's label on the teachers' grid, all float32.

    `regions` `(15, G, G)` are probabilities of `REGIONS`; the parts' are those within a person and add up to 1.
    `weight` and `part_weight` `(G, G)` in [0, 1] say how far to believe the scene and the parts.
    """

    regions: Tensor
    weight: Tensor
    part_weight: Tensor


def merge(scene: Tensor, objects: Tensor, masks: Tensor, pixels: Tensor) -> Label:
    """One photograph's label.

    Args:
        scene: MOSAIC's probabilities `(32, G, G)`.
        objects: DeepLab's person, animal and vehicle, `(3, G, G)`.
        masks: The persons near the camera, hair and faces, `(3, G, G)`.
        pixels: The photograph on the same grid, `(3, G, G)` in [0, 1].
    """
    known = _scene(scene)
    person, animal, vehicle = objects
    near, hair, face = masks
    seen = known[_INDEX["person"]]
    weight = ((known.amax(dim=0) - UNSURE) / (SURE - UNSURE)).clamp(0, 1)
    # To the scene's teacher an animal is a person, a wall or another thing: what it takes for water or trees is none.
    known = _with(known, "animal", animal)
    soft = seen + known[_INDEX["other"]] + known[_INDEX["wall_and_furniture"]]
    weight = torch.where(animal > 0.5, 0.1 + 0.9 * soft.clamp(0, 1), weight)
    # Persons: the teachers' mean; where they disagree, the networks for portraits and hair have a say.
    free = (1 - animal).clamp(0, 1)
    third = torch.maximum(near, hair)
    agreed = torch.where((person - seen).abs() > 0.5, 0.25 * (seen + person) + 0.5 * third, 0.6 * seen + 0.4 * person)
    known = _with(known, "person", agreed * free)
    doubt = (person - seen).abs() * free
    weight = torch.where(doubt > 0.5, weight * (0.2 + 0.5 * (2 * third - 1).clamp(0, 1)), weight * (1 - 0.5 * doubt))
    # Vehicles: cars are known to both, the others to one, which takes arches for buses.
    cars = scene[list(MOSAIC).index("car")]
    rolling = torch.maximum(cars, vehicle * (1 - known[_INDEX["building"]]) * (1 - seen))
    known = _with(known, "vehicle", rolling)
    weight = torch.where((vehicle > 0.5) & (cars < 0.5), weight.clamp_max(0.6), weight)
    weight = torch.where((vehicle > 0.5) & (rolling < 0.5), weight * 0.15, weight)
    parts, part_weight = _parts(known[_INDEX["person"]], hair, face, near, pixels)
    return Label(torch.cat([known, parts]), weight, part_weight * (1 - animal).clamp(0, 1))


def _scene(scene: Tensor) -> Tensor:
    known = scene.new_zeros(len(SCENE), *scene.shape[1:])
    openings = scene.new_zeros(scene.shape[1:])
    for plane, region in zip(scene, MOSAIC.values(), strict=True):
        if region:
            known[_INDEX[region]] += plane
        else:
            openings += plane
    around = F.avg_pool2d(
        known[[_INDEX["building"], _INDEX["wall_and_furniture"]]][None],
        SURROUNDINGS,
        1,
        SURROUNDINGS // 2,
        count_include_pad=False,
    )[0]
    outside = around[0] / (around.sum(dim=0) + 1e-4)
    known[_INDEX["building"]] += openings * outside
    known[_INDEX["wall_and_furniture"]] += openings * (1 - outside)
    return known / known.sum(dim=0, keepdim=True).clamp_min(1e-4)


def _with(known: Tensor, name: str, probability: Tensor) -> Tensor:
    """The same with a region's probability set, the others scaled to what is left."""
    index = _INDEX[name]
    others = known.clone()
    others[index] = 0
    total = others.sum(dim=0, keepdim=True)
    # Where nothing else was likely, what is left is another thing.
    others[_INDEX["other"]] += (total[0] < 1e-3).float()
    others = others / others.sum(dim=0, keepdim=True) * (1 - probability)
    others[index] = probability
    return others


def _parts(person: Tensor, hair: Tensor, face: Tensor, near: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
    inside = (person > 0.5).float()
    hair = hair * inside * (1 - 0.9 * face)
    colour, bright = _chroma(pixels)
    sample = (face * inside * (1 - hair)) > 0.6
    fleshy = _generic_skin(pixels)
    if int(sample.sum()) >= 8:
        centre = colour[:, sample].mean(dim=1)
        spread = colour[:, sample].std(dim=1).clamp_min(0.015)
        far = ((colour - centre.view(2, 1, 1)) / spread.view(2, 1, 1)).square().sum(dim=0)
        level = bright[sample].mean()
        alike = torch.exp(-far / 8) * torch.exp(-((bright - level) / 0.35).square())
        skin = torch.maximum(face, alike.clamp(0, 1)) * (1 - hair)
        sure = torch.where(face > 0.5, 1.0, (2 * skin - 1).abs() * 0.8)
    else:
        # No face to take the colour from: what has skin's colours is unknown, what has not is clothes or hair.
        skin = 0.5 * fleshy * (1 - hair)
        sure = (1 - fleshy) * 0.6 * near
    sure = torch.where(hair > 0.6, torch.ones_like(sure), sure) * inside * (1 - 1.6 * (hair - hair.round()).abs())
    parts = torch.stack([hair, skin, (1 - hair - skin).clamp(0, 1)])
    assert len(parts) == len(PARTS) == len(REGIONS) - len(SCENE)
    return parts / parts.sum(dim=0, keepdim=True).clamp_min(1e-4), sure.clamp(0, 1)


def _chroma(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Red and blue differences `(2, G, G)` by brightness, and brightness `(G, G)`."""
    luma = (pixels * pixels.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(dim=0)
    differences = torch.stack([pixels[0] - luma, pixels[2] - luma])
    return differences / (luma + 0.15), luma


def _generic_skin(pixels: Tensor) -> Tensor:
    """1 where a colour may be skin of any tone: red over green over blue, neither grey nor vivid."""
    red, green, blue = pixels
    warm = ((red - green) / 0.04).clamp(0, 1) * ((green - blue + 0.04) / 0.06).clamp(0, 1)
    vivid = (pixels.amax(dim=0) - pixels.amin(dim=0)) / pixels.amax(dim=0).clamp_min(0.02)
    return warm * ((0.75 - vivid) / 0.1).clamp(0, 1) * ((vivid - 0.08) / 0.06).clamp(0, 1)


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


COLOURS = {
    "sky": (110, 190, 255),
    "tree": (0, 110, 0),
    "grass": (130, 220, 60),
    "water": (0, 60, 220),
    "mountain_and_earth": (150, 100, 50),
    "road_and_floor": (130, 130, 130),
    "building": (235, 125, 40),
    "wall_and_furniture": (205, 175, 145),
    "person": (255, 0, 0),
    "animal": (255, 0, 255),
    "vehicle": (255, 255, 0),
    "other": (40, 40, 40),
    "hair": (110, 40, 0),
    "face_and_skin": (255, 170, 190),
    "clothes": (200, 0, 60),
}
"""A region's colour in a picture of regions, RGB."""


def coloured(picture: Tensor, regions: Tensor, amount: float = 0.6) -> Tensor:
    """Pictures `(N, 3, H, W)` in [-1, 1] with the colour of the likeliest region of `(N, 15, h, w)` laid over them."""
    palette = picture.new_tensor(list(COLOURS.values())) / 127.5 - 1
    scene = regions[:, : len(SCENE)].argmax(dim=1)
    parts = regions[:, len(SCENE) :].argmax(dim=1) + len(SCENE)
    chosen = palette[torch.where(scene == PERSON, parts, scene)].permute(0, 3, 1, 2)
    return picture.lerp(F.interpolate(chosen, picture.shape[-2:], mode="nearest"), amount)
