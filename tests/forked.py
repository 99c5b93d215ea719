"""Processes of the program that need not import torch first: forked from one that has.

Importing torch and diffusers takes longer than a small edit. A forked process runs the same code with a pid, signals
and an environment of its own; how the program begins is tried by the tests that start `MOVIE`. `started` gives such a
process, `program` a command that begins one, for terminals and for programs that start others.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
from multiprocessing import connection, forkserver, reduction
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest

from tools.command import PRELOAD, Child

ROOT = Path(__file__).resolve().parents[1]
BEGUN: list[int] = []
"""The processes that were begun, workers of batches for one."""


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
        ours = ("batch.local", "backends.torch_backend", "train.run")
        modules = ("diffusers", *(f"movie_cli.{name}" for name in ours), __name__)
        multiprocessing.get_context("forkserver").set_forkserver_preload([*modules, *PRELOAD])
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", str(ROOT))
            forkserver.ensure_running()


def started(folder: Path, *arguments: str, **environment: str) -> Child:
    """The program with settings of its own, in a folder."""
    begin_server()
    with contextlib.chdir(folder):
        return Child(arguments, environment={"MOVIE_HOME": str(folder / "home"), **environment})


@functools.cache
def program() -> list[str]:
    """The words before the program's arguments, as `tests.cli.running.MOVIE`, of a program that is forked."""
    begin_server()
    folder = tempfile.TemporaryDirectory(prefix="movie-door-")
    atexit.register(folder.cleanup)
    path = f"{folder.name}/door"
    door = socket.create_server(path, family=socket.AF_UNIX)
    threading.Thread(target=_keep, args=(door,), daemon=True).start()
    return [sys.executable, "-IS", str(ROOT / "tests" / "forked_program.py"), path]


def _keep(door: socket.socket) -> None:
    while True:
        caller, _ = door.accept()
        threading.Thread(target=_serve, args=(caller,), daemon=True).start()


def _serve(caller: socket.socket) -> None:
    """Fork a process for a caller, hand it the caller's signals, and tell how it ended; it ends with its caller."""
    with caller:
        length, streams, _, _ = socket.recv_fds(caller, 4, 3)
        with caller.makefile("rb") as said:
            values = json.loads(said.read(int.from_bytes(length, "big")))
        process = _Context().Process(target=_run_with, args=(*values, [_Stream(number) for number in streams]))
        process.start()
        for number in streams:
            os.close(number)
        while caller in connection.wait([process.sentinel, caller]) and process.exitcode is None:
            for number in caller.recv(10) or [signal.SIGKILL]:
                os.kill(process.pid, number)
        process.join()
        with contextlib.suppress(OSError):  # the caller has ended
            caller.send(str(process.exitcode).encode())


class _Stream:
    """A file descriptor that a process takes with it."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __getstate__(self) -> reduction.DupFd:
        return reduction.DupFd(self.number)

    def __setstate__(self, given: reduction.DupFd) -> None:
        self.number = given.detach()


def _run_with(words: list[str], folder: str, environment: dict[str, str], streams: list[_Stream]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream.number, number)
    sys.stdin, sys.stdout, sys.stderr = map(os.fdopen, range(3), ("r", "w", "w"))
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    from movie_cli.cli import main

    sys.exit(main(words))
