"""LPIPS over AlexNet (Zhang et al. 2018): a distance of pictures that goes by features rather than by pixels.

The weights are not embedded: they come from a safetensors file with the names of the authors' package (`pip install
lpips`), whose `LPIPS(net="alex").state_dict()` saved by `safetensors.torch.save_file` is such a file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from movie_cli.errors import ModelError

Frames = NDArray[np.uint8]
# Where each convolution stands in the authors' slices of AlexNet; stride, padding, and whether pooling comes before it.
_LAYERS = (
    ("net.slice1.0", 4, 2, False),
    ("net.slice2.3", 1, 2, True),
    ("net.slice3.6", 1, 1, True),
    ("net.slice4.8", 1, 1, False),
    ("net.slice5.10", 1, 1, False),
)
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""The authors' normalisation of pictures in [-1, 1]."""


class Lpips:
    """The network with its weights.

    Raises:
        ModelError: the file is missing or holds something else.
    """

    def __init__(self, path: Path) -> None:
        try:
            weights = load_file(path)
            self._convolutions = [(weights[f"{name}.weight"], weights[f"{name}.bias"]) for name, *_ in _LAYERS]
            self._heads = [weights[f"lin{index}.model.1.weight"] for index in range(len(_LAYERS))]
        except (OSError, SafetensorError, KeyError) as error:
            raise ModelError(
                f"{path} does not hold the weights of LPIPS: {error}",
                "docs/evaluation.md tells how to make the file, or leave --lpips out",
            ) from error

    @torch.inference_mode()
    def distance(self, first: Frames, second: Frames) -> float:
        """Mean over frames, 0 for equal ones. Sides of at least 64 pixels."""
        values = [self._frame(_picture(a), _picture(b)) for a, b in zip(first, second, strict=True)]
        return sum(values) / len(values)

    def _frame(self, first: Tensor, second: Tensor) -> float:
        pairs = zip(self._features(first), self._features(second), self._heads, strict=True)
        return float(sum(F.conv2d((a - b).square(), head).mean() for a, b, head in pairs))

    def _features(self, hidden: Tensor) -> list[Tensor]:
        """Of each layer, with unit length over the channels."""
        found = []
        for (weight, bias), (_, stride, padding, pooled) in zip(self._convolutions, _LAYERS, strict=True):
            if pooled:
                hidden = F.max_pool2d(hidden, 3, 2)
            hidden = F.relu(F.conv2d(hidden, weight, bias, stride, padding))
            length = hidden.square().sum(dim=1, keepdim=True).sqrt()
            found.append(hidden / (length + 1e-10))
        return found


def _picture(frame: NDArray[np.uint8]) -> Tensor:
    picture = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None].float() / 127.5 - 1
    return (picture - torch.tensor(SHIFT).view(3, 1, 1)) / torch.tensor(SCALE).view(3, 1, 1)
