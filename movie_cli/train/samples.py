"""Samples by number: what a training sample is, how samples become batches, who sees which, and what is drawn for them.

Sample `i` is the same whoever asks for it, and so is all randomness: it depends on the seed and on a sample's number
alone. A resumed run and a run of several processes see the same data in the same order, and there is no random state
to save. Numbers are drawn on the CPU, so that every device trains on the same ones.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from movie_cli.errors import UsageError


def seed_of(*parts: object) -> int:
    """A seed in [0, 2**63) from any values, alike on every machine."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


def rng_of(*parts: object) -> random.Random:
    """Python's generator from any values."""
    return random.Random(seed_of(*parts))  # noqa: S311  (nothing secret is drawn)


class Draws:
    """One generator a sample; each call draws the next number for every sample of a batch.

    `generators` are for schedulers that draw their own noise.
    """

    def __init__(self, seed: int, numbers: Sequence[int], device: torch.device | str = "cpu") -> None:
        self.generators = [torch.Generator().manual_seed(seed_of("draws", seed, number)) for number in numbers]
        self._device = device

    def normal(self, *shape: int) -> Tensor:
        """Standard normal values `(N, *shape)`, float32."""
        return torch.stack([torch.randn(shape, generator=one) for one in self.generators]).to(self._device)

    def uniform(self, low: float = 0.0, high: float = 1.0, shape: Sequence[int] = ()) -> Tensor:
        """Values `(N, *shape)` in [low, high), float32."""
        drawn = torch.stack([torch.rand(tuple(shape), generator=one) for one in self.generators])
        return (low + (high - low) * drawn).to(self._device)

    def whole(self, below: int) -> Tensor:
        """Whole numbers `(N,)` in [0, below), int64."""
        return torch.cat([torch.randint(below, (1,), generator=one) for one in self.generators]).to(self._device)


@dataclass(frozen=True)
class Sample:
    """Crops `(3, S, S)` in [0, 1] and the instruction; `edits` names it in the bank's words, None if it has none.

    `scales`, text scale first, are those that the edited picture is as strong as; None where that is not known.
    `scene` `(16, S/8, S/8)` in [0, 1] is what is where and how high up, where a denoiser is told (`models/scene.py`).
    """

    source: Tensor
    edited: Tensor
    instruction: str
    edits: tuple[str, ...] | None
    number: int
    scales: tuple[float, float] | None = None
    scene: Tensor | None = None


@dataclass(frozen=True)
class SampleBatch:
    """Samples side by side: pictures `(N, 3, S, S)` in [-1, 1], scales `(N, 2)` and scenes if all are known."""

    source: Tensor
    edited: Tensor
    instructions: list[str]
    edits: list[tuple[str, ...] | None]
    numbers: list[int]
    scales: Tensor | None = None
    scene: Tensor | None = None

    def to(self, device: torch.device) -> SampleBatch:
        """The same with its pictures on a device."""
        return replace(
            self,
            source=self.source.to(device, non_blocking=True),
            edited=self.edited.to(device, non_blocking=True),
            scales=None if self.scales is None else self.scales.to(device),
            scene=None if self.scene is None else self.scene.to(device),
        )

    def __len__(self) -> int:
        return len(self.numbers)


class SampleSource(Protocol):
    """Endless samples by number. `sequential` sources are fastest when asked in ascending order by one worker."""

    sequential: bool

    def sample(self, number: int) -> Sample:
        """Sample `number`, from 0."""
        ...

    def held_out(self, count: int) -> list[Sample]:
        """Up to `count` samples for looking at, kept out of training where the source can."""
        ...


def collate(samples: Sequence[Sample]) -> SampleBatch:
    """Stack samples."""
    scales = [sample.scales for sample in samples if sample.scales is not None]
    scenes = [sample.scene for sample in samples if sample.scene is not None]
    return SampleBatch(
        torch.stack([sample.source for sample in samples]) * 2 - 1,
        torch.stack([sample.edited for sample in samples]) * 2 - 1,
        [sample.instruction for sample in samples],
        [sample.edits for sample in samples],
        [sample.number for sample in samples],
        torch.tensor(scales) if len(scales) == len(samples) else None,
        torch.stack(scenes) if len(scenes) == len(samples) else None,
    )


def stacking(source: Any) -> Callable[[Sequence[Any]], Any]:
    """How a source's samples become a batch: its own `collate` where it has one."""
    found: Callable[[Sequence[Any]], Any] = getattr(source, "collate", collate)
    return found


@dataclass(frozen=True)
class Share:
    """Which samples of every step are one process's: `batch` in all, `micro_batch` at once, of `processes`.

    Raises:
        UsageError: the batch cannot be divided so.
    """

    batch: int
    micro_batch: int
    process: int = 0
    processes: int = 1

    def __post_init__(self) -> None:
        if self.batch % (self.micro_batch * self.processes):
            raise UsageError(
                f"a batch of {self.batch} is not a multiple of {self.micro_batch} at once on {self.processes} devices",
                "change batch or micro_batch",
            )

    @property
    def micro_batches(self) -> int:
        """How many of them a process accumulates for a step."""
        return self.batch // (self.micro_batch * self.processes)

    def numbers(self, step: int) -> list[list[int]]:
        """This process's sample numbers at a step, one list a micro-batch."""
        own = self.batch // self.processes
        first = step * self.batch + self.process * own
        return [list(range(at, at + self.micro_batch)) for at in range(first, first + own, self.micro_batch)]


class _Numbers(torch.utils.data.Sampler[list[int]]):
    def __init__(self, share: Share, first_step: int, last_step: int) -> None:
        self._lists = (share, range(first_step, last_step))

    def __iter__(self) -> Iterator[list[int]]:
        share, steps = self._lists
        for step in steps:
            yield from share.numbers(step)


class _ByNumber(Dataset[Sample]):
    def __init__(self, source: SampleSource) -> None:
        self._source = source

    def __getitem__(self, number: int) -> Sample:
        if torch.utils.data.get_worker_info() is not None:
            torch.set_num_threads(1)
        return self._source.sample(number)


class _InOrder(IterableDataset[SampleBatch]):
    def __init__(self, source: SampleSource, numbers: _Numbers) -> None:
        self._source, self._numbers = source, numbers

    def __iter__(self) -> Iterator[SampleBatch]:
        for numbers in self._numbers:
            yield collate([self._source.sample(number) for number in numbers])


def batches(
    source: SampleSource, share: Share, first_step: int, last_step: int, workers: int, pin: bool = False
) -> Iterator[SampleBatch]:
    """This process's micro-batches from `first_step` up to `last_step`, made by `workers` processes (0: this one)."""
    numbers = _Numbers(share, first_step, last_step)
    if source.sequential:
        loader: DataLoader[SampleBatch] = DataLoader(
            _InOrder(source, numbers), batch_size=None, num_workers=min(workers, 1), pin_memory=pin
        )
    else:
        loader = DataLoader(
            _ByNumber(source),  # type: ignore[arg-type]
            batch_sampler=numbers,
            collate_fn=stacking(source),
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            pin_memory=pin,
        )
    return iter(loader)
