"""A run's folder: configuration, code version, log, metrics, sample sheets, states and the checkpoint.

run.json        stage, settings, seed, versions, processes
log.txt         what happened when
metrics.jsonl   one line every `log_every` steps; the same in tensorboard/
samples/        a sheet every `sample_every` steps: source, wanted, made
state/          what a killed run goes on from
checkpoint/     what `movie edit --model` runs

A state holds weights, average, optimizers and the step, in safetensors and JSON. There is no random state to save:
every draw follows from the seed and a sample's number, and the global generators are seeded anew at every step. A
state appears under its name only when it is whole.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from movie_cli.checkpoints.diffusers_parts import write_json
from movie_cli.errors import ModelError, OutputError, UsageError
from movie_cli.train.settings import CHANGEABLE, StageSettings
from movie_cli.train.settings_file import to_values

RUN = "run.json"
WORK = frozenset({"stills", "targets"})
"""What a check of the data may have left, and a run may find."""
LIBRARIES = ("torch", "diffusers", "accelerate", "safetensors")


class RunFolder:
    """The files of one run. Only the main process writes, and checks what is there (`check`).

    Raises:
        UsageError: the folder holds a run already and `resume` is false, holds none and it is true, or holds one of
            another configuration.
        OutputError: the folder cannot be made.
    """

    def __init__(self, root: Path, stage: str, settings: StageSettings, resume: bool, check: bool = True) -> None:
        self.root = root
        self.checkpoint = root / "checkpoint"
        self.state = root / "state"
        self._metrics = root / "metrics.jsonl"
        self._began = time.monotonic()
        self._board: Any = None
        self._values: dict[str, Any] = {"stage": stage, "settings": to_values(settings)}
        if check:
            self._check(stage, settings, resume)

    def _check(self, stage: str, settings: StageSettings, resume: bool) -> None:
        root = self.root
        exists = (root / RUN).exists()
        if exists and not resume:
            raise UsageError(f"{root} holds a run already", "--resume goes on with it; or choose another folder")
        if resume and not exists:
            raise UsageError(f"{root} holds no run to go on with", "leave out --resume")
        if exists:
            self._check_same(stage, settings)
        elif root.exists() and (not root.is_dir() or any(path.name not in WORK for path in root.iterdir())):
            raise UsageError(f"{root} is not an empty folder", "choose another folder")

    def latest_state(self) -> Path | None:
        """The state to go on from, if there is one."""
        found = states(self.state)
        return found[-1] if found else None

    def begin(self, step: int, processes: int, device: str) -> None:
        """Make the folder, or go on in it from `step`: lines of metrics after that step are dropped."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            facts = {"seed": self._values["settings"]["seed"], "processes": processes, "device": device}
            write_json(self.root / RUN, self._values | facts | {"versions": versions()})
        except OSError as error:
            raise OutputError(f"{self.root} cannot be written: {error.strerror}", "choose another folder") from error
        if self._metrics.exists():
            lines = self._metrics.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if _step_of(line) <= step]
            self._metrics.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self.log("tensorboard is not installed: metrics.jsonl alone is written")
        else:
            self._board = SummaryWriter(str(self.root / "tensorboard"), purge_step=step)
        self.log(f"{self._values['stage']}, step {step}, {processes} processes on {device}")

    def log(self, text: str) -> None:
        """Write a line with the time before it."""
        with (self.root / "log.txt").open("a", encoding="utf-8") as stream:
            stream.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")

    def write_metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Write one line after `step` steps."""
        line = {"step": step, "seconds": round(time.monotonic() - self._began, 2), **values}
        with self._metrics.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def replace_checkpoint(self, made: Path) -> None:
        """Give a whole new checkpoint, made beside, its name."""
        old = self.root / ".checkpoint.old"
        shutil.rmtree(old, ignore_errors=True)
        if self.checkpoint.exists():
            self.checkpoint.replace(old)
        made.replace(self.checkpoint)
        shutil.rmtree(old, ignore_errors=True)

    def close(self) -> None:
        """Finish what is open."""
        if self._board is not None:
            self._board.close()

    def _check_same(self, stage: str, settings: StageSettings) -> None:
        path = self.root / RUN
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
            known = before["settings"]
            same_stage = before["stage"] == stage
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path} cannot be read: {error}", "choose another folder") from error
        if not same_stage:
            raise UsageError(f"{self.root} holds a run of {before['stage']}, not of {stage}", "choose another folder")
        values = to_values(settings)
        changed = sorted(key for key in values if key not in CHANGEABLE and values[key] != known.get(key))
        if changed:
            raise UsageError(
                f"{self.root} was begun with another {', '.join(changed)}",
                "go on with the same configuration; only rates, steps and intervals may change",
            )


def versions() -> dict[str, str]:
    """Movie's version, its commit where it runs from a checkout, and those of the libraries that compute."""
    found = {name: importlib.metadata.version(name) for name in LIBRARIES}
    return {"movie": _own_version(), **found, "commit": _commit(), "threads": str(torch.get_num_threads())}


def _own_version() -> str:
    try:
        return importlib.metadata.version("movie-cli")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _commit() -> str:
    command: Sequence[str] = ("git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40")
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return found.stdout.strip() or "unknown"


def _step_of(line: str) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return 2**62  # a line that was cut off goes, too


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
