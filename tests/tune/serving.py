"""`movie tune` as a program, and what a browser would send to it."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
from PIL import Image

from tests import forked
from tests.cli.running import MOVIE, Finished

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 120


class Page:
    """One page of the program: speaks to it as the page's own scripts do."""

    def __init__(self, address: str, name: str = "page") -> None:
        self.address, self.name = address, name
        self.host, self.port = urlsplit(address).hostname, urlsplit(address).port
        self.path = urlsplit(address).path

    def ask(self, method: str, path: str, values: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body; headers given as None are left out, `path` from / is taken as it is."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=SECONDS)
        origin = {"origin": f"http://{self.host}:{self.port}", "content-type": "application/json"}
        sent = {"host": f"{self.host}:{self.port}", **(origin if method == "POST" else {})} | headers
        body = json.dumps(values) if values is not None else ""
        with contextlib.closing(connection):
            connection.putrequest(method, path if path.startswith("/") else self.path + path, skip_host=True)
            for name, value in {"content-length": str(len(body)), **sent}.items():
                if value is not None:
                    connection.putheader(name.replace("_", "-"), value)
            connection.endheaders(body.encode())
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def get(self, path: str) -> Any:
        status, _, body = self.ask("GET", path)
        assert status == 200, body
        return json.loads(body)

    def post(self, path: str, values: Any) -> tuple[int, Any]:
        status, _, body = self.ask("POST", path, values)
        return status, json.loads(body) if body else None

    def edited(self, kind: str = "frame", at: str = "0.50", **settings: Any) -> tuple[np.ndarray, str, str]:
        """Pixels, command and advice."""
        asked = {"page": self.name, "kind": kind, "at": at, "settings": settings}
        status, headers, body = self.ask("POST", "edited", asked)
        assert status == 200, body
        with Image.open(io.BytesIO(body)) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        return pixels, self.post("command", {"settings": settings})[1]["command"], unquote(headers["movie-advice"])


def run(folder: Path, *arguments: str) -> Finished:
    """Run the program as the page's command says."""
    environment = {"MOVIE_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": ""}
    done = subprocess.run([*forked.program(), *arguments], cwd=folder, env=environment,
                          capture_output=True, text=True, check=False, timeout=SECONDS)  # fmt: skip
    return Finished(done.returncode, done.stdout, done.stderr)


@contextlib.contextmanager
def tuning(folder: Path, *arguments: str, from_nothing: bool = False) -> Iterator[tuple[Page, subprocess.Popen[str]]]:
    """The program with these arguments, in a folder, with settings of its own; forked, unless `from_nothing`."""
    environment = os.environ | {"MOVIE_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    program = MOVIE if from_nothing else forked.program()
    command = [*program, "tune", *arguments, "--no-browser"]
    with subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            yield Page(process.stdout.readline().strip()), process
        finally:
            process.kill()
