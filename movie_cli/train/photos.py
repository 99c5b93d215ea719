"""Photographs for training: what is on disk, stills of videos among them, at which size, and whether all can be read.

A still's name ends in a digit that all stills of its video share, so that the rule by which photographs are held out
(a last digit of 0) never splits a video. Unreadable and tiny pictures are named before training, not an hour later.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from movie_cli.errors import SourceError
from movie_cli.media.reader import FrameReader

SUFFIXES = (".webp", ".jpg", ".jpeg", ".png")
MULTIPLE = 16
"""Pixels that the sides of a loaded photograph are multiples of."""
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


def size_at(path: Path, short_side: int) -> tuple[int, int]:
    """Width and height of a photograph brought to a short side, before its middle is taken."""
    with Image.open(path) as image:
        factor = short_side / min(image.size)
        return round(image.width * factor), round(image.height * factor)


def load(path: Path, short_side: int | None = None, multiple: int = MULTIPLE) -> Tensor:
    """A photograph as float32 `(1, 3, H, W)` in [0, 1], centre-cropped to multiples of `multiple` pixels."""
    image = Image.open(path).convert("RGB")
    if short_side is not None and min(image.size) != short_side:
        factor = short_side / min(image.size)
        image = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    return middle(pixels, multiple).contiguous()


def middle(pixels: Tensor, multiple: int) -> Tensor:
    """The middle of pictures `(N, C, H, W)`, its sides the largest multiples of `multiple` pixels."""
    height, width = pixels.shape[2:]
    top, left = (side % multiple // 2 for side in (height, width))
    return pixels[..., top : top + height // multiple * multiple, left : left + width // multiple * multiple]


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


VIDEOS = (".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v", ".y4m")
SECONDS_APART = 2.0
STILLS_A_VIDEO = 20
DONE = "done"


def photographs(folder: Path, stills: Path) -> list[Path]:
    """All pictures of `folder` by name, then stills of its videos, which are taken once and kept in `stills`.

    Raises:
        SourceError: the folder is missing or has neither, or a video cannot be read.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such folder", "name a folder of photographs or videos with --data")
    files = sorted(path for path in folder.iterdir() if path.is_file())
    found = [path for path in files if path.suffix.lower() in SUFFIXES]
    for path in files:
        if path.suffix.lower() in VIDEOS:
            found += _stills(path, stills / path.name)
    if not found:
        raise SourceError(f"{folder}: no photographs", f"it should hold {', '.join(SUFFIXES + VIDEOS)} files")
    return found


def _stills(video: Path, folder: Path) -> list[Path]:
    if not (folder / DONE).exists():
        folder.mkdir(parents=True, exist_ok=True)
        digit = hashlib.blake2b(video.name.encode(), digest_size=4).digest()[0] % 10
        taken, due = 0, 0.0
        with FrameReader(video) as reader:
            for frame in reader:
                if frame.time >= due:
                    taken, due = taken + 1, frame.time + SECONDS_APART
                    Image.fromarray(frame.pixels).save(folder / f"{video.stem}-{taken:03d}-{digit}.png")
                if taken == STILLS_A_VIDEO:
                    break
        (folder / DONE).touch()
    return sorted(folder.glob("*.png"))


DECODED = 5000
"""Up to this many pictures are decoded whole; of more, only the headers are read."""


def check_images(paths: Sequence[Path], shortest: int) -> None:
    """Check that all pictures open and have sides of at least `shortest` pixels.

    Raises:
        SourceError: some do not; the sentence names the first and tells how many there are.
    """
    with ThreadPoolExecutor(4) as pool:
        faults = [
            fault for fault in pool.map(lambda path: _fault(path, shortest, len(paths) <= DECODED), paths) if fault
        ]
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise SourceError(f"{faults[0]}{more}", "take it out of the folder, or replace it")


def _fault(path: Path, shortest: int, whole: bool) -> str:
    try:
        with Image.open(path) as image:
            if min(image.size) < shortest:
                return f"{path} is {image.width}x{image.height} pixels, smaller than the crop of {shortest}"
            if whole:
                image.load()
    except FileNotFoundError:
        return f"{path}: no such file"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return f"{path} cannot be read as a picture: {error}"
    return ""
