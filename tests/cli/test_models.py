"""`movie models pull|verify` through their entry point, against a Hub on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests import tiny
from tests.checkpoints.hub_server import COMMIT, Hub
from tests.cli.running import Finished, assert_refused

COMMANDS = """
import contextlib, io, json, sys
from movie_cli.cli import main
for line in sys.stdin:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(json.loads(line))
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""
"""Runs each line of its input as the words after `movie`."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub") / "repository"
    tiny.instruct_pix2pix(folder)
    # What is not wanted: pickles and whole checkpoints.
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"x" * 999)
    (folder / "v1-5-pruned.ckpt").write_bytes(b"x" * 999)
    server = Hub(folder)
    yield server
    server.shutdown()


@pytest.fixture
def run(tmp_path):
    """Run commands one after the other in a process for each hub: its client reads the address when it is imported."""
    running: dict[str, subprocess.Popen[str]] = {}

    def run(hub, *arguments):
        address = hub.address if hub is not None else "http://127.0.0.1:9"
        if address not in running:
            places = {"HF_HOME": str(tmp_path / "hf"), "HF_ENDPOINT": address, "MOVIE_HOME": str(tmp_path / "home")}
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            running[address] = subprocess.Popen([sys.executable, "-c", COMMANDS], env=os.environ | places, **pipes)
        process = running[address]
        print(json.dumps(arguments), file=process.stdin, flush=True)
        return Finished(*json.loads(process.stdout.readline()))

    yield run
    for process in running.values():
        process.kill()
        process.communicate()


def test_a_model_is_fetched_pinned_and_used_offline(tmp_path, hub, run):
    done = run(hub, "models", "pull", "owner/name@v1", "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["revision"] == COMMIT
    assert sum(line.get("against") == "the Hub" for line in lines) == 3
    assert not any(name.endswith((".bin", ".ckpt")) for name in hub.asked)
    before = len(hub.asked)
    again = run(hub, "models", "pull", "owner/name@v1")
    assert again.returncode == 0, again.stderr
    assert len(hub.asked) == before
    shown = run(hub, "models", "show", "owner/name@v1", "--offline")
    assert shown.returncode == 0, shown.stderr
    assert "20 steps of 3 passes" in shown.stdout
    unet = tmp_path / "hf" / "hub" / "models--owner--name" / "snapshots" / COMMIT / "unet"
    file = unet / "diffusion_pytorch_model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.resolve().write_bytes(data)
    damaged = run(hub, "models", "verify", "owner/name@v1")
    assert_refused(damaged, 4, "is not what the Hub says")
    assert len(hub.asked) == before


def test_an_interrupted_download_goes_on(hub, run):
    name = "vae/diffusion_pytorch_model.safetensors"
    hub.broken.add(name)
    assert_refused(run(hub, "models", "pull", "owner/name"), 4, "does not answer")
    hub.broken.clear()
    fetched = {file for file in hub.asked if file != name}
    hub.asked.clear()
    done = run(hub, "models", "pull", "owner/name")
    assert done.returncode == 0, done.stderr
    assert name in hub.asked
    assert not fetched & set(hub.asked)


def test_what_cannot_be_fetched(tmp_path, hub, run):
    assert_refused(run(hub, "models", "pull", "owner/name@v9"), 4, "no revision v9")
    assert_refused(run(hub, "models", "pull", "owner/other"), 4, "there is no model owner/other")
    assert_refused(run(hub, "models", "pull", "./folder"), 2, "not a name on the Hub")
    assert_refused(run(None, "models", "pull", "owner/name"), 4, "does not answer")
    (tmp_path / "hf").write_text("no folder")
    assert_refused(run(hub, "models", "pull", "owner/name"), 7, "cannot be kept")


def test_a_folder_is_verified(movie, tmp_path):
    folder = tiny.one_step(tmp_path / "model")
    done = movie("models", "verify", str(folder))
    assert done.returncode == 0, done.stderr
    assert "files are whole" in done.stdout
    listed = [line.split("  ")[:2] for line in done.stdout.splitlines()[:-1]]
    (folder / "SHA256SUMS").write_text("".join(f"{digest}  ./{name}\n" for digest, name in listed))
    assert f"{len(listed)} with a known hash" in movie("models", "verify", str(folder)).stdout
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    values = load_file(weights)
    first = next(iter(values))
    save_file(values | {first: torch.full_like(values[first], torch.nan)}, weights)
    assert_refused(movie("models", "verify", str(folder)), 4, "is not what SHA256SUMS says")
    (folder / "SHA256SUMS").unlink()
    assert_refused(movie("models", "verify", str(folder)), 4, first, "not finite")


def test_the_embedded_model_is_whole(movie):
    assert movie("models", "verify", "nano").returncode == 0
