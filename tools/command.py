"""The whole command in a child process, also with the network left out: for surveys and for fuzzing.

With the identity for a network a frame goes its real way from file to file (reading, detail, writing, all options and
errors) at the speed of the media code. Children start quickly: they are forked from a server that has imported all.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from movie_cli.backends import Backend, Carry, EmbeddedInstruction, FetchFrames, Pixels, RuntimeConfig, Settings
from movie_cli.checkpoints.descriptor import Descriptor

SMALL = (64, 48)
"""The working size: small, because it is only there to be passed through."""


class IdentityBackend:
    """A backend whose edit is the source."""

    def __init__(self, descriptor: Descriptor, config: RuntimeConfig) -> None:
        self.descriptor = descriptor
        self.device, self.dtype, self.reason = config.device, config.dtype, config.reason
        self.notes: tuple[str, ...] = ()
        self.anchors: Any = None
        self.encode_later: Callable[[Pixels], Callable[[], Any]] | None = None
        self.edit_later: Callable[[Any, Pixels, Settings, Carry], FetchFrames] | None = None

    def embed_text(self, instruction: str) -> EmbeddedInstruction:
        """Nothing, as nothing is asked of the network."""
        return EmbeddedInstruction(None, None)

    def encode_frames(self, frames: Pixels) -> Any:
        """Every eighth pixel."""
        return frames[:, ::8, ::8].transpose(0, 3, 1, 2).astype(np.float16)

    def denoise(self, latents: Any, settings: Settings, carry: Carry | None = None) -> Any:
        """The latents themselves."""
        return latents

    def decode_latents(self, latents: Any, source: Pixels) -> Pixels:
        """The source frames."""
        return source

    def set_anchors(self, latents: Any | None, settings: Settings) -> None:
        """Nothing attends to them."""

    def steadied(self, latents: Any, carry: Carry) -> Any:
        """They tell of no scene."""
        del carry
        return latents

    def drop(self) -> None:
        """Nothing is made later."""

    def to_cache(self, latents: Any) -> Any:
        """They are arrays already."""
        return latents

    def from_cache(self, latents: Any) -> Any:
        """The same."""
        return latents


def run_without_network(arguments: Sequence[str]) -> int:
    """`movie_cli.cli.main` in a process of its own whose edits are the identity; returns the exit code.

    It changes the pipeline for good, which is why it must not run in a process that also edits.
    """
    from movie_cli.backends import registry
    from movie_cli.cli import main
    from movie_cli.editing.editor import Editor

    def small(descriptor: Descriptor, width: int, height: int) -> tuple[int, int]:
        return SMALL if width >= height else (SMALL[1], SMALL[0])

    opened: Callable[[Descriptor, RuntimeConfig], Backend] = IdentityBackend
    vars(registry)["open_backend"] = opened
    Editor.size_for = staticmethod(small)  # type: ignore[method-assign]
    return main(list(arguments))


PRELOAD = ("movie_cli.cli.edit", "tools.command", "movie_cli.editing.video")
"""What the server imports once."""


@dataclass(frozen=True)
class Finished:
    """How a child ended. `exit_code` is None where it did not end in time and was killed."""

    exit_code: int | None
    stdout: str
    stderr: str


def run_movie(arguments: Sequence[str], timeout: float, *, identity: bool = False) -> Finished:
    """Run `movie` with these arguments in this environment; with `identity` without its network (see there)."""
    with Child(arguments, identity=identity) as child:
        code = child.wait(timeout)
        if code is None:
            child.send_signal(signal.SIGKILL)
        return Finished(code, *child.communicate())


class Child:
    """`movie` with some arguments in a process of its own, in the folder of this one: used as `subprocess.Popen` is.

    `environment` is added to what this process has.
    """

    def __init__(
        self, arguments: Sequence[str], *, identity: bool = False, environment: Mapping[str, str] | None = None
    ) -> None:
        forks = "forkserver" in multiprocessing.get_all_start_methods()
        context: Any = multiprocessing.get_context("forkserver" if forks else "spawn")
        if forks:
            context.set_forkserver_preload(list(PRELOAD))
        self._folder = tempfile.TemporaryDirectory(prefix="movie-child-")
        self._said = [Path(self._folder.name) / name for name in ("stdout", "stderr")]
        given = (list(arguments), identity, dict(os.environ) | dict(environment or {}), *map(str, self._said))
        self._process = context.Process(target=_run, args=given)
        self._process.start()
        self.pid: int = self._process.pid

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit code, or None if it has not ended in time."""
        self._process.join(timeout)
        return self.returncode

    @property
    def returncode(self) -> int | None:
        """The exit code; None while it runs, negative where a signal ended it."""
        code: int | None = self._process.exitcode
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def communicate(self) -> tuple[str, str]:
        """Wait for the end, and what it wrote to stdout and stderr."""
        self.wait()
        out, err = (path.read_text(encoding="utf-8", errors="replace") if path.exists() else "" for path in self._said)
        return out, err

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.send_signal(signal.SIGKILL)
        self.wait()
        self._folder.cleanup()


def _run(arguments: list[str], identity: bool, environment: dict[str, str], stdout: str, stderr: str) -> None:
    os.environ.update(environment)  # the server has the environment of its own start
    multiprocessing.set_start_method(None, force=True)  # the system's own, not the server's
    for stream, path in ((1, stdout), (2, stderr)):
        os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), stream)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    from movie_cli.cli import main

    sys.exit(run_without_network(arguments) if identity else main(arguments))
