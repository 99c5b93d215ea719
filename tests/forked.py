"""Processes of the program that need not import torch first: forked from one that has.

Importing torch and diffusers takes longer than a small edit. A forked process runs the same code with a pid, signals
and an environment of its own; how the program begins is tried by the tests that start `MOVIE`.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest

from tools.command import PRELOAD, Child

ROOT = Path(__file__).resolve().parents[1]
BEGUN: list[int] = []
"""The workers of batches that were begun."""


class _Process(ForkServerProcess):
    """With the environment that there is where it is begun, and not where the server was."""

    def start(self):
        self._environment = dict(os.environ)
        super().start()
        BEGUN.append(self.pid)

    def run(self):
        os.environ.clear()
        os.environ.update(self._environment)
        multiprocessing.set_start_method(None, force=True)  # the system's own, not the server's
        super().run()


class _Context(ForkServerContext):
    Process = _Process


def get_context(method: str) -> ForkServerContext:
    """Stands in for `multiprocessing.get_context`."""
    assert method == "spawn"
    begin_server()
    return _Context()


def begin_server() -> None:
    """Start this process's server, which imports diffusers whole: no command decides for the next how it is."""
    if forkserver._forkserver._forkserver_pid is None:
        modules = ("diffusers", "movie_cli.batch.local", "movie_cli.backends.torch_backend", __name__)
        multiprocessing.get_context("forkserver").set_forkserver_preload([*modules, *PRELOAD])
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", str(ROOT))
            forkserver.ensure_running()


def started(folder: Path, *arguments: str, **environment: str) -> Child:
    """The program with settings of its own, in a folder."""
    begin_server()
    with contextlib.chdir(folder):
        return Child(arguments, environment={"MOVIE_HOME": str(folder / "home"), **environment})
