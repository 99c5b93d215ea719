"""Where the program keeps files of its own, and how a file gets its name when it is whole.

Folders are under `MOVIE_HOME` if that is set, else the platform's own.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import platformdirs

from movie_cli.errors import UsageError, output_error

APPLICATION = "movie"


def home() -> Path | None:
    """The folder named by `MOVIE_HOME`, or None if the variable is unset or empty."""
    value = os.environ.get("MOVIE_HOME", "")
    return Path(value).expanduser() if value else None


def config_file() -> Path:
    """The settings file, `~/.config/movie/config.toml` on Linux. It need not exist."""
    root = home()
    return (root or platformdirs.user_config_path(APPLICATION, appauthor=False)) / "config.toml"


def latents_folder() -> Path:
    """The folder of the latent cache. It need not exist."""
    root = home()
    cache = root / "cache" if root else platformdirs.user_cache_path(APPLICATION, appauthor=False)
    return cache / "latents"


def outputs_folder() -> Path:
    """The folder of outputs that are on their way to a store. It need not exist."""
    return latents_folder().with_name("outputs")


def graphs_folder() -> Path:
    """The folder of graphs that are made of checkpoints for a backend. It need not exist."""
    return latents_folder().with_name("graphs")


def models_folder() -> Path:
    """The folder whose subfolders are checkpoints known by name. It need not exist."""
    root = home()
    return (root or platformdirs.user_data_path(APPLICATION, appauthor=False)) / "models"


def write_whole(path: Path, content: bytes, *, replace: bool = True) -> None:
    """Write a file beside its place and rename it.

    Raises:
        UsageError: something has its name by now, and not `replace`.
        OutputError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(content)
        if replace:
            partial.replace(path)
        else:
            rename_new(partial, path)
    except FileExistsError as error:
        partial.unlink(missing_ok=True)
        hint = "move it away, or replace it with -y"
        raise UsageError(f"{path} exists: it has come into being meanwhile", hint) from error
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
