"""The loop that all stages share: accumulate, reduce over processes, update, average, log, save, go on after a kill.

Gradients are summed over processes here and not by wrapped modules, so that a stage may call its networks as it likes
and several processes do what one would.
"""

from __future__ import annotations

import math
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from movie_cli.errors import TrainingError
from movie_cli.recipe import DEFAULT_IMAGE_SCALE, DEFAULT_TEXT_SCALE
from movie_cli.train.run_folder import Average, RunFolder, load_state, optimizer_tensors, restore_optimizer, save_state
from movie_cli.train.samples import Draws, SampleBatch, SampleSource, Share, batches, seed_of, stacking
from movie_cli.train.settings import StageSettings
from movie_cli.train.stages import Loss, Stage

BUCKET = 2**26
"""Gradients are reduced in pieces of about this many values."""
SHEET_SAMPLES = 4
Say = Callable[[str], None]


class Trainer:
    """One run of one stage in one process of possibly several."""

    def __init__(
        self, stage: Stage, data: SampleSource, folder: RunFolder, accelerator: Accelerator, say: Say, bar: bool
    ) -> None:
        self.stage, self.data, self.folder, self.accelerator = stage, data, folder, accelerator
        self.settings: StageSettings = stage.settings
        self._say, self._bar = say, bar
        self.share = Share(
            self.settings.batch, self.settings.micro_batch, accelerator.process_index, accelerator.num_processes
        )
        stage.place(accelerator.device)
        self._weights = {
            part: {name: value for name, value in module.named_parameters() if value.requires_grad}
            for part, module in stage.parts.items()
        }
        self._names = {
            id(value): f"{part}/{name}" for part, weights in self._weights.items() for name, value in weights.items()
        }
        self.optimizers = {part: self._optimizer(part) for part in stage.parts}
        averaged = {f"{part}/{name}": value for part in stage.AVERAGED for name, value in self._weights[part].items()}
        self.average = Average(averaged, self.settings.ema)
        self._sums: dict[str, list[Tensor]] = defaultdict(list)

    def run(self) -> None:
        """Train to the last step, from the latest state if there is one; writes the checkpoint at the end.

        Raises:
            TrainingError: a loss or gradient is not a number; the last good state is on disk.
        """
        step, total = self._restore(), self.stage.total_steps()
        main, settings = self.accelerator.is_main_process, self.settings
        if main:
            self.folder.begin(step, self.accelerator.num_processes, str(self.accelerator.device))
        pin = self.accelerator.device.type == "cuda"
        with self.accelerator.autocast():
            self.stage.prepare(self.data)
        stream = batches(self.data, self.share, step, total, settings.workers, pin)
        with tqdm(initial=step, total=total, unit="step", disable=None if main and self._bar else True) as bar:
            for number in range(step, total):
                self._step(number, [next(stream) for _ in range(self.share.micro_batches)])
                done = number + 1
                bar.update()
                if done % settings.log_every == 0 or done == total:
                    self._log(done, bar)
                if done % settings.save_every == 0 or done == total:
                    self._save(done)
                if settings.sample_every and (done % settings.sample_every == 0 or done == total):
                    self._look(done)
        if main:
            with self.average.applied():
                self._save_checkpoint()
            self.folder.log("finished")
            self.folder.close()
        self.accelerator.wait_for_everyone()

    def _step(self, number: int, micro_batches: Sequence[SampleBatch]) -> None:
        settings, device = self.settings, self.accelerator.device
        torch.manual_seed(seed_of("step", settings.seed, number, self.accelerator.process_index))
        pending: list[Iterator[Loss]] = [
            self.stage.losses(batch.to(device), Draws(settings.seed, batch.numbers, device), number)
            for batch in micro_batches
        ]
        for part in self.stage.active(number):
            optimizer = self.optimizers[part]
            optimizer.zero_grad(set_to_none=True)
            for losses in pending:
                with self.accelerator.autocast():
                    loss = next(losses)
                self.accelerator.backward(loss.total / len(pending))
                for name, value in loss.metrics.items():
                    self._sums[f"{part}/{name}"].append(value.detach())
            weights = list(self._weights[part].values())
            self._reduce(weights)
            norm = torch.nn.utils.clip_grad_norm_(weights, settings.clip or math.inf)
            if not torch.isfinite(norm):
                self._stop(part, number)
            self._sums[f"{part}/gradient_norm"].append(norm.detach())
            self._set_rates(part, number)
            optimizer.step()
        for losses in pending:
            losses.close()  # type: ignore[attr-defined]
        self.average.update(number)

    def _reduce(self, weights: Sequence[Tensor]) -> None:
        """Bring every process's gradients to their mean."""
        if self.accelerator.num_processes == 1:
            return
        bucket: list[Tensor] = []
        for index, weight in enumerate(weights):
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
            bucket.append(weight.grad)
            if sum(one.numel() for one in bucket) >= BUCKET or index + 1 == len(weights):
                flat: Any = self.accelerator.reduce(torch.cat([one.flatten() for one in bucket]), "mean")
                for one, piece in zip(bucket, flat.split([one.numel() for one in bucket]), strict=True):
                    one.copy_(piece.view_as(one))
                bucket = []

    def _optimizer(self, part: str) -> torch.optim.Optimizer:
        groups: dict[float, list[str]] = defaultdict(list)
        for name in self._weights[part]:
            groups[self.stage.learning_rate(part, name, 0)].append(name)
        return torch.optim.AdamW(
            [
                {"params": [self._weights[part][name] for name in names], "name": names[0], "lr": rate}
                for rate, names in groups.items()
            ],
            betas=self.stage.BETAS,
            weight_decay=self.settings.weight_decay,
        )

    def _set_rates(self, part: str, number: int) -> None:
        for group in self.optimizers[part].param_groups:
            peak = self.stage.learning_rate(part, group["name"], number)
            group["lr"] = peak * rate_factor(number, self.stage.total_steps(), self.settings)

    def _stop(self, part: str, number: int) -> None:
        """Nothing of this step has reached the part's weights: they are the last good ones."""
        if part == self.stage.active(number)[0]:
            self._save(number)
        latest = self.folder.latest_state()
        where = f"the state in {latest} is good" if latest else "no state was saved"
        if self.accelerator.is_main_process:
            self.folder.log(f"step {number + 1}: the gradient of {part} is not finite; {where}")
        raise TrainingError(
            f"the loss of {part} is not a number at step {number + 1}; {where}",
            "go on with --resume and a lower rate, such as --set learning_rate=5e-6",
        )

    def _log(self, done: int, bar: Any) -> None:
        names = sorted(self._sums)
        means = torch.stack([torch.stack(self._sums[name]).float().mean() for name in names])
        means = torch.as_tensor(self.accelerator.reduce(means, "mean"))
        self._sums.clear()
        values = dict(zip(names, means.tolist(), strict=True))
        for part in self.stage.active(done - 1):
            values[f"{part}/learning_rate"] = self.optimizers[part].param_groups[0]["lr"]
        if self.accelerator.is_main_process:
            self.folder.write_metrics(done, values)
            shown = {name: f"{value:.4g}" for name, value in values.items() if not name.endswith(("norm", "rate"))}
            bar.set_postfix(shown, refresh=False)
            if done % self.settings.save_every == 0 or done == self.stage.total_steps():
                text = f"step {done}: " + ", ".join(f"{name} {value}" for name, value in shown.items())
                self.folder.log(text)
                self._say(text)

    def _save(self, done: int) -> None:
        if self.accelerator.is_main_process:
            weights = {
                f"{part}/{name}": value for part in self.stage.parts for name, value in self.stage.stored(part).items()
            }
            optimizer: dict[str, Tensor] = {}
            for one in self.optimizers.values():
                optimizer |= optimizer_tensors(one, self._names)
            tensors = {"weights": weights, "average": self.average.values, "optimizer": optimizer}
            save_state(self.folder.state, done, tensors)
        self.accelerator.wait_for_everyone()

    @torch.no_grad()
    def _restore(self) -> int:
        latest = self.folder.latest_state()
        if latest is None:
            return 0
        step, tensors = load_state(latest)
        for part in self.stage.parts:
            for name, value in self.stage.stored(part).items():
                value.copy_(tensors["weights"][f"{part}/{name}"])
        for name, value in self.average.values.items():
            value.copy_(tensors["average"][name])
        for one in self.optimizers.values():
            restore_optimizer(one, self._names, tensors["optimizer"])
        return step

    def _look(self, done: int) -> None:
        """Write a sample sheet, and before the end the checkpoint it was made with."""
        if self.accelerator.is_main_process:
            batch = stacking(self.data)(self.data.held_out(SHEET_SAMPLES)).to(self.accelerator.device)
            with self.average.applied():
                sheet = self.folder.root / "samples" / f"step-{done:08d}.png"
                write_sheet(sheet, self.stage, batch, self.settings.seed)
                if done < self.stage.total_steps():  # the last one is written when the run ends
                    self._save_checkpoint()
        self.accelerator.wait_for_everyone()

    def _save_checkpoint(self) -> None:
        made = self.folder.root / ".checkpoint.partial"
        shutil.rmtree(made, ignore_errors=True)
        self.stage.save(made, self.folder.root.resolve().name)
        self.folder.replace_checkpoint(made)


def rate_factor(step: int, total: int, settings: StageSettings) -> float:
    """What the peak learning rate is multiplied with at a step: linear warm-up, then constant or a cosine to 2 %."""
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    if settings.decay == "constant":
        return 1.0
    progress = (step - settings.warmup) / max(1, total - settings.warmup)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress))


def write_sheet(path: Path, stage: Stage, batch: SampleBatch, seed: int) -> None:
    """Write a sheet as PNG, a row a sample: source, the data's edited picture, the stage's at the usual scales.

    Beside it a text with the instructions, a line a row.
    """
    made = stage.edit(batch, DEFAULT_TEXT_SCALE, DEFAULT_IMAGE_SCALE, seed)
    columns = torch.cat([batch.source, batch.edited, made.to(batch.source)], dim=3)
    pixels = ((columns.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(list(pixels))).save(path)
    path.with_suffix(".txt").write_text("".join(f"{text}\n" for text in batch.instructions), encoding="utf-8")
