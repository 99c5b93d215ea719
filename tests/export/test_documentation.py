"""What docs/on-device.md tells to type is understood."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from movie_cli.cli.root import movie

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "on-device.md").read_text(encoding="utf-8")


def test_the_commands_are_understood():
    blocks = re.findall(r"```sh\n(.*?)```", TEXT, re.S)
    commands = [line for block in blocks for line in block.splitlines() if line.startswith("movie export ")]
    assert len(commands) >= 3
    for command in commands:
        _, _, kind, *words = shlex.split(command, comments=True)
        context = movie.commands["export"].commands[kind].make_context(kind, words)
        assert context.params


def test_every_chip_and_precision_is_told_of():
    from movie_cli.backends.qnn_backend import SOCS
    from movie_cli.checkpoints.exported import PRECISIONS

    assert all(f"`{soc.name}` | {soc.sold_as} | {soc.arch}" in TEXT for soc in SOCS)
    assert all(precision in TEXT for precision in PRECISIONS)
