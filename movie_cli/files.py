"""Where the program keeps files of its own, how a file gets its name when it is whole, and how a folder is held.

Folders are under `MOVIE_HOME` if that is set, else the platform's own. A folder that is held by a living process is not
removed by `remove_unless_held`, and a process which dies holds nothing any more. On POSIX the hold is a shared `flock`
on a file in the folder; on Windows the open file itself does it, as a folder with open files cannot be renamed there.
On file systems without locks nothing is ever removed while its lock file is younger than a day.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from movie_cli.errors import UsageError, output_error

if sys.platform != "win32":
    import fcntl

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


LOCK_NAME = "lock"
TRASH_PREFIX = "trash-"
_UNLOCKABLE_SECONDS = 24 * 3600.0


class _Held:
    _handle = -1

    def release(self) -> None:
        """Let go; more than once is the same as once."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


class FolderHold(_Held):
    """A hold on a folder until `release`. The lock file's modification time tells when it was last held.

    Raises:
        OSError: the folder is gone, or goes while it is being held.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / LOCK_NAME
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(self._handle, shared=True)
            os.utime(path)
            here = os.fstat(self._handle).st_ino == path.stat().st_ino
        except OSError:
            os.close(self._handle)
            raise
        if not here:  # between opening and locking it was renamed away for removal
            os.close(self._handle)
            raise FileNotFoundError(errno.ENOENT, "it is being removed", str(folder))


class FolderLock(_Held):
    """A folder that is made if need be and held by this process alone, until `release`.

    Where the system or the file system has no locks, nobody is kept out.

    Raises:
        BlockingIOError: another process has it.
        OSError: it cannot be made.
    """

    name = LOCK_NAME

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_NAME
        while True:
            folder.mkdir(exist_ok=True)
            try:
                self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            except FileNotFoundError:  # the process before has just removed it
                continue
            try:
                _lock(self._handle, shared=False)
                if os.fstat(self._handle).st_ino == self._path.stat().st_ino:
                    return
            except FileNotFoundError:
                pass
            except BaseException:
                os.close(self._handle)
                raise
            os.close(self._handle)

    def remove(self) -> None:
        """Remove the lock file from the folder, which is about to go. It stays held until `release`."""
        self._path.unlink(missing_ok=True)


def remove_unless_held(folder: Path) -> bool:
    """Remove `folder` with all in it, unless some process holds it. Returns whether it is gone.

    It is renamed first, so that nobody ever sees half of it.
    """
    trash = folder.with_name(f"{TRASH_PREFIX}{uuid.uuid4().hex}")
    try:
        with _exclusively(folder / LOCK_NAME):
            folder.rename(trash)
    except FileNotFoundError:
        return not folder.exists()
    except OSError:
        return False
    shutil.rmtree(trash, ignore_errors=True)
    return True


@contextlib.contextmanager
def _exclusively(path: Path) -> Iterator[None]:
    """Have the lock file to oneself; a folder without one is nobody's.

    Raises:
        BlockingIOError: some process holds it.
        OSError: it cannot be opened.
    """
    if sys.platform == "win32" or not path.exists():
        yield
        return
    handle = os.open(path, os.O_RDWR)
    try:
        locked = _lock(handle, shared=False)
        if not locked and time.time() - os.fstat(handle).st_mtime < _UNLOCKABLE_SECONDS:
            raise BlockingIOError(errno.EAGAIN, "its file system has no locks, and it was used lately", str(path))
        yield
    finally:
        os.close(handle)


def lock_file(handle: int) -> None:
    """Have an open file to oneself until it is closed, where there are locks.

    Raises:
        BlockingIOError: another process has it.
    """
    _lock(handle, shared=False)


def _lock(handle: int, shared: bool) -> bool:
    """Lock an open file without waiting; returns False where the system or the file system has no locks.

    Raises:
        BlockingIOError: another process has it.
    """
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True
