"""The style teacher: paints a photograph with the strokes and colours of a painting.

Two small networks, Magenta's arbitrary stylization as TensorFlow Lite files: one reads a picture's style as a code of
100 numbers, the other paints a picture with a code. Looks are functions of a scene alone, so the teacher is named once,
by `use`, before any painted target is made. Promises strokes of the same size in pixels whatever the picture's size,
and that a file which is missing, or is another one than expected, is named before anything is painted.
"""

from __future__ import annotations

import hashlib
import itertools
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from movie_cli.errors import ModelError, UsageError
from movie_cli.train.bank import ops
from movie_cli.train.bank.scene import Scene

PREDICT, TRANSFER = "style_predict.tflite", "style_transfer.tflite"
TEACHERS = {
    PREDICT: "203dbd6a09da1091ab7e48e8b101aef8c2d81438ad047a5cb150747a977134c1",
    TRANSFER: "c60cff7395544eda1f0915d6dddaedd8ed868cefe8ec6c5ed220ba801f120303",
}
"""SHA-256 of the teacher's two files."""
PAINTINGS = {
    "cezanne_card_players.jpg": "e9fafdcd8fc2bbf9d8ffef3ac58065878bfc5e452ae802249a32336b476a6127",
    "durer_melencolia.jpg": "f8e2911867c881caf0b223c9620a7f61c699f3d503134cb04d976f4d0c809f5d",
    "french_manuscript_initial.jpg": "6d06af044cd171a8b05d82ed9a22404dd9b48fcc9f5f3fc5eba806872163b2f1",
    "hokusai_great_wave.jpg": "524ed3d356e540a0830277d2604a9c15a478aa43b85bae41143ab90f1775861c",
    "kandinsky_composition_vii.jpg": "5b1974f2dd8da469fe2eb49155a45f0f229f2d531b774e90d56fcdb53c39373d",
    "klimt_the_kiss.jpg": "2cf395366e0fee122c19c235c5147c28fac94062961a7e6afa2b6b8211f65e66",
    "marc_yellow_cow.jpg": "4e3115379218c5b20c242c3baaf571535c8c9487bbabb6a7d77b1db45ae9a8e7",
    "monet_water_lilies.jpg": "ec5afc4ac9cae50857eee286dd1e83eac8a333823e414e769c0bf6709bbbc467",
    "morris_stained_glass.jpg": "28927fd3b94a8a360207e65c70d43061af3971faa72819807c0b97ba7acadfd1",
    "munch_the_scream.jpg": "2fa64b2be1a182053843de03406e4560d470627d5a75383e277a684728efee82",
    "red_chalk_peasant_woman.jpg": "ac0cfdfbb1f6eb0a2db7ad930de1fd6c29475717afd6719b506063a37f93cdd1",
    "rembrandt_night_watch.jpg": "78694ce77eabdc73b49bdb06e4a74b52f6b55adaef4eb6eb1617e88728d0a43a",
    "seurat_grande_jatte.jpg": "f7769c8ffcfb170764c936c5f19be51c37f0886b25cc99a92c7fe28d3453f29f",
    "vangogh_starry_night.jpg": "11d654fcb5ab69b19a0bf8f9f11d3e669505e4b2c795e546e258d2025fb0ec52",
    "wolgemut_dance_of_death.jpg": "130385de3ac896efa9448027cecd90fcc5d94564a91eb20544db066d9e9066ec",
}
"""SHA-256 of every painting that a look is painted with."""
MULTIPLE = 4
"""Sides of what the teacher paints are multiples of this."""
PHASES = tuple(itertools.product((2, 4), (2, 4)))
"""Rows and columns that a picture is shifted by. The teacher works at a quarter of its size, and its texture depends
on how the picture lies on that grid: the mean over these does not when the picture moves by 2 pixels, and a third as
much when it moves by 1."""
FACES = 0.003
"""The share of skin in a picture from which on it is painted a second time for faces."""

_folders: list[tuple[Path, Path]] = []
"""Where the teacher's files and the paintings are, once `use` was told."""


def use(teachers: Path, paintings: Path) -> None:
    """Name the folders of the teacher's files and of the paintings, for every painted look from now on.

    Raises:
        ModelError: a file is missing, cannot be read, or is another one.
    """
    for folder, known, setting in ((teachers, TEACHERS, "data.teachers"), (paintings, PAINTINGS, "data.paintings")):
        for name, wanted in known.items():
            _check(folder / name, wanted, setting)
    _folders[:] = [(teachers, paintings)]
    _painter.cache_clear()


def is_ready() -> bool:
    """Whether `use` was called."""
    return bool(_folders)


def check_ready(looks: str) -> None:
    """Whether painted targets can be made.

    Raises:
        UsageError: `use` was not called.
    """
    if not is_ready():
        raise UsageError(
            f"no style teacher is named for the looks that it paints: {looks}",
            "name its folder and that of the paintings with data.teachers and data.paintings",
        )


def _check(path: Path, wanted: str, setting: str) -> None:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}", f"name its folder with {setting}") from error
    if found != wanted:
        raise ModelError(
            f"{path} is another file than expected: its SHA-256 is {found}, not {wanted}",
            "targets painted by it are not comparable: put the file back",
        )


def painted(
    scene: Scene, painting: str, amount: float, faces: float, content: Tensor | None = None, scale: float = 1.0
) -> Tensor:
    """The picture, or `content` in its stead, as the teacher paints it in the style of `painting`.

    The code is `amount` times the painting's and else the picture's own, which keeps its forms; on skin it is `faces`
    times the painting's. A `scale` below 1 paints a smaller picture, so that strokes become as much wider.

    Raises:
        UsageError: no teacher was named, or what runs it is not installed.
    """
    image = scene.image if content is None else content.clamp(0, 1)
    check_ready(painting)
    painter = _painter()
    style = painter.style(painting)
    size = image.shape[-2:]
    small = [max(MULTIPLE * 4, round(side * scale / MULTIPLE) * MULTIPLE) for side in size]
    rows = []
    for number in range(len(image)):
        one = image[number : number + 1]
        resized = F.interpolate(one, size=small, mode="bilinear", antialias=True, align_corners=False)
        own = painter.code(one)
        result = painter.paint(resized, amount * style + (1 - amount) * own)
        skin = scene.skin[number : number + 1]
        if faces != amount and float(skin.mean()) > FACES:
            near = ops.blur(skin, 3.0)
            second = painter.paint(resized, faces * style + (1 - faces) * own)
            result = ops.mix(result, second, F.interpolate(near, size=small, mode="bilinear", align_corners=False))
        rows.append(F.interpolate(result, size=size, mode="bicubic", align_corners=False))
    return torch.cat(rows).clamp(0, 1)


@lru_cache(maxsize=1)
def _painter() -> Painter:
    return Painter(*_folders[0])


class Painter:
    """The teacher, opened: codes of pictures, and pictures painted with a code.

    Raises:
        UsageError: what runs TensorFlow Lite files is not installed.
    """

    def __init__(self, teachers: Path, paintings: Path) -> None:
        self._paintings = paintings
        self._transfer = (teachers / TRANSFER).read_bytes()
        self._predict = _interpreter((teachers / PREDICT).read_bytes())
        self._predict.allocate_tensors()
        self.style = lru_cache(maxsize=None)(self._style)
        self._sized = lru_cache(maxsize=4)(self._network)

    def _style(self, painting: str) -> NDArray[np.float32]:
        pixels = np.asarray(Image.open(self._paintings / painting).convert("RGB"), np.float32) / 255
        return self.code(torch.from_numpy(pixels).permute(2, 0, 1)[None])

    def code(self, image: Tensor) -> NDArray[np.float32]:
        """The style of a picture `(1, 3, H, W)` in [0, 1], as `(1, 1, 1, 100)`."""
        square = F.interpolate(image, size=(256, 256), mode="bicubic", antialias=True, align_corners=False)
        self._predict.set_tensor(self._predict.get_input_details()[0]["index"], _pixels(square))
        self._predict.invoke()
        code: NDArray[np.float32] = self._predict.get_tensor(self._predict.get_output_details()[0]["index"])
        return code

    def paint(self, image: Tensor, code: NDArray[np.float32]) -> Tensor:
        """A picture `(1, 3, H, W)` painted with a code, the mean over `PHASES`; its sides are multiples of 4."""
        height, width = image.shape[-2:]
        network, content, style, result = self._sized(height + 2 * MULTIPLE, width + 2 * MULTIPLE)
        network.set_tensor(style, code.astype(np.float32))
        total = torch.zeros_like(image)
        for top, left in PHASES:
            margins = (left, 2 * MULTIPLE - left, top, 2 * MULTIPLE - top)
            network.set_tensor(content, _pixels(F.pad(image, margins, mode="replicate")))
            network.invoke()
            out = torch.from_numpy(network.get_tensor(result)).permute(0, 3, 1, 2)
            total += out[..., top : top + height, left : left + width]
        return total / len(PHASES)

    def _network(self, height: int, width: int) -> tuple[Any, int, int, int]:
        """The painting network for one size, and where its inputs and its output are."""
        network = _interpreter(_resized(self._transfer, height, width))
        inputs = {item["name"]: item["index"] for item in network.get_input_details()}
        content = inputs.pop("content_image")
        network.resize_tensor_input(content, (1, height, width, 3))
        network.allocate_tensors()
        return network, content, *inputs.values(), network.get_output_details()[0]["index"]


def _interpreter(content: bytes) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise UsageError(
            "the style teacher is run with ai-edge-litert, which is not installed", 'pip install "movie-cli[train]"'
        ) from error
    return Interpreter(model_content=content, num_threads=1)


def _resized(content: bytes, height: int, width: int) -> bytes:
    """The painting network with the sizes of its enlargements, which are constants of 384 rows, made these."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for tensor in model.subgraphs[0].tensors:
        if tensor.name.endswith(b"ResizeNearestNeighbor/size"):
            part = 2 if b"conv1" in tensor.name else 1
            size = np.array([height // part, width // part], "<i4")
            model.buffers[tensor.buffer].data = np.frombuffer(size.tobytes(), np.uint8)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _pixels(image: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = image.clamp(0, 1).permute(0, 2, 3, 1).contiguous().numpy().astype(np.float32)
    return array
