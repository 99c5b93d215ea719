"""Holding a folder so that no other process deletes it (`FolderHold`) or works in it (`FolderLock`).

Promises that a folder which is held by a living process is not removed by `remove_unless_held`, and that a process
which dies holds nothing any more. On POSIX the hold is a shared `flock` on a file in the folder; on Windows the
open file itself does it, as a folder with open files cannot be renamed there. On file systems without locks nothing
is ever removed while its lock file is younger than a day.
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

if sys.platform != "win32":
    import fcntl

LOCK_NAME = "lock"
TRASH_PREFIX = "trash-"
_UNLOCKABLE_SECONDS = 24 * 3600.0


class FolderHold:
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

    def release(self) -> None:
        """Let go; more than once is the same as once."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


class FolderLock:
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

    def release(self) -> None:
        """Let go; more than once is the same as once."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


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
