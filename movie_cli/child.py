"""Programs that do a part of the work in a process of their own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

EVERY = 5.0
"""Seconds from one word about a running program to the next."""


_SAFE_PATH = "PYTHONSAFEPATH"
_LOCK = threading.Lock()


def module_command(name: str) -> list[str]:
    """The command that runs a module of this program as a program of its own.

    Modules are looked for where they are installed, and not in the folder that the user is in, which may be anybody's.
    """
    return [sys.executable, "-P", "-m", name]


@contextlib.contextmanager
def safe_path() -> Iterator[None]:
    """Processes of `multiprocessing` that are begun meanwhile look for modules as those of `module_command` do."""
    with _LOCK:
        before = os.environ.get(_SAFE_PATH)
        os.environ[_SAFE_PATH] = "1"
        try:
            yield
        finally:
            del os.environ[_SAFE_PATH]
            if before is not None:
                os.environ[_SAFE_PATH] = before


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit code, what it wrote to stdout, and in one line why it failed."""

    code: int
    output: str
    reason: str


def run_child(
    command: Sequence[str],
    seconds: float,
    environment: Mapping[str, str] | None = None,
    running: Callable[[float], None] | None = None,
) -> Ended:
    """Run a program to its end, `environment` added to this one's; `running` hears now and then for how long it runs.

    Its reason is the last line of stderr that begins with `error: `, else the last line at all.

    Raises:
        OSError: it cannot be started, or (`TimeoutError`) takes longer than `seconds`.
    """
    began = time.monotonic()
    with subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=os.environ | (environment or {}),
    ) as process:
        try:
            output, said = _wait(process, began + seconds, began, running)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise TimeoutError(f"it did not finish in {seconds:g} s") from error
        except BaseException:
            process.kill()
            raise
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    reason = (errors or lines or [f"it ended with {process.returncode}, and no word"])[-1]
    return Ended(process.returncode, output, reason)


def _wait(
    process: subprocess.Popen[str], until: float, began: float, running: Callable[[float], None] | None
) -> tuple[str, str]:
    while True:
        left = until - time.monotonic()
        try:
            return process.communicate(timeout=max(0.0, min(EVERY, left)))
        except subprocess.TimeoutExpired:
            if left <= EVERY:
                raise
            if running is not None:
                running(time.monotonic() - began)
