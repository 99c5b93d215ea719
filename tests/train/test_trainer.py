"""The shared loop: it goes on exactly after a kill, several processes do what one would, and nonsense stops it."""

from __future__ import annotations

import contextlib
import json
import math
import signal
import socket
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from movie_cli.errors import TrainingError, UsageError
from movie_cli.train.run import train
from movie_cli.train.run_folder import Average, load_state, optimizer_tensors, restore_optimizer, save_state, states
from movie_cli.train.samples import Share, batches
from movie_cli.train.settings import BaseSettings
from movie_cli.train.settings_file import read_settings
from movie_cli.train.trainer import rate_factor
from tests import tiny
from tests.forked import started
from tests.train import small
from tools.command import Child


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Photographs with their targets made, and a guided checkpoint for the stage with two optimizers."""
    folder = tmp_path_factory.mktemp("work")
    small.photos(folder / "photos")
    tiny.one_step(folder / "start")
    path = small.config(folder / "base.toml", "base", unet=small.UNET, extra="steps = 1\nsample_every = 0")
    changes = ["start=" + json.dumps(str(folder / "start")), "data.folder=" + json.dumps(str(folder / "photos"))]
    train("base", read_settings("base", str(path), changes), folder / "base", cpu=True, say=lambda text: None)
    path = small.config(folder / "guidance.toml", "guidance", extra="steps = 1\nsample_every = 0")
    changes[0] = "start=" + json.dumps(str(folder / "base" / "checkpoint"))
    train("guidance", read_settings("guidance", str(path), changes), folder / "guided", cpu=True, say=lambda text: None)
    extra = "steps = 12\nconversion_steps = 2\nsave_every = 3\nsample_every = 0\nema = 0.9\nwarmup = 4\nworkers = 1"
    small.config(folder / "mine.toml", "adversarial", extra=extra)
    return folder


def command(work: Path, run: str, *more: str) -> list[str]:
    start = str(work / "guided" / "checkpoint")
    config = ["-c", str(work / "mine.toml"), "--data", str(work / "photos"), "--cpu", "-q"]
    return ["train", "adversarial", start, *config, "-o", str(work / run), *more]


def begun(work: Path, run: str, *more: str, **environment: str) -> Child:
    return started(work, *command(work, run, *more), OMP_NUM_THREADS="1", **environment)


def weights(work: Path, run: str) -> dict[str, torch.Tensor]:
    latest = states(work / run / "state")[-1]
    step, tensors = load_state(latest)
    assert step == 14
    return {f"{kind}/{name}": value for kind, found in tensors.items() for name, value in found.items()}


@pytest.fixture(scope="module")
def whole(work):
    """The run that nobody disturbs."""
    with begun(work, "whole") as process:
        assert process.wait(200) == 0
    return weights(work, "whole")


def test_a_killed_run_goes_on_to_the_same_bits(work, whole):
    with begun(work, "killed") as process:
        deadline = time.monotonic() + 120
        while not states(work / "killed" / "state") and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    reached = load_state(states(work / "killed" / "state")[-1])[0]
    assert 0 < reached < 14
    with begun(work, "killed", "--resume") as process:
        assert process.wait(200) == 0
    found = weights(work, "killed")
    assert found.keys() == whole.keys()
    assert all(torch.equal(value, whole[name]) for name, value in found.items())
    for part in ("unet", "vae", "text_encoder"):
        name = Path("checkpoint") / part / "diffusion_pytorch_model.safetensors"
        ours, theirs = load_file(work / "killed" / name), load_file(work / "whole" / name)
        assert all(torch.equal(value, theirs[key]) for key, value in ours.items())
    steps = [json.loads(line)["step"] for line in (work / "killed" / "metrics.jsonl").read_text().splitlines()]
    assert steps == [2, 4, 6, 8, 10, 12, 14]


def test_a_run_whose_samples_stop_coming_says_so(work):
    psutil = pytest.importorskip("psutil")
    with begun(work, "starved", "--set", "steps=100000", "--set", "save_every=2") as process:
        deadline = time.monotonic() + 120
        while not states(work / "starved" / "state") and time.monotonic() < deadline:
            time.sleep(0.02)
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        said = process.communicate()[1]
    assert process.returncode == 1
    # A reader of the killed process that is ended later may have the last word.
    (error,) = (n for n, line in enumerate(said.splitlines()) if line.startswith("error: a process that makes samples"))
    assert "--resume" in said.splitlines()[error + 1]


def test_two_processes_do_what_one_does(work, whole):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "ACCELERATE_USE_CPU": "true"}
    ranks = ({"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2))
    with contextlib.ExitStack() as stack:
        both = [stack.enter_context(begun(work, "both", "--set", "micro_batch=1", **shared, **rank)) for rank in ranks]
        assert [process.wait(200) for process in both] == [0, 0]
    assert json.loads((work / "both" / "run.json").read_text())["processes"] == 2
    found = weights(work, "both")
    for name, value in found.items():
        if name.startswith(("weights/", "average/")):
            torch.testing.assert_close(value, whole[name], atol=2e-4, rtol=1e-3, msg=name)


def test_a_nan_stops_the_run_with_the_last_good_state(work, tmp_path, monkeypatch):
    from movie_cli.train.stages import base as module

    original, seen = module.objectives.squared_errors, []

    def sometimes(prediction, target):
        seen.append(1)
        return original(prediction, target) * (math.nan if len(seen) > 2 * 6 else 1.0)

    monkeypatch.setattr(module.objectives, "squared_errors", sometimes)
    path = small.config(tmp_path / "base.toml", "base", unet=small.UNET, extra="sample_every = 5")
    changes = ["start=" + json.dumps(str(work / "start")), "data.folder=" + json.dumps(str(work / "photos"))]
    settings = read_settings("base", str(path), changes)
    with pytest.raises(TrainingError, match="not a number at step 7") as caught:
        train("base", settings, tmp_path / "run", cpu=True, say=lambda text: None)
    assert "step-00000006" in str(caught.value)
    assert (tmp_path / "run" / "samples" / "step-00000005.png").exists()
    assert (tmp_path / "run" / "checkpoint" / "movie.json").exists()  # of the sheet
    assert "--resume" in caught.value.hint
    step, tensors = load_state(states(tmp_path / "run" / "state")[-1])
    assert step == 6
    assert all(torch.isfinite(value).all() for found in tensors.values() for value in found.values())
    monkeypatch.undo()
    train("base", settings, tmp_path / "run", resume=True, cpu=True, say=lambda text: None)
    assert (tmp_path / "run" / "checkpoint" / "movie.json").exists()


class Numbers:
    """A source whose samples are their numbers."""

    sequential = False

    def sample(self, number):
        from movie_cli.train.samples import Sample

        picture = torch.full((3, 2, 2), number / 100)
        return Sample(picture, picture, str(number), None, number)


def test_processes_share_every_step_without_overlap():
    seen = {process: list(batches(Numbers(), Share(12, 2, process, 2), 3, 5, 0)) for process in range(2)}
    per_step = [[number for batch in seen[process][:3] for number in batch.numbers] for process in range(2)]
    assert sorted(per_step[0] + per_step[1]) == list(range(36, 48))
    with pytest.raises(UsageError, match="batch of 12 is not a multiple of 5 at once on 2 devices"):
        Share(12, 5, 0, 2)


def test_average_by_hand():
    weight = torch.tensor([1.0])
    average = Average({"w": weight}, 0.5)
    weight.fill_(2.0)
    average.update(0)  # decay 1/10
    assert average.values["w"].item() == pytest.approx(1 * 0.1 + 2 * 0.9)
    average.update(1000)  # decay 0.5
    assert average.values["w"].item() == pytest.approx((1.9 + 2) / 2)
    with average.applied():
        assert weight.item() == pytest.approx(1.95)
    assert weight.item() == 2.0


def test_rate_by_hand():
    settings = BaseSettings(warmup=4, decay="cosine")
    assert [rate_factor(step, 104, settings) for step in (0, 3, 4)] == [0.25, 1.0, 1.0]
    assert rate_factor(54, 104, settings) == pytest.approx(0.02 + 0.98 / 2)
    assert rate_factor(500, 1000, BaseSettings()) == 1.0


def test_optimizers_come_back_whole(tmp_path):
    def trained(steps, state=None):
        torch.manual_seed(0)
        layer = nn.Linear(3, 2)
        names = {id(value): name for name, value in layer.named_parameters()}
        optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1)
        first = 0
        if state is not None:
            first, tensors = load_state(state)
            layer.load_state_dict(tensors["weights"])
            restore_optimizer(optimizer, names, tensors["optimizer"])
        for step in range(first, steps):
            optimizer.zero_grad()
            layer(torch.full((1, 3), float(step))).square().sum().backward()
            optimizer.step()
        return layer.state_dict(), optimizer_tensors(optimizer, names)

    half, slots = trained(3)
    for step in (1, 2, 3):
        path = save_state(tmp_path, step, {"weights": half, "average": {}, "optimizer": slots})
    assert [found.name for found in states(tmp_path)] == ["step-00000002", "step-00000003"]
    ours, theirs = trained(6, path)[0], trained(6)[0]
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
