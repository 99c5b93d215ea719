from __future__ import annotations

import os
import signal

import diffusers  # noqa: F401 - whole, so that no command run in this process decides for later tests how it is imported
import pytest
import torch

from movie_cli.cli import main
from tests.cli.running import Finished


@pytest.fixture
def movie(tmp_path, monkeypatch, capfd, forked_workers):
    """Run `movie` in an empty folder with settings of its own."""
    for name in os.environ:
        if name.startswith("MOVIE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MOVIE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments: str, **environment: str) -> Finished:
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            code = main(list(arguments))
        return Finished(code, *capfd.readouterr())

    yield run
    torch.set_num_threads(threads)  # a cluster's driver takes as many as its workers have
    for number, handler in handlers.items():
        signal.signal(number, handler)
