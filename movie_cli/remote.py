"""Sources and outputs in an object store or on another machine, named by a URL such as `s3://bucket/a.mp4`.

Promises that only protocols which keep files are spoken, and that a file appears under its name when it is whole.
What speaks them is fsspec with the package of that store (s3fs, gcsfs, adlfs ...), which finds the credentials as that
package's users know. Costs nothing to import.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from movie_cli.errors import DeviceError, OutputError, SourceError, UsageError, first_line
from movie_cli.files import rename_new

PROTOCOLS = frozenset(
    ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss", "oci", "hdfs", "webhdfs", "sftp", "ssh", "smb", "file")
)
"""Stores of files. Not web addresses: a manifest from a stranger must not make this machine call them."""
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://", re.ASCII | re.IGNORECASE)


def is_url(name: str) -> bool:
    """Whether a source or an output is named by a URL of a store."""
    found = _URL.match(name)
    return found is not None and found[1].lower() in PROTOCOLS


def file_name(url: str) -> str:
    """The last part of a URL.

    Raises:
        UsageError: it has none, or one that no file can have.
    """
    name = PurePosixPath(url.partition("://")[2]).name
    if not name or url.endswith("/") or name in {".", ".."} or "\0" in name:
        raise UsageError(f"{url} names no file", "give the whole address, for example s3://bucket/folder/in.mp4")
    return name


def check_source(url: str) -> None:
    """Refuse a source that is not there.

    Raises:
        SourceError: it is missing, a folder, empty, or not to be had.
        DeviceError: what speaks its protocol is not installed.
    """
    file_name(url)
    with _reading(url):
        store, path = _open(url)
        facts = store.info(path)
    if facts.get("type") == "directory":
        raise SourceError(f"{url} is a folder, not a video", "name one file; `movie batch` edits many")
    if facts.get("size") == 0:
        raise SourceError(f"{url} is empty", "the file holds no bytes: copy it again")


def exists(url: str) -> bool:
    """Whether something has that name.

    Raises:
        OutputError: the store does not tell.
        DeviceError: what speaks its protocol is not installed.
    """
    with _writing(url):
        store, path = _open(url)
        return bool(store.exists(path))


def version(url: str) -> dict[str, object]:
    """What the store tells of a file that is another for another content, such as size, time or tag; as JSON values.

    Raises:
        SourceError: it is missing or not to be had.
        DeviceError: what speaks its protocol is not installed.
    """
    names = ("size", "mtime", "LastModified", "last_modified", "updated", "ETag", "etag", "generation", "md5Hash")
    with _reading(url):
        store, path = _open(url)
        facts = store.info(path)
    return {name: str(facts[name]) for name in names if facts.get(name) is not None}


@contextlib.contextmanager
def local_copy(url: str) -> Iterator[Path]:
    """A copy of the source on this machine, with its time of change; removed afterwards.

    Raises:
        SourceError: it cannot be read, or changes meanwhile.
        OutputError: there is no room for it.
        DeviceError: what speaks its protocol is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="movie-source-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / file_name(url)
        with _reading(url):
            store, path = _open(url)
            before = store.info(path)
            store.get_file(path, str(copy))
            after = store.info(path)
        if before != after or copy.stat().st_size != after.get("size", copy.stat().st_size):
            raise SourceError(f"{url} changed while it was fetched", "wait until it is complete, then start again")
        with contextlib.suppress(NotImplementedError, OSError):
            # Big files are known by their time of change, among other things.
            changed = store.modified(path).timestamp()
            os.utime(copy, (changed, changed))
        yield copy


def upload(path: Path, url: str, *, overwrite: bool) -> None:
    """Put a file where the URL says, at once: under another name first where the store would show a part of it.

    Without `overwrite` nothing is replaced: `file:` and the object stores whose package can ask for it (S3) see to it
    themselves; in others what appears in the moment between a last look and the renaming is.

    Raises:
        UsageError: there is something already.
        OutputError: that failed.
        DeviceError: what speaks the protocol is not installed.
    """
    with _writing(url):
        store, target = _open(url)
        parent, _, name = target.rpartition("/")
        if _is_object_store(store):
            if overwrite:
                store.put_file(str(path), target)
            else:
                _put_new(store, path, target)
        else:
            part = f"{parent}/.{name}.{os.getpid()}.part"
            try:
                store.put_file(str(path), part)
                if not overwrite and "file" in _protocols(store):
                    rename_new(Path(part), Path(target))
                else:
                    if not overwrite:
                        _refuse_existing(store, target)
                    store.mv(part, target)
            except BaseException:
                with contextlib.suppress(Exception):
                    store.rm_file(part)
                raise
        if store.info(target).get("size") != path.stat().st_size:
            raise OutputError(f"{url} is not as long as it should be", "try again with --resume")


def files_below(url: str) -> list[str]:
    """The URLs of all files below a folder, in the order of their names; hidden ones are left out.

    Raises:
        SourceError: the folder is not to be had.
        DeviceError: what speaks the protocol is not installed.
    """
    with _reading(url):
        store, folder = _open(url.rstrip("/"))
        if not store.isdir(folder):
            raise SourceError(f"{url} is not a folder", "of single files make a list: a .jsonl or .csv file")
        found = sorted(store.find(folder))
    below = [path[len(folder) :].lstrip("/") for path in found]
    return [f"{url.rstrip('/')}/{path}" for path in below if not any(part.startswith(".") for part in path.split("/"))]


def _open(url: str) -> tuple[Any, str]:
    """The file system and the path in it."""
    import fsspec

    try:
        # What was listed before may have changed since.
        store, path = fsspec.url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
    except (ImportError, ValueError) as error:
        protocol = url.partition("://")[0]
        raise DeviceError(f"{url} needs a package for {protocol}: {error}", "see fsspec's list of stores") from error
    return store, path


def _protocols(store: Any) -> set[str]:
    return {store.protocol} if isinstance(store.protocol, str) else set(store.protocol)


def _is_object_store(store: Any) -> bool:
    """Whether a file appears only when all of it is there, as an object does."""
    return bool(_protocols(store) & {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss", "oci"})


def _put_new(store: Any, path: Path, target: str) -> None:
    """Put a file into an object store, which is told to refuse a name that is taken where its package has words for it.

    Raises:
        FileExistsError: it is taken.
    """
    _refuse_existing(store, target)
    known = inspect.signature(getattr(store, "_put_file", store.put_file)).parameters
    words = {"mode": "create"} if "mode" in known else {"overwrite": False} if "overwrite" in known else {}
    if words:
        try:
            store.put_file(str(path), target, **words)
        except Exception:  # each store has its own kinds; some servers know no such request
            _refuse_existing(store, target)
        else:
            return
    store.put_file(str(path), target)


def _refuse_existing(store: Any, target: str) -> None:
    if store.exists(target):
        raise FileExistsError(target)


@contextlib.contextmanager
def _reading(url: str) -> Iterator[None]:
    try:
        yield
    except (SourceError, DeviceError, UsageError):
        raise
    except FileNotFoundError as error:
        raise SourceError(f"{url} does not exist", "check the spelling and the credentials") from error
    except OSError as error:
        if error.filename is not None and str(error.filename).startswith(tempfile.gettempdir()):
            raise OutputError(
                f"{url} cannot be copied to {tempfile.gettempdir()}: {error.strerror}",
                "set TMPDIR to a folder with room for the whole source",
            ) from error
        raise SourceError(f"{url} cannot be read: {first_line(error)}", "check its permissions") from error
    except Exception as error:  # each store has its own kinds
        raise SourceError(f"{url} cannot be read: {first_line(error)}", "check address and credentials") from error


@contextlib.contextmanager
def _writing(url: str) -> Iterator[None]:
    try:
        yield
    except (OutputError, DeviceError, UsageError):
        raise
    except FileExistsError as error:
        raise UsageError(
            f"{url} exists: it has come into being meanwhile", "-y replaces it; or choose another name with -o"
        ) from error
    except Exception as error:  # each store has its own kinds
        raise OutputError(f"{url} cannot be written: {first_line(error)}", "check address and credentials") from error
