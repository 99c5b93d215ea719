"""Graphs of checkpoints that are not exports: made when a backend needs them, and kept on this machine.

Graphs of another checkpoint, or made by another version, are never taken for these. A program of its own makes them,
`movie_cli.export.preparing`: tracing and fitting take more memory than an edit, and nothing of it stays.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import movie_cli
from movie_cli.backends import Say, version_of
from movie_cli.backends.fidelity import Comparison
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.exported import FORMAT, graph_name, int8_file, read_export, read_json, weights_digest
from movie_cli.child import module_command, run_child
from movie_cli.errors import ModelError, OutputError
from movie_cli.files import graphs_folder

PROGRAM = "movie_cli.export.preparing"
SECONDS = 1800
COMPARED = "compared.json"


def can_prepare(descriptor: Descriptor) -> bool:
    """Whether graphs can be made of a checkpoint, as far as its configuration tells."""
    config: dict[str, Any] = read_json(descriptor.folder / "unet" / "config.json")
    channels = (config.get("in_channels"), config.get("out_channels"))
    recurrent = channels[0] == 3 * (channels[1] or 1)
    return descriptor.steps == 1 and descriptor.passes == 1 and not recurrent


class PreparedGraphs:
    """The graphs of a checkpoint at one size (width, height), which may not be there yet."""

    def __init__(self, descriptor: Descriptor, size: tuple[int, int]) -> None:
        self._descriptor, self._size = descriptor, f"{size[0]}x{size[1]}"
        parts = [movie_cli.__version__, FORMAT, weights_digest(descriptor.folder)]
        digest = hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).hexdigest()
        self.folder = graphs_folder() / f"{descriptor.name}-{self._size}-{digest}"
        self._int8 = int8_file(self.folder / f"{graph_name(size, 'decode')}.onnx")

    def exist(self) -> bool:
        """Whether they are there whole."""
        try:
            read_export(self.folder)
        except ModelError:
            return False
        return True

    def have_int8(self) -> bool:
        """Whether an int8 decoder is beside them."""
        return self._int8.is_file()

    def make(self, say: Say) -> None:
        """Make them if need be.

        Raises:
            ModelError: the checkpoint cannot be exported.
            OutputError: there is no room for them.
        """
        if not self.exist():
            say(
                f"making graphs of {self._descriptor.name} at {self._size}, once, in about half a minute; "
                f"they are kept in {self.folder}"
            )
            self._run("graphs", say, str(self._descriptor.folder))

    def make_int8(self, say: Say) -> None:
        """Make the int8 decoder of graphs that are there, if need be.

        Raises:
            ModelError: NNCF fails.
        """
        if not self.have_int8():
            say("fitting an int8 decoder, once, in about half a minute")
            self._run("int8", say)

    def _run(self, what: str, say: Say, *arguments: str) -> None:
        command = [*module_command(PROGRAM), what, str(self.folder), self._size, *arguments]
        made = "graphs" if what == "graphs" else "int8 decoder"
        try:
            # NNCF reports its use over the network unless the environment says that it must not.
            ended = run_child(
                command, SECONDS, {"NNCF_CI": "1"}, lambda seconds: say(f"{made}: {seconds:.0f} s so far")
            )
        except OSError as error:
            raise ModelError(f"no {made} can be made of {self.folder}: {error}", "use --backend torch") from error
        if ended.code:
            kind = OutputError if ended.code == OutputError.exit_code else ModelError
            raise kind(f"no {made} can be made of {self.folder}: {ended.reason}", "use --backend torch")

    def comparison(self, dtype: str) -> Comparison | None:
        """What `keep` was told for this version of OpenVINO; None where it was told nothing."""
        found: Any = self._comparisons().get(_key(dtype))
        with contextlib.suppress(TypeError, ValueError):
            return Comparison(*map(float, found))
        return None

    def keep(self, dtype: str, found: Comparison) -> None:
        """Keep how these graphs in `dtype` compare with torch."""
        with contextlib.suppress(OSError):
            self._path.write_text(json.dumps(self._comparisons() | {_key(dtype): found}), encoding="utf-8")

    @property
    def _path(self) -> Path:
        return self.folder / COMPARED

    def _comparisons(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            known = json.loads(self._path.read_text(encoding="utf-8"))
            return known if isinstance(known, dict) else {}
        return {}


def _key(dtype: str) -> str:
    return f"openvino {version_of('openvino')} {dtype}"
