"""The stages of the method, one file each, and what every stage is to the trainer."""

from __future__ import annotations

import dataclasses
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import SchedulerMixin
from torch import Tensor, nn

from movie_cli.checkpoints.diffusers_parts import save_checkpoint
from movie_cli.checkpoints.load import REGIONS_FOLDER
from movie_cli.models.attention import AnchorStore
from movie_cli.models.autoencoder import PatchAdapter, PatchAutoencoder
from movie_cli.models.sampling import Guidance, is_recurrent, sample
from movie_cli.models.scene import scene_of
from movie_cli.train import bank, objectives
from movie_cli.train.augmentation import moved, small_affines
from movie_cli.train.conditioning import Conditioning
from movie_cli.train.samples import Draws, SampleBatch, SampleSource
from movie_cli.train.settings import StageSettings
from movie_cli.train.start import Start
from movie_cli.train.surgery import plain_copy, train_low_rank

NEIGHBOUR = 0.03
"""Largest move, as a share of the picture, from the frame before to this one."""


@dataclass(frozen=True)
class Loss:
    """A scalar to go down, and what of it to write into the log."""

    total: Tensor
    metrics: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Latents:
    """A batch in latent space: source `c_I`, edited `x` in the denoiser's space, the edited frame before or None.

    `scene` is what else the denoiser is told of the source, or None.
    """

    source: Tensor
    edited: Tensor
    previous: Tensor | None
    scene: Tensor | None = None

    def repeated(self, times: int) -> Latents:
        """The batch so many times over."""
        parts = (self.source, self.edited, self.previous, self.scene)
        return Latents(*(None if part is None else part.repeat(times, 1, 1, 1) for part in parts))  # type: ignore[arg-type]


class Stage(ABC):
    """One stage of training.

    `parts` are trained, each by an optimizer of its own and in this order; `AVERAGED` are those that an average is kept
    of and that the checkpoint is made of. `frozen` networks only need a place on the device.
    """

    AVERAGED: tuple[str, ...]
    BETAS = (0.9, 0.999)
    """Of Adam."""

    def __init__(self, settings: StageSettings) -> None:
        self.settings = settings
        self.device = torch.device("cpu")
        self.parts: dict[str, nn.Module] = {}
        self.frozen: dict[str, nn.Module] = {}

    def place(self, device: torch.device) -> None:
        """Bring all networks to a device."""
        self.device = device
        for module in (*self.parts.values(), *self.frozen.values()):
            nn.Module.to(module, device)

    def prepare(self, data: SampleSource) -> None:
        """What is to be found out before the first step, of networks that are not trained and of samples."""
        del data

    def total_steps(self) -> int:
        """How many steps the stage takes."""
        return self.settings.steps

    def active(self, step: int) -> tuple[str, ...]:
        """The parts that step number `step` updates, in order."""
        del step
        return tuple(self.parts)

    def learning_rate(self, part: str, name: str, step: int) -> float:
        """The peak learning rate of a weight at a step, before warm-up and decay."""
        del part, name, step
        return self.settings.learning_rate

    def stored(self, part: str) -> dict[str, Tensor]:
        """The weights of a part that a saved state holds: those that are trained."""
        return {name: value for name, value in self.parts[part].named_parameters() if value.requires_grad}

    @abstractmethod
    def losses(self, batch: Any, draws: Draws, step: int) -> Iterator[Loss]:
        """One loss for each of `active(step)`, in order; a part is updated before the next one's loss is asked for."""

    @abstractmethod
    def save(self, folder: Path, name: str) -> None:
        """Write the checkpoint as the weights are now; `name` is what it calls itself."""

    def edit(self, batch: Any, text_scale: float, image_scale: float, seed: int) -> Tensor:
        """Pictures `(N, 3, S, S)` in [-1, 1] for a sample sheet; a stage without any sets `sample_every = 0`."""
        raise NotImplementedError


class EditorStage(Stage):
    """A stage of an editor, which begins with a checkpoint and ends with one that `movie edit` runs."""

    def __init__(self, settings: StageSettings, start: Start, conditioning: Conditioning) -> None:
        super().__init__(settings)
        self.start, self.conditioning = start, conditioning
        self.codec = start.codec
        self._pixel_scale = pixel_scale(self.codec.module)
        if isinstance(self.codec, PatchAdapter) and self.codec.regions is not None:
            self.frozen["regions"] = self.codec.regions
        self.frozen |= {"vae": self.codec.module.requires_grad_(False), "text": conditioning.module}

    def set_up(self, unet: Any) -> None:
        """Let a denoiser keep its activations or not, and learn whole or by low-rank layers, as the settings say."""
        if self.settings.gradient_checkpointing:
            unet.enable_gradient_checkpointing()
        if self.settings.lora_rank:
            train_low_rank(unet, self.settings.lora_rank)

    def pixel_errors(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Squared errors of latents, `(N,)`, each channel by what it amounts to in the picture."""
        scale = self._pixel_scale.to(self.device)
        return objectives.squared_errors(prediction * scale, target * scale)

    @abstractmethod
    def denoiser(self) -> tuple[nn.Module, SchedulerMixin, dict[str, Any]]:
        """The network to be saved, its scheduler, and the entries of `movie.json` that are the stage's own."""

    def save(self, folder: Path, name: str) -> None:
        """Write the checkpoint as the weights are now; `name` is what it calls itself."""
        unet, scheduler, facts = self.denoiser()
        text_encoder, tokenizer = self.conditioning.parts()
        regions = self.start.descriptor.folder / REGIONS_FOLDER
        known = self.start.descriptor
        common = {
            "name": name,
            "native_area": known.native_area,
            "size_multiple": known.size_multiple,
            "source_skip": known.source_skip,
            "licence": known.licence,
        }
        save_checkpoint(
            folder,
            plain_copy(unet),
            self.codec.module,
            text_encoder,
            tokenizer,
            scheduler,
            **(common | facts),
        )
        if regions.is_dir():
            shutil.copytree(regions, folder / REGIONS_FOLDER, dirs_exist_ok=True)

    @torch.no_grad()
    def edit(self, batch: SampleBatch, text_scale: float, image_scale: float, seed: int) -> Tensor:
        """Edited pictures `(N, 3, S, S)` in [-1, 1], as `movie edit` would make them now."""
        unet, scheduler, facts = self.denoiser()
        tokens = self.conditioning.tokens(batch, Draws(seed, batch.numbers, self.device))
        source = self.condition(batch)
        passes = 3 if facts["stage"] == "base" else 1
        edited = []
        for row in range(len(batch)):
            guidance = Guidance(
                tokens[row : row + 1], self.conditioning.null(1), text_scale, image_scale, passes, facts["steps"]
            )
            latents = sample(unet, scheduler, source[row : row + 1], seed, guidance, AnchorStore())
            edited.append(self.codec.decode(latents, batch.source[row : row + 1]))
        return torch.cat(edited)

    @torch.no_grad()
    def encoded(self, batch: SampleBatch, draws: Draws, unet: nn.Module) -> tuple[SampleBatch, Latents]:
        """The batch, moved where training is equivariant, and its latents; the frame before for a recurrent `unet`."""
        source, edited = batch.source, batch.edited
        if self.settings.equivariant:
            affines = small_affines(draws, self.settings.equivariant)
            still = torch.tensor([any(bank.BANK[name].gridded for name in edits or ()) for edits in batch.edits])
            affines[still] = torch.eye(2, 3, device=affines.device)
            source, edited = moved([source, edited], affines)
            scene = None if batch.scene is None else moved([batch.scene], affines)[0]
            batch = dataclasses.replace(batch, source=source, edited=edited, scene=scene)
        with torch.autocast(self.device.type, enabled=False):
            c_image = self.codec.encode(source)
            latents = self.codec.encode(edited) * self.codec.scaling
            previous = None
            if is_recurrent(unet):
                before = moved([edited], small_affines(draws, NEIGHBOUR))[0]
                first = draws.uniform() < self.settings.recurrent_dropout
                previous = self.codec.encode(before) * self.codec.scaling * ~first.view(-1, 1, 1, 1)
            scene = self.scene(batch)
        return batch, Latents(c_image, latents, previous, scene)

    def scene(self, batch: SampleBatch) -> Tensor | None:
        """What else than latents the denoiser is told of a batch's sources: the data's, or what its network sees."""
        regions = getattr(self.codec, "regions", None)
        if regions is None:
            return None
        return scene_of(regions, batch.source) if batch.scene is None else batch.scene

    def condition(self, batch: SampleBatch) -> Tensor:
        """The source condition of a batch, as `AutoencoderAdapter.condition` has it of whole pictures."""
        scene, latents = self.scene(batch), self.codec.encode(batch.source)
        return latents if scene is None else torch.cat([scene, latents], dim=1)


def joined(noised: Tensor, latents: Latents, seen: Tensor | float = 1.0) -> Tensor:
    """The denoiser's input: noisy latents, the edited frame before and the scene if it takes them, the source.

    `seen` `(N, 1, 1, 1)` is 0 where the image condition is dropped.
    """
    scene = None if latents.scene is None else latents.scene * seen
    parts = [noised, latents.previous, scene, latents.source * seen]
    return torch.cat([part for part in parts if part is not None], dim=1)


def pixel_scale(vae: Any) -> Tensor:
    """What a latent of each channel amounts to in the picture, `(1, C, 1, 1)` of mean square 1; ones if unknown."""
    if not isinstance(vae, PatchAutoencoder):
        return torch.ones(1, 1, 1, 1)
    energy = vae.decoder.weight.detach().square().sum(dim=(1, 2, 3))
    return (energy / energy.mean()).sqrt().view(1, -1, 1, 1)
