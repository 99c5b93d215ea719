"""`regions`: the region network learns from its teachers' labels, from MOSAIC's own features, and to be steady.

Labels are soft, and count as far as they are believed. A part of every batch is seen a second time, moved by a few
pixels and in other noise: what is said of it must move along. The checkpoint is the region network alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from movie_cli.checkpoints.load import REGIONS_FOLDER, read_regions, save_regions
from movie_cli.checkpoints.store import open_model
from movie_cli.errors import ModelError
from movie_cli.models.region_names import SCENE
from movie_cli.models.regions import PERSON, RegionNetwork, RegionShape, probabilities
from movie_cli.train.regions.labels import coloured
from movie_cli.train.regions.opinions import Opinions
from movie_cli.train.regions.samples import RegionBatch
from movie_cli.train.regions.teachers import FEATURE_WIDTH
from movie_cli.train.samples import Draws
from movie_cli.train.settings import RegionsSettings
from movie_cli.train.stages import Loss, Stage

NETWORK, READER = "network", "reader"
CALIBRATION = 64
"""Photographs that the spread of the teacher's features is taken from."""


class RegionsStage(Stage):
    """The region network, and a linear reading of the teacher's features from its own that only training needs."""

    AVERAGED = ("all",)
    settings: RegionsSettings

    def __init__(self, settings: RegionsSettings, opinions: Opinions) -> None:
        super().__init__(settings)
        torch.manual_seed(settings.seed)
        self.network = _network(settings)
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = settings.norm_momentum
        self.reader = nn.Conv2d(self.network.shape.decoder[2], FEATURE_WIDTH, 1)
        self.parts["all"] = nn.ModuleDict({NETWORK: self.network, READER: self.reader})
        ready = [row for row in range(len(opinions.paths)) if opinions.done[row]]
        chosen = ready[:: max(1, len(ready) // CALIBRATION)]
        known = torch.stack([torch.from_numpy(opinions.features[row]) for row in chosen]).float()
        self._mean = known.mean(dim=(0, 2, 3)).view(1, -1, 1, 1)
        self._rarity = torch.ones(len(SCENE))
        self._spread = known.std(dim=(0, 2, 3)).clamp_min(0.5).view(1, -1, 1, 1)

    def losses(self, batch: RegionBatch, draws: Draws, step: int) -> Iterator[Loss]:
        """One loss for the network."""
        twins = round(self.settings.steady_share * len(batch))
        source = batch.source
        moves = _moves(draws, source.shape[-1], source.shape[-2], self.settings.steady_move)[:twins]
        if twins:
            moved = _moved(source[:twins], moves, "reflection")
            light = 1 + 0.05 * draws.normal(1, 1, 1)[:twins]
            seed = torch.Generator().manual_seed(batch.numbers[0])
            noise = torch.randn(moved.shape, generator=seed).to(moved)
            moved = moved * light + noise * (0.06 * draws.uniform(shape=(1, 1, 1))[:twins])
            source = torch.cat([source, moved.clamp(-1, 1)])
        logits, features = self.network.features(source.contiguous(memory_format=torch.channels_last))
        whole = len(batch)
        scene, parts = _label_losses(logits[:whole], batch, self.settings.uncertain, self._rarity)
        taught = self._features_loss(features[:whole], batch)
        fade = 1 - 0.75 * step / max(1, self.settings.steps)
        total = scene + self.settings.parts_weight * parts + self.settings.features_weight * fade * taught
        metrics = {"scene": scene, "parts": parts, "features": taught}
        if twins:
            metrics["steady"] = _unsteadiness(logits, twins, whole, moves)
            total = total + self.settings.steady_weight * metrics["steady"]
        yield Loss(total, metrics)

    def _features_loss(self, features: Tensor, batch: RegionBatch) -> Tensor:
        wanted = (batch.features[:, :-1] - self._mean.to(features)) / self._spread.to(features)
        weight = batch.features[:, -1:]
        errors = F.smooth_l1_loss(self.reader(features), wanted.clamp(-4, 4), reduction="none", beta=0.5)
        return (errors.mean(dim=1, keepdim=True) * weight).sum() / weight.sum().clamp_min(1)

    def edit(self, batch: RegionBatch, text_scale: float, image_scale: float, seed: int) -> Tensor:
        """For sheets: what the network sees, as colours over the source."""
        del text_scale, image_scale, seed
        self.network.eval()
        seen = self.network.regions(batch.source)
        self.network.train()
        return coloured(batch.source, seen)

    def save(self, folder: Path, name: str) -> None:
        """Write the region network as it is now, where a checkpoint has it."""
        del name
        save_regions(self.network, folder / REGIONS_FOLDER)

    def place(self, device: torch.device) -> None:
        """Bring the networks to a device."""
        for module in self.parts.values():
            nn.Module.to(module, device)
            for value in module.parameters():
                if value.dim() == 4:
                    value.data = value.data.contiguous(memory_format=torch.channels_last)

    def prepare(self, data: Any) -> None:
        """Find out what a region's pixels count: the more, the rarer they are; one on average."""
        rarity = (data.shares + 0.005) ** -self.settings.rarity
        self._rarity = rarity / (rarity * data.shares).sum() * data.shares.sum()

    def stored(self, part: str) -> dict[str, Tensor]:
        """Weights, and the normalizations' running means."""
        module = self.parts[part]
        return dict(module.named_parameters()) | dict(module.named_buffers())


def _network(settings: RegionsSettings) -> RegionNetwork:
    """The network to train: a checkpoint's, or a new one of the shape that the settings give.

    Raises:
        ModelError: the checkpoint to start from has no regions, or another network than the settings ask for.
    """
    shape = RegionShape(**settings.network) if settings.network else RegionShape()
    if not settings.start:
        return RegionNetwork(shape)
    # A run of this stage leaves the region network alone, which is no whole checkpoint.
    folder = Path(settings.start).expanduser()
    if not (folder / REGIONS_FOLDER).is_dir():
        folder = open_model(settings.start).folder
    network = read_regions(folder / REGIONS_FOLDER)
    if settings.network and network.shape != shape:
        raise ModelError(f"{settings.start} has a region network of another shape than network=", "leave network= out")
    return network.train()


def _label_losses(logits: Tensor, batch: RegionBatch, uncertain: float, rarity: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropies with soft labels, of the scene and of parts within persons.

    `uncertain` is the least weight of a pixel, `rarity` `(12,)` what each region counts.
    """
    count = len(SCENE)
    logits = logits.float()
    scene = -(batch.regions[:, :count] * logits[:, :count].log_softmax(dim=1)).sum(dim=1)
    counts = (batch.regions[:, :count] * rarity.to(logits).view(1, -1, 1, 1)).sum(dim=1)
    weight = (uncertain + (1 - uncertain) * batch.weights[:, 0]) * counts
    parts = -(batch.regions[:, count:] * logits[:, count:].log_softmax(dim=1)).sum(dim=1)
    inside = batch.weights[:, 1] * batch.regions[:, PERSON]
    return (scene * weight).sum() / weight.sum().clamp_min(1), (parts * inside).sum() / inside.sum().clamp_min(1)


def _unsteadiness(logits: Tensor, twins: int, whole: int, moves: Tensor) -> Tensor:
    """How far probabilities of moved pictures are from moved probabilities: mean sum of absolute differences."""
    seen, again = probabilities(logits[:twins].float()), probabilities(logits[whole:].float())
    wanted = _moved(seen, moves, "border")
    inside = (slice(None), slice(None), slice(2, -2), slice(2, -2))
    return (wanted[inside] - again[inside]).abs().sum(dim=1).mean()


def _moves(draws: Draws, width: int, height: int, most: float) -> Tensor:
    """Affine maps `(N, 2, 3)`: moved by up to `most` pixels and grown or shrunk by up to 2 %."""
    shift = draws.uniform(-1, 1, (2,)) * most * 2 / torch.tensor([width, height])
    scale = draws.uniform(0.98, 1.02, (1,))
    maps = torch.eye(2, 3).repeat(len(shift), 1, 1) * scale[:, :, None]
    maps[:, :, 2] = shift
    return maps


def _moved(planes: Tensor, maps: Tensor, beyond: Any) -> Tensor:
    grid = F.affine_grid(maps.to(planes), list(planes.shape), align_corners=False)
    return F.grid_sample(planes, grid, padding_mode=beyond, align_corners=False)
