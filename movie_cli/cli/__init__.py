"""The command line: a client of the library that parses, calls and shows.

`movie --help` and `movie --version` import neither torch nor PyAV: commands import what they need when they run. Exit
codes are made in `errors` and nowhere else.
"""

from __future__ import annotations

import gc

from movie_cli.cli.errors import run
from movie_cli.cli.root import movie

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the program with `arguments` (by default the process's own) and return its exit code."""
    code = run(movie, arguments)
    if arguments is None:
        gc.freeze()  # the process ends: looking for cycles among all that torch has made takes half a second
    return code
