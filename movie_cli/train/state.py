"""What a run keeps: the exponential average of its weights, and what a killed run goes on from.

A state holds weights, average, optimizers and the step, in safetensors and JSON. There is no random state to save:
every draw follows from the seed and a sample's number, and the global generators are seeded anew at every step. A
state appears under its name only when it is whole.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from movie_cli.errors import ModelError


class Average:
    """Float32 copies of weights, by name. Early on it follows faster, so that the beginning is forgotten."""

    def __init__(self, weights: Mapping[str, Tensor], decay: float) -> None:
        self._weights = dict(weights)
        self._decay = decay
        self.values = {name: value.detach().float().clone() for name, value in weights.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the weights after step number `step`, from 0: by `1 - min(decay, (1 + step) / (10 + step))`."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, value in self._weights.items():
            self.values[name].lerp_(value.detach().float(), 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the average in the weights' place for a while."""
        kept = {name: value.detach().clone() for name, value in self._weights.items()}
        self._fill(self.values)
        try:
            yield
        finally:
            self._fill(kept)

    @torch.no_grad()
    def _fill(self, values: Mapping[str, Tensor]) -> None:
        for name, value in values.items():
            self._weights[name].copy_(value)


FORMAT = 1
KEPT = 2
"""How many of the latest states stay on disk."""
_FILES = ("weights", "average", "optimizer")
_PREFIX = "step-"


def save_state(folder: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]]) -> Path:
    """Write the state after `step` steps below `folder`; the ones before the last two are removed.

    `tensors` holds, under each of `weights`, `average` and `optimizer`, tensors by name.
    """
    target = folder / f"{_PREFIX}{step:08d}"
    partial = folder / f".{target.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name in _FILES:
        path = partial / f"{name}.safetensors"
        save_file({key: value.detach().contiguous().cpu() for key, value in tensors[name].items()}, path)
        _to_disk(path)
    path = partial / "state.json"
    path.write_text(json.dumps({"format": FORMAT, "step": step}) + "\n", encoding="utf-8")
    _to_disk(path)
    shutil.rmtree(target, ignore_errors=True)
    partial.replace(target)
    for old in states(folder)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def states(folder: Path) -> list[Path]:
    """The whole states below `folder`, the latest last."""
    return sorted(path for path in folder.glob(f"{_PREFIX}*") if (path / "state.json").is_file())


def load_state(path: Path) -> tuple[int, dict[str, dict[str, Tensor]]]:
    """The step and the tensors that `save_state` wrote.

    Raises:
        ModelError: a file is missing or damaged.
    """
    try:
        step = int(json.loads((path / "state.json").read_text(encoding="utf-8"))["step"])
        return step, {name: load_file(path / f"{name}.safetensors") for name in _FILES}
    except Exception as error:  # safetensors raises its own bare Exception
        raise ModelError(f"{path} cannot be read: {error}", "remove it, to go on from the state before") from error


def optimizer_tensors(optimizer: torch.optim.Optimizer, names: Mapping[int, str]) -> dict[str, Tensor]:
    """An optimizer's state as tensors by `weight/slot`; `names` gives a weight's name by its `id`."""
    found = {}
    for weight, slots in optimizer.state.items():
        for slot, value in slots.items():
            found[f"{names[id(weight)]}/{slot}"] = torch.as_tensor(value)
    return found


def restore_optimizer(
    optimizer: torch.optim.Optimizer, names: Mapping[int, str], tensors: Mapping[str, Tensor]
) -> None:
    """Put back what `optimizer_tensors` gave."""
    slots: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        name, slot = key.rsplit("/", 1)
        slots.setdefault(name, {})[slot] = value
    for group in optimizer.param_groups:
        for weight in group["params"]:
            state: Any = slots.get(names[id(weight)])
            if state:
                # The count of steps stays on the CPU, as the optimizer itself keeps it.
                optimizer.state[weight] = {
                    slot: value.clone() if slot == "step" else value.to(weight.device, copy=True)
                    for slot, value in state.items()
                }


def _to_disk(path: Path) -> None:
    """Bring a file to the disk before its folder gets its name: a power cut must not leave a name without content."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
