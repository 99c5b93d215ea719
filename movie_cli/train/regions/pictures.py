"""Regions as colours over the picture they are of, for people to look at."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from movie_cli.models.region_names import SCENE
from movie_cli.models.regions import PERSON

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
