"""The teachers of the region network: small pretrained networks that know what is in a picture.

They are TensorFlow Lite files, run once over every photograph. Promises that a file which is missing, or is another
one than the labels were made for, is named before anything is computed.

Faces are a detector's boxes, and in each the outline that a mesh of 468 points gives. BlazeFace (arXiv 1907.05047) sees
faces of any size but tiny; the mesh (arXiv 1907.06724) is fitted on a square 1.5 times the box, turned so that the eyes
are level.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from movie_cli.errors import ModelError, UsageError

HASHES = {
    "mosaic_ade20k32.tflite": "41068bfdd509f93037a88a10fe3bf17a5bbbc76d94cf7c4e081ac38ff34a349b",
    "deeplab_voc21.tflite": "350af47fd346ea6d74b58833a351f583ba860e9806ec5bd292ff8d8f1f249398",
    "selfie.tflite": "8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27",
    "hair.tflite": "d2c940c4fd80edeaf38f5d7387d1b4235ee320ed120080df67c663e749e77633",
    "face_detection.tflite": "e376cf6b168d5ece8a3cedb94acc4eb168a136aede125ccc3d903ef38f5beda8",
    "face_mesh.tflite": "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
}
"""SHA-256 of every teacher's file."""
GRID = 128
"""Rows and columns of what a teacher says of a photograph, whatever the photograph's shape."""
FEATURE_GRID, FEATURE_WIDTH = 32, 128
"""MOSAIC's features after its pyramid pooling, which hold what it knows of a place and its surroundings."""
_FEATURES = (b"concat_projection/Relu", (1, FEATURE_GRID, FEATURE_GRID, FEATURE_WIDTH))
SCENE_CLASSES = 32
VOC_GROUPS = {
    "person": (15,),
    "animal": (3, 8, 10, 12, 13, 17),  # bird, cat, cow, dog, horse, sheep
    "vehicle": (1, 2, 4, 6, 7, 14, 19),  # aeroplane, bicycle, boat, bus, car, motorbike, train
}
"""DeepLab's classes by what they are."""

Probabilities = NDArray[np.uint8]
"""Probabilities times 255."""


@dataclass(frozen=True)
class Opinion:
    """What the teachers say of one photograph, brought to a square of `GRID` cells; all uint8.

    `scene` `(32, GRID, GRID)` are MOSAIC's probabilities, `objects` `(3, GRID, GRID)` DeepLab's of a person, an animal
    and a vehicle, `masks` `(3, GRID, GRID)` are a person near the camera, hair, and the outlines of faces, and
    `features` `(128, 32, 32)` MOSAIC's own numbers.
    """

    scene: Probabilities
    objects: Probabilities
    masks: Probabilities
    features: NDArray[np.uint8]


def check_teachers(folder: Path) -> None:
    """Compare every teacher's file in `folder` with the hash it should have.

    Raises:
        ModelError: a file is missing, cannot be read, or is another one.
    """
    for name, wanted in HASHES.items():
        path = folder / name
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ModelError(
                f"the teacher {path} cannot be read: {error.strerror}", "name the teachers' folder with teachers="
            ) from error
        if found != wanted:
            raise ModelError(
                f"the teacher {path} is another file than expected: its SHA-256 is {found}, not {wanted}",
                "labels of other teachers are not comparable: put the file back",
            )


class Teachers:
    """All teachers, opened.

    Raises:
        UsageError: what runs TensorFlow Lite files is not installed.
        ModelError: a file is missing, or is another one.
    """

    def __init__(self, folder: Path) -> None:
        check_teachers(folder)
        self._scene = Network(folder / "mosaic_ade20k32.tflite", _FEATURES)
        self._objects = Network(folder / "deeplab_voc21.tflite")
        self._selfie = Network(folder / "selfie.tflite")
        self._hair = Network(folder / "hair.tflite")
        self._faces = Faces(Network(folder / "face_detection.tflite"), Network(folder / "face_mesh.tflite"))

    def look(self, image: Image.Image) -> Opinion:
        """Ask every teacher about a picture in RGB; MOSAIC about its mirror image too, and the mean is taken."""
        scene, features = self._scene_of(image)
        mirrored = self._scene_of(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))[0].flip(-1)
        faces = torch.from_numpy(self._faces.outlines(image, GRID))[None]
        return Opinion(
            _bytes((scene + mirrored) / 2),
            _bytes(self._things(image)),
            _bytes(torch.cat([self._masks(image), faces])),
            features,
        )

    def _scene_of(self, image: Image.Image) -> tuple[Tensor, NDArray[np.uint8]]:
        logits, features = self._scene(_resized(image, 512)[None])
        numbers = torch.from_numpy(logits[0]).permute(2, 0, 1).float() * self._scene.scale
        return numbers.softmax(dim=0), np.ascontiguousarray(features[0].transpose(2, 0, 1))

    def _things(self, image: Image.Image) -> Tensor:
        labels = torch.from_numpy(self._objects(_resized(image, 513)[None])[0][0])
        groups = torch.stack([torch.isin(labels, torch.tensor(classes)) for classes in VOC_GROUPS.values()])
        return F.adaptive_avg_pool2d(groups.float(), GRID)

    def _masks(self, image: Image.Image) -> Tensor:
        near = torch.from_numpy(self._selfie(_resized(image, 256)[None].astype(np.float32) / 255)[0][0, ..., 0])
        pixels = _resized(image, 512).astype(np.float32) / 255
        with_zeros = np.pad(pixels, ((0, 0), (0, 0), (0, 1)))[None]
        hair = torch.from_numpy(self._hair(with_zeros)[0][0]).softmax(dim=-1)[..., 1]
        return torch.cat([F.adaptive_avg_pool2d(plane[None].clamp(0, 1), GRID) for plane in (near, hair)])


class Network:
    """One TensorFlow Lite file: an input array gives the list of its outputs.

    `extra` names a tensor inside, by the beginning of its name's end and its shape, that is given as a last output.
    """

    def __init__(self, path: Path, extra: tuple[bytes, tuple[int, ...]] | None = None) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise UsageError(
                "the teachers of regions are run with ai-edge-litert, which is not installed",
                'pip install "movie-cli[train]"',
            ) from error
        content = path.read_bytes()
        if extra is not None:
            content = _with_output(content, *extra)
        self._interpreter: Any = Interpreter(model_content=content, num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        outputs = self._interpreter.get_output_details()
        self._outputs = [output["index"] for output in outputs]
        self.scale = float(outputs[0]["quantization"][0])
        """What the first output's whole numbers are multiplied with."""

    def __call__(self, value: NDArray[Any]) -> list[NDArray[Any]]:
        """Run the network; the arrays are the caller's."""
        self._interpreter.set_tensor(self._input, value)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


def _with_output(content: bytes, name: bytes, shape: tuple[int, ...]) -> bytes:
    """The network with one of its inner tensors as a further output."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    found = [
        index for index, tensor in enumerate(graph.tensors) if name in tensor.name and tuple(tensor.shape) == shape
    ]
    if len(found) != 1:
        raise ModelError(f"the teacher has no tensor {name.decode()}", "put the original file back")
    graph.outputs = np.append(graph.outputs, found[0]).astype(np.int32)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _resized(image: Image.Image, side: int) -> NDArray[np.uint8]:
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))


def _bytes(values: Tensor) -> Probabilities:
    result: Probabilities = (values.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return result


Run = Callable[[NDArray[Any]], list[NDArray[Any]]]
DETECTOR_SIDE, MESH_SIDE = 256, 192
SURE = 0.6
"""Probability at which a box counts as a face, of the detector and of the mesh."""
SAME = 0.3
"""Overlap (intersection over union) at which two boxes are one face."""
MARGIN = 1.5
OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
"""The mesh's points along the face's outline, in order."""
Box = tuple[float, float, float, float]


class Faces:
    """Finds the outlines of faces with the two networks."""

    def __init__(self, detector: Run, mesh: Run) -> None:
        self._detector, self._mesh = detector, mesh
        self._anchors = np.concatenate([_anchors(16, 2), _anchors(8, 6)])

    def outlines(self, image: Image.Image, grid: int) -> NDArray[np.float32]:
        """The share of each cell that faces fill, `(grid, grid)` in [0, 1], the picture brought to a square."""
        mask = Image.new("L", (4 * grid, 4 * grid))
        scale = np.array([4 * grid / image.width, 4 * grid / image.height])
        for box, tilt in self._boxes(image):
            outline = self._outline(image, box, tilt)
            if outline is not None:
                ImageDraw.Draw(mask).polygon([tuple(point) for point in outline * scale], fill=255)
        small = mask.resize((grid, grid), Image.Resampling.BOX)
        covered: NDArray[np.float32] = np.asarray(small, np.float32) / np.float32(255)
        return covered

    def _boxes(self, image: Image.Image) -> list[tuple[Box, float]]:
        """Faces as boxes (centre and size in pixels) and the angle of the eyes in radians, the surest first."""
        side = max(image.size)
        square = Image.new("RGB", (side, side))
        square.paste(image)
        pixels = np.asarray(square.resize((DETECTOR_SIDE, DETECTOR_SIDE), Image.Resampling.BILINEAR), np.float32)
        regressors, scores = self._detector(pixels[None] / 127.5 - 1)
        if regressors.shape[-1] == 1:
            regressors, scores = scores, regressors
        sure = 1 / (1 + np.exp(-scores[0, :, 0].clip(-50, 50)))
        found: list[tuple[Box, float]] = []
        for index in np.argsort(-sure):
            if sure[index] < SURE:
                break
            values = regressors[0, index].reshape(-1, 2) / DETECTOR_SIDE
            centre, size = values[0] + self._anchors[index], values[1]
            right, left = values[2] + self._anchors[index], values[3] + self._anchors[index]
            x, y, width, height = (float(value) * side for value in (*centre, *size))
            box = (x, y, width, height)
            if min(width, height) > 4 and all(_overlap(box, other) < SAME for other, _ in found):
                found.append((box, math.atan2(left[1] - right[1], left[0] - right[0])))
        return found

    def _outline(self, image: Image.Image, box: Box, tilt: float) -> NDArray[np.float64] | None:
        x, y, width, height = box
        scale = MARGIN * max(width, height) / MESH_SIDE
        cos, sin = math.cos(tilt) * scale, math.sin(tilt) * scale
        half = MESH_SIDE / 2
        turn = np.array([[cos, -sin], [sin, cos]])
        left, top = np.array([x, y]) - turn @ np.array([half, half])
        data = (cos, -sin, left, sin, cos, top)
        part = image.transform((MESH_SIDE, MESH_SIDE), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
        points, score = self._mesh(np.asarray(part, np.float32)[None] / 255)
        if points.size == 1:
            points, score = score, points
        if 1 / (1 + math.exp(-float(score.reshape(-1)[0]))) < SURE:
            return None
        flat = points.reshape(-1, 3)[list(OVAL), :2].astype(np.float64)
        return flat @ turn.T + np.array([left, top])


def _anchors(cells: int, count: int) -> NDArray[np.float64]:
    """Centres of the detector's boxes of one size, in [0, 1]: `count` at each of `cells` by `cells` places."""
    middle = (np.arange(cells) + 0.5) / cells
    places = np.stack(np.meshgrid(middle, middle), axis=-1).reshape(-1, 2)
    return np.repeat(places, count, axis=0)


def _overlap(one: Box, other: Box) -> float:
    sides = []
    for axis in (0, 1):
        low = max(one[axis] - one[axis + 2] / 2, other[axis] - other[axis + 2] / 2)
        high = min(one[axis] + one[axis + 2] / 2, other[axis] + other[axis + 2] / 2)
        sides.append(max(0.0, high - low))
    both = sides[0] * sides[1]
    return both / (one[2] * one[3] + other[2] * other[3] - both)
