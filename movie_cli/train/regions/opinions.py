"""What the teachers say of every photograph of a folder, kept on disk: it is asked once.

Arrays lie as plain `.npy` files and are mapped into memory, photographs among them, decoded and brought to a square, so
that a sample costs no decoding. Promises that what was begun goes on, that several processes may share the work, and
that answers of other teachers or for other photographs are not taken for these.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from movie_cli.errors import OutputError, SourceError
from movie_cli.train.regions.teachers import (
    FEATURE_GRID,
    FEATURE_WIDTH,
    GRID,
    HASHES,
    SCENE_CLASSES,
    VOC_GROUPS,
    Teachers,
)

FORMAT = 1
SIDE = 288
"""Rows and columns that photographs are kept at, whatever their shape."""
_SHAPES = {
    "pixels": (SIDE, SIDE, 3),
    "scene": (SCENE_CLASSES, GRID, GRID),
    "objects": (len(VOC_GROUPS), GRID, GRID),
    "masks": (3, GRID, GRID),
    "features": (FEATURE_WIDTH, FEATURE_GRID, FEATURE_GRID),
    "done": (),
}


class Opinions:
    """The answers for photographs `paths`, in the folder `root`, one row of each array a photograph; uint8.

    `shapes` are the photographs' widths and heights. Rows are valid where `done` is 1.

    Raises:
        SourceError: a photograph cannot be read.
        OutputError: the folder cannot be written.
    """

    def __init__(self, root: Path, paths: Sequence[Path]) -> None:
        self.paths, self._root = list(paths), root
        try:
            wanted = self._index()
            self.shapes = [tuple(item[2:]) for item in wanted["photographs"]]
            root.mkdir(parents=True, exist_ok=True)
            index = root / "index.json"
            if not index.is_file() or json.loads(index.read_text(encoding="utf-8")) != wanted:
                index.unlink(missing_ok=True)
                for name, shape in _SHAPES.items():
                    np.lib.format.open_memmap(root / f"{name}.npy", "w+", np.uint8, (len(self.paths), *shape)).flush()
                index.write_text(json.dumps(wanted) + "\n", encoding="utf-8")
        except (OSError, ValueError) as error:
            raise OutputError(f"labels cannot be kept in {root}: {error}", "choose another folder") from error
        arrays = {name: np.load(root / f"{name}.npy", mmap_mode="r+") for name in _SHAPES}
        self.pixels: NDArray[np.uint8] = arrays["pixels"]
        self.scene: NDArray[np.uint8] = arrays["scene"]
        self.objects: NDArray[np.uint8] = arrays["objects"]
        self.masks: NDArray[np.uint8] = arrays["masks"]
        self.features: NDArray[np.uint8] = arrays["features"]
        self.done: NDArray[np.uint8] = arrays["done"]

    def _index(self) -> dict[str, Any]:
        photographs = []
        for path in self.paths:
            try:
                with Image.open(path) as image:
                    photographs.append([path.name, path.stat().st_size, *image.size])
            except OSError as error:
                raise SourceError(f"{path} cannot be read as a picture: {error}", "remove or replace it") from error
        return {"format": FORMAT, "teachers": HASHES, "photographs": photographs}

    @classmethod
    def of(cls, root: Path, paths: Sequence[Path]) -> Opinions:
        """The answers that are in a folder already, all of them.

        Raises:
            SourceError: they are not there, not whole, or for other photographs or of other teachers.
        """
        hint = "movie train regions makes them, with --set labels=FOLDER"
        found = object.__new__(cls)
        found.paths, found._root = list(paths), root
        try:
            known = json.loads((root / "index.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SourceError(f"{root} holds no teachers' answers: {error}", hint) from error
        if known != found._index():
            raise SourceError(f"{root} holds answers for other photographs, or of other teachers", hint)
        whole = cls(root, paths)
        if not whole.complete():
            raise SourceError(f"{root} lacks answers for some photographs", hint)
        return whole

    def kept(self, name: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """A further array beside these, made of zeros when it is first asked for."""
        path = self._root / f"{name}.npy"
        if not path.is_file():
            np.lib.format.open_memmap(path, "w+", np.uint8, shape).flush()
        array: NDArray[np.uint8] = np.load(path, mmap_mode="r+")
        return array

    def complete(self) -> bool:
        """Whether every photograph has its answers."""
        return bool(self.done.all())

    def fill(self, teachers: Teachers, part: int = 0, parts: int = 1, say: Callable[[str], None] = print) -> None:
        """Ask the teachers about the photographs that have no answers yet; every `parts`-th from `part`.

        Raises:
            SourceError: a photograph cannot be read.
        """
        wanted = [row for row in range(part, len(self.paths), parts) if not self.done[row]]
        for number, row in enumerate(wanted, 1):
            try:
                image = Image.open(self.paths[row]).convert("RGB")
            except OSError as error:
                raise SourceError(f"{self.paths[row]} cannot be read: {error}", "remove or replace it") from error
            opinion = teachers.look(image)
            self.pixels[row] = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS))
            self.scene[row], self.objects[row] = opinion.scene, opinion.objects
            self.masks[row], self.features[row] = opinion.masks, opinion.features
            self.done[row] = 1
            if number % 100 == 0 or number == len(wanted):
                say(f"teachers: {number} of {len(wanted)} photographs")
