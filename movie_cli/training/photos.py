"""Photographs for training: what is on disk, at which size, and which are held out. Knows nothing of edits."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from movie_cli.errors import SourceError

SUFFIXES = (".webp", ".jpg", ".jpeg", ".png")
SMALLEST_PART = 0.7
"""Of a photograph's width or height that a whole frame shows at least."""
SHORT_SIDES = (256, 256, 320)
"""Short sides that photographs are brought to, in turn: an editor sees things at several scales."""


@dataclass(frozen=True)
class PhotoFolder:
    """Photographs of one folder in name order; those whose name's last digit is 0 are held out for evaluation.

    Raises:
        SourceError: the folder is missing or holds no photograph.
    """

    folder: Path

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise SourceError(f"{self.folder}: no such folder", "give a folder of photographs with --photos")
        if not self.paths(held_out=False):
            raise SourceError(f"{self.folder}: no photographs", f"it should hold {', '.join(SUFFIXES)} files")

    def paths(self, *, held_out: bool) -> list[Path]:
        """The training photographs, or the held-out ones."""
        files = sorted(path for path in self.folder.iterdir() if path.suffix.lower() in SUFFIXES)
        return [path for path in files if is_held_out(path) is held_out]


def is_held_out(path: Path) -> bool:
    """Whether a photograph is kept for evaluation: its name's last digit is 0."""
    return path.stem.endswith("0")


def load(path: Path, short_side: int | None = None, multiple: int = 16) -> Tensor:
    """A photograph as float32 `(1, 3, H, W)` in [0, 1], centre-cropped to multiples of `multiple` pixels."""
    image = Image.open(path).convert("RGB")
    if short_side is not None and min(image.size) != short_side:
        factor = short_side / min(image.size)
        image = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)
    width, height = image.width // multiple * multiple, image.height // multiple * multiple
    left, top = (image.width - width) // 2, (image.height - height) // 2
    pixels = np.asarray(image.crop((left, top, left + width, top + height)))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def framed(path: Path, width: int, height: int, rng: random.Random) -> Tensor:
    """A photograph as a whole frame, float32 `(1, 3, height, width)` in [0, 1]: a large part of it, often mirrored."""
    image = Image.open(path).convert("RGB")
    part = rng.uniform(SMALLEST_PART, 1) * min(image.width / width, image.height / height)
    left, top = rng.uniform(0, image.width - part * width), rng.uniform(0, image.height - part * height)
    box = (left, top, left + part * width, top + part * height)
    image = image.resize((width, height), Image.Resampling.LANCZOS, box)
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255


def patches(paths: list[Path], per_photo: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Random 8x8 patches `(per_photo, 3, 8, 8)` in [-1, 1] of each photograph."""
    for path in paths:
        photo = load(path)[0] * 2 - 1
        windows = photo.unfold(1, 8, 1).unfold(2, 8, 1)
        rows = torch.randint(windows.shape[1], (per_photo,), generator=generator)
        columns = torch.randint(windows.shape[2], (per_photo,), generator=generator)
        yield windows[:, rows, columns].transpose(0, 1).contiguous()
