"""Samples from pairs of pictures with an instruction: a folder in InstructPix2Pix's manner, or a Hugging Face data set.

A folder holds `metadata.jsonl`, one object a line: `source` and `edited` name pictures beside it, `instruction` is the
text. The names that published data sets use (`original_image`, `edit_prompt` ...) are understood as well.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from movie_cli.errors import SourceError, UsageError, first_line, reason_of
from movie_cli.models.autoencoder import PATCH
from movie_cli.train.photos import check_images
from movie_cli.train.samples import Sample, rng_of, seed_of
from movie_cli.train.settings import DataSettings

METADATA = "metadata.jsonl"
COLUMNS: dict[str, tuple[str, ...]] = {
    "source": ("source", "original_image", "input_image", "source_image", "source_img"),
    "edited": ("edited", "edited_image", "output_image", "target_image", "target_img"),
    "instruction": ("instruction", "edit_prompt", "edit", "prompt"),
}
ENLARGED = 1.125
"""Pictures are brought to up to this many crops on their short side before they are cropped."""


class PairFolder:
    """A folder with `metadata.jsonl`; each pass over it is in another order.

    Raises:
        SourceError: the file is missing or broken, a row lacks something, or a picture is unreadable or tiny.
        UsageError: the crop is no multiple of 8.
    """

    sequential = False

    def __init__(self, settings: DataSettings, seed: int) -> None:
        _check_crop(settings)
        self._settings, self._seed = settings, seed
        self._rows = _read_metadata(Path(settings.folder) / METADATA)
        check_images(sorted({path for row in self._rows for path in row[:2]}), settings.crop)
        # The last few are for looking at, where there are enough to train on without them.
        self._held_out = self._rows[-8:] if len(self._rows) >= 100 else []
        self._rows = self._rows[: len(self._rows) - len(self._held_out)]
        self._order: tuple[int, list[int]] = (-1, [])

    def sample(self, number: int) -> Sample:
        """Sample `number` of the passes' endless sequence."""
        round_, position = divmod(number, len(self._rows))
        if self._order[0] != round_:
            order = np.random.default_rng(seed_of("order", self._seed, round_)).permutation(len(self._rows))
            self._order = (round_, order.tolist())
        return self._load(self._rows[self._order[1][position]], number)

    def held_out(self, count: int) -> list[Sample]:
        """The last rows, or the first ones of a small folder, which are trained on as well."""
        rows = (self._held_out or self._rows)[:count]
        return [self._load(row, number) for number, row in enumerate(rows)]

    def _load(self, row: tuple[Path, Path, str], number: int) -> Sample:
        pictures = [Image.open(path) for path in row[:2]]
        rng = rng_of("crop", self._seed, number)
        source, edited = _crops(pictures, self._settings.crop, self._settings.flip, rng)
        return Sample(source, edited, row[2], None, number)


class HubPairs:
    """A data set of the Hugging Face Hub, or a local one that `datasets` reads, streamed in its own order.

    Raises:
        UsageError: `datasets` is not installed, or the crop is no multiple of 8.
        SourceError: the data set cannot be opened, or its first rows lack something.
    """

    sequential = True
    CHECKED = 16

    def __init__(self, settings: DataSettings, seed: int) -> None:
        _check_crop(settings)
        self._settings, self._seed = settings, seed
        self._stream = _open_stream(settings)
        self._rows: Iterator[Mapping[str, Any]] = iter(())
        self._next, self._length = -1, 0
        first = [row for row, _ in zip(self._stream, range(self.CHECKED), strict=False)]
        if not first:
            raise SourceError(f"{settings.name}: the split {settings.split} is empty", "choose another split")
        for number, row in enumerate(first):
            self._read(row, number, shortest=settings.crop)

    def sample(self, number: int) -> Sample:
        """Sample `number`; asking in ascending order reads the stream once."""
        return self._read(self._row(number), number)

    def held_out(self, count: int) -> list[Sample]:
        """The first rows: a stream has no end to keep back."""
        first = [row for row, _ in zip(self._stream, range(count), strict=False)]
        return [self._read(row, number) for number, row in enumerate(first)]

    def _row(self, number: int) -> Mapping[str, Any]:
        wanted = number % self._length if self._length else number
        if self._next < 0 or wanted < self._next:
            self._rows, self._next = iter(self._stream.skip(wanted)), wanted
        while True:
            before = self._next
            for row in self._rows:
                self._next += 1
                if self._next > wanted:
                    return row
            # The stream ended before the number: now its length is known, and the numbers go round.
            self._length = self._next if self._next > before else sum(1 for _ in self._stream)
            wanted = number % self._length
            self._rows, self._next = iter(self._stream.skip(wanted)), wanted

    def _read(self, row: Mapping[str, Any], number: int, shortest: int = 1) -> Sample:
        where = f"{self._settings.name}, row {number + 1}"
        found = {name: _column(row, name, where) for name in COLUMNS}
        pictures = [_picture(found[name], f"{where}, {name}", shortest) for name in ("source", "edited")]
        rng = rng_of("crop", self._seed, number)
        source, edited = _crops(pictures, self._settings.crop, self._settings.flip, rng)
        return Sample(source, edited, str(found["instruction"]), None, number)


def _check_crop(settings: DataSettings) -> None:
    if settings.crop % PATCH:
        raise UsageError(f"data.crop is {settings.crop}, not a multiple of {PATCH}", "256 is usual")


def _read_metadata(path: Path) -> list[tuple[Path, Path, str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{path} cannot be read: {reason_of(error)}", f"a folder of pairs holds a {METADATA}"
        ) from error
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise SourceError(f"{where} is not JSON: {error}", "correct the line") from error
        if not isinstance(row, dict):
            raise SourceError(f"{where} is not an object", 'write {"source": ..., "edited": ..., "instruction": ...}')
        source, edited, text = (_column(row, name, where) for name in COLUMNS)
        rows.append((path.parent / str(source), path.parent / str(edited), str(text)))
    if not rows:
        raise SourceError(f"{path} has no rows", "one JSON object a line")
    return rows


def _column(row: Mapping[str, Any], name: str, where: str) -> Any:
    for column in COLUMNS[name]:
        if row.get(column) not in (None, ""):
            return row[column]
    what = "instruction" if name == "instruction" else f"{name} image"
    raise SourceError(f"{where} has no {what}", f"one of the keys {', '.join(COLUMNS[name])} should hold it")


def _picture(value: Any, where: str, shortest: int) -> Image.Image:
    try:
        if isinstance(value, Mapping):
            value = io.BytesIO(value["bytes"]) if value.get("bytes") else value["path"]
        picture = value if isinstance(value, Image.Image) else Image.open(value)
        picture.load()
    except (OSError, KeyError, ValueError, SyntaxError, AttributeError, TypeError) as error:
        raise SourceError(f"{where} cannot be read as a picture: {error}", "take the row out") from error
    if min(picture.size) < shortest:
        raise SourceError(f"{where} is {picture.width}x{picture.height} pixels, smaller than the crop of {shortest}")
    return picture


def _crops(pictures: Sequence[Image.Image], side: int, flip: bool, rng: random.Random) -> list[Tensor]:
    """The same crop of all pictures, `(3, side, side)` in [0, 1]."""
    first = pictures[0]
    factor = side * rng.uniform(1, ENLARGED) / min(first.size)
    size = max(side, round(first.width * factor)), max(side, round(first.height * factor))
    left, top = rng.randint(0, size[0] - side), rng.randint(0, size[1] - side)
    mirrored = flip and rng.random() < 0.5
    crops = []
    for picture in pictures:
        resized = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        pixels = np.asarray(resized.crop((left, top, left + side, top + side)))
        crop = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255
        crops.append(crop.flip(2) if mirrored else crop)
    return crops


def _open_stream(settings: DataSettings) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise UsageError('data.kind = "hub" needs the package datasets', "pip install datasets") from error
    if not settings.name:
        raise UsageError("data.name is empty", "name a data set of the Hub, such as owner/name, or a local folder")
    try:
        return datasets.load_dataset(settings.name, split=settings.split, streaming=True)
    except Exception as error:  # datasets raises whatever its readers raise
        raise SourceError(
            f"{settings.name} cannot be opened: {first_line(error)}", "check its name and split"
        ) from error
