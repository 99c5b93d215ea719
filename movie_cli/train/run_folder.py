"""A run's folder: configuration, code version, log, metrics, sample sheets, states and the checkpoint.

run.json        stage, settings, seed, versions, processes
log.txt         what happened when
metrics.jsonl   one line every `log_every` steps; the same in tensorboard/
samples/        a sheet every `sample_every` steps: source, wanted, made
state/          what a killed run goes on from
checkpoint/     what `movie edit --model` runs
"""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from movie_cli.checkpoints.diffusers_parts import write_json
from movie_cli.errors import OutputError, UsageError
from movie_cli.train.settings import CHANGEABLE, StageSettings
from movie_cli.train.settings_file import to_values
from movie_cli.train.state import states

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
