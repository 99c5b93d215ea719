"""Names that files get when they are whole."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from movie_cli.errors import output_error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside its place and rename it.

    Raises:
        OutputError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise output_error(path, error) from error


def rename_new(path: Path, name: Path) -> None:
    """Give a file a name that nothing has, by a hard link, which is refused where there is something.

    On file systems without links (FAT, some network shares) an empty file is made under the name first, which is
    refused likewise, and then replaced. What another program writes into it in the moment between is lost.

    Raises:
        FileExistsError: something has it.
        OSError: it cannot be renamed.
    """
    if sys.platform == "win32":
        path.rename(name)  # refuses by itself
        return
    try:
        os.link(path, name)
    except FileExistsError:
        raise
    except OSError:  # no hard links here
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        try:
            path.replace(name)
        except BaseException:
            with contextlib.suppress(OSError):
                name.unlink()
            raise
    else:
        path.unlink()
