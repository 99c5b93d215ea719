"""The region network: what is where in a frame, as probabilities on the latents' grid.

Plain convolutions, each followed by a batch normalization that is folded into it to run, and ReLU: forms that
accelerators for eight-bit weights take as they are. Most of the work is done at a sixteenth and a thirty-second of the
input's size, where width is cheap and surroundings are near; a light path leads back to a quarter.

A person is one class; hair, skin and clothes are probabilities within it, so that the three add up to the person's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from movie_cli.models.network import without_memory
from movie_cli.models.region_names import REGIONS, SCENE

PERSON = SCENE.index("person")
STRIDE = 4
"""Input pixels a side that an output cell stands for."""
SIZE_MULTIPLE = 8
AREA = 256 * 192
"""About so many pixels of a frame are seen, whatever its size."""
SLOWEST, QUICK = 0.3, 0.06
"""The share of a new frame where nothing changes, and the change (of 1) at which nothing of earlier frames is kept."""
CUT = 0.2
"""Mean change of the picture at which a frame is the first of another scene."""


@dataclass(frozen=True)
class RegionShape:
    """The network's widths at 1/4, 1/8, 1/16 and 1/32 of the input, blocks at the last three, and the way back's."""

    widths: tuple[int, int, int, int] = (48, 80, 192, 320)
    blocks: tuple[int, int, int] = (1, 4, 4)
    expansion: int = 3
    decoder: tuple[int, int, int] = (32, 80, 160)


class RegionNetwork(nn.Module):
    """Pictures `(N, 3, H, W)` in [-1, 1] to logits `(N, 15, H / 4, W / 4)`; H and W are multiples of 8."""

    def __init__(self, shape: RegionShape | None = None) -> None:
        super().__init__()
        self.shape = shape or RegionShape()
        quarter, eighth, sixteenth, last = self.shape.widths
        fine, middle, wide = self.shape.decoder
        expansion = self.shape.expansion
        self.stem = convolution(3, quarter, 7, stride=4)
        self.eighth = nn.Sequential(
            convolution(quarter, eighth, 3, stride=2), *(Residual(eighth) for _ in range(self.shape.blocks[0]))
        )
        self.sixteenth = nn.Sequential(
            convolution(eighth, sixteenth, 3, stride=2),
            *(Wide(sixteenth, expansion) for _ in range(self.shape.blocks[1])),
        )
        self.last = nn.Sequential(
            convolution(sixteenth, last, 3, stride=2), *(Wide(last, expansion) for _ in range(self.shape.blocks[2]))
        )
        self.surroundings = nn.Sequential(nn.Conv2d(last, wide, 1), nn.ReLU(inplace=True), nn.Conv2d(wide, wide, 1))
        self.from_last = convolution(last, wide, 1, active=False)
        self.beside_sixteenth = convolution(sixteenth, wide, 1, active=False)
        self.join_sixteenth = Wide(wide, 2)
        self.from_sixteenth = convolution(wide, middle, 1, active=False)
        self.beside_eighth = convolution(eighth, middle, 1, active=False)
        self.join_eighth = convolution(middle, middle, 3)
        self.from_eighth = convolution(middle, fine, 1, active=False)
        self.beside_quarter = convolution(quarter, fine, 1, active=False)
        self.join_quarter = convolution(fine, fine, 3)
        self.head = nn.Conv2d(fine, len(REGIONS), 1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits of the classes in `SCENE` and of the `PARTS` within a person."""
        return self.features(image)[0]

    def features(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and the features `(N, C, H / 16, W / 16)` that know the surroundings."""
        quarter = self.stem(image)
        eighth = self.eighth(quarter)
        sixteenth = self.sixteenth(eighth)
        last = self.last(sixteenth)
        around = self.surroundings(last.mean(dim=(2, 3), keepdim=True))
        joined = _grown(self.from_last(last) + around, sixteenth) + self.beside_sixteenth(sixteenth)
        wide = self.join_sixteenth(F.relu(joined))
        middle = self.join_eighth(F.relu(_grown(self.from_sixteenth(wide), eighth) + self.beside_eighth(eighth)))
        fine = self.join_quarter(F.relu(_grown(self.from_eighth(middle), quarter) + self.beside_quarter(quarter)))
        return self.head(fine), wide

    @torch.no_grad()
    def regions(self, image: Tensor) -> Tensor:
        """Probabilities `(N, 15, H / 4, W / 4)` of `REGIONS` for pictures `(N, 3, H, W)` in [-1, 1]."""
        return probabilities(self(image))

    def folded(self) -> RegionNetwork:
        """A copy for running alone: each normalization folded into its convolution."""
        with without_memory():
            folded = RegionNetwork(self.shape)
        folded.load_state_dict({name: value.clone() for name, value in self.state_dict().items()}, assign=True)
        for module in list(folded.modules()):
            if isinstance(module, nn.Sequential) and len(module) > 1:
                first, second = module[0], module[1]
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    mean, variance = second.running_mean, second.running_var
                    assert mean is not None and variance is not None
                    rest = second.eps, second.weight, second.bias
                    first.weight, first.bias = fuse_conv_bn_weights(first.weight, first.bias, mean, variance, *rest)
                    module[1] = nn.Identity()
        return folded.eval().requires_grad_(False)

    def config(self) -> dict[str, Any]:
        """What `RegionShape` and the order of the classes are, for a file."""
        return {"regions": list(REGIONS), **asdict(self.shape)}


class Residual(nn.Module):
    """Two dense convolutions beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(convolution(width, width, 3), convolution(width, width, 3, active=False))

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same shape."""
        return F.relu(x + self.body(x))


class Wide(nn.Module):
    """A 5x5 convolution of each channel by itself, then two that mix channels, beside the identity (as ConvNeXt)."""

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(width, width, 5, groups=width, active=False),
            convolution(width, expansion * width, 1),
            convolution(expansion * width, width, 1, active=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same shape."""
        return x + self.body(x)


def convolution(
    before: int, after: int, kernel: int, stride: int = 1, groups: int = 1, active: bool = True
) -> nn.Sequential:
    """A convolution with its normalization and, where `active`, ReLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(after),
    ]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if active else nn.Sequential(*layers)


def probabilities(logits: Tensor) -> Tensor:
    """Probabilities of `REGIONS`, `(N, 15, h, w)`, from the network's logits."""
    scene = logits[:, : len(SCENE)].softmax(dim=1)
    parts = logits[:, len(SCENE) :].softmax(dim=1)
    return torch.cat([scene, parts * scene[:, PERSON : PERSON + 1]], dim=1)


def _grown(features: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(features, size=like.shape[-2:], mode="bilinear", align_corners=False)


class SteadyRegions:
    """Regions of a clip's frames in order: averaged over time, the more the less a cell's picture changes."""

    def __init__(self, network: RegionNetwork) -> None:
        self._network = network
        self._regions: Tensor | None = None
        self._cells: Tensor | None = None

    def see(self, image: Tensor) -> Tensor:
        """Probabilities `(1, 15, H / 4, W / 4)` of the next frame `(1, 3, H, W)` in [-1, 1]."""
        regions = self._network.regions(image.contiguous(memory_format=torch.channels_last))
        cells = F.avg_pool2d(image, STRIDE) / 2
        if self._cells is not None and self._regions is not None:
            change = (cells - self._cells).abs().mean(dim=1, keepdim=True)
            if float(change.mean()) < CUT:
                near = F.avg_pool2d(change, 3, 1, 1, count_include_pad=False)
                regions = self._regions.lerp(regions, (SLOWEST + (1 - SLOWEST) * near / QUICK).clamp_max(1))
        self._cells, self._regions = cells, regions
        return regions


def input_size(width: int, height: int) -> tuple[int, int]:
    """The size at which the network sees frames of a size: about `AREA` pixels, sides multiples of 8."""
    factor = (AREA / (width * height)) ** 0.5
    wide, high = (max(2, round(side * factor / SIZE_MULTIPLE)) * SIZE_MULTIPLE for side in (width, height))
    return wide, high


def place_map(regions: Tensor, weights: Mapping[str, float]) -> Tensor:
    """Where a place is, `(N, 1, h, w)` in [0, 1], from probabilities `(N, 15, h, w)` and weights of regions."""
    factors = regions.new_tensor([weights.get(name, 0.0) for name in REGIONS]).view(1, -1, 1, 1)
    return (regions * factors).sum(dim=1, keepdim=True).clamp(0, 1)
