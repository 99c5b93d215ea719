"""The hidden folder beside an output in which an edit keeps its finished segments until the output is whole.

Promises that what stands in it is whole (each file is written under another name, made safe on the disk, and renamed;
segments carry checksums), that one process at a time works in it, that a folder is continued only for the very job it
was made for, and that nothing stays of one without a finished segment.

In the folder: `lock`, `manifest.json` (the job), `NNNNNN.packets` and `NNNNNN.json` (the segments),
`anchors.safetensors`, `facts.json`, and `published.json` just before the output gets its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from movie_cli.errors import MovieError, OutputError, UsageError, output_error
from movie_cli.files import FolderLock
from movie_cli.media.segments import Segment

FORMAT = 1
MANIFEST = "manifest.json"
FACTS = "facts.json"
PUBLISHED = "published.json"
ANCHORS = "anchors.safetensors"
_SEGMENT = re.compile(r"(\d{6,})\.json")
_LONGEST = 200
"""Bytes of an output's name that the folder's name keeps whole; file systems end at 255."""


def folder_for(output: Path) -> Path:
    """Where the folder of an output is, links resolved. It need not exist."""
    real = Path(os.path.realpath(output))
    name = real.name
    encoded = os.fsencode(name)
    if len(encoded) > _LONGEST:
        digest = hashlib.blake2b(encoded, digest_size=6).hexdigest()
        name = f"{encoded[: _LONGEST - 13].decode(errors='ignore')}-{digest}"
    return real.parent / f".{name}.movie"


@dataclass(frozen=True)
class Published:
    """An output that is whole, whose folder is still there: its `job`, and its frames (0 where that is not known)."""

    job: Mapping[str, str]
    frames: int


def published(output: Path) -> Published | None:
    """What is noted of an output that got its name, if nothing has taken its place since."""
    try:
        noted = json.loads((folder_for(output) / PUBLISHED).read_text(encoding="utf-8"))
        status = output.stat()
        if (noted["inode"], noted["bytes"]) != (status.st_ino, status.st_size):
            return None
        job = {str(name): str(value) for name, value in noted["job"].items()}
        return Published(job, int(noted["frames"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def was_published(output: Path) -> bool:
    """Whether an edit was stopped between giving `output` its name and removing the folder: all is done then."""
    return published(output) is not None


def kept_segment_frames(output: Path) -> int | None:
    """How many frames the segments have that are kept of an interrupted edit; None where there are none."""
    for name in (MANIFEST, PUBLISHED):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            frames = int(json.loads((folder_for(output) / name).read_text(encoding="utf-8"))["job"]["segment frames"])
            return frames if frames > 0 else None
    return None


def remove_published(output: Path) -> None:
    """Remove the folder of an output for which `was_published` holds.

    Raises:
        OutputError: another process works in it.
    """
    WorkFolder(output, {}, resume=True, check=False).discard()


class WorkFolder:
    """The folder of one output, held by this process until `close`.

    Args:
        output: The output; its folder must exist.
        job: All that decides the output's frames, as names and values a person can read.
        resume: Continue what is there.
        anew: Drop what is there.
        check: Whether what is there must be of the same job.

    Raises:
        OutputError: another process works on this output, or the folder cannot be written.
        UsageError: there are finished segments and neither `resume` nor `anew` is given; or they are of another job.
    """

    def __init__(
        self, output: Path, job: Mapping[str, str], *, resume: bool = False, anew: bool = False, check: bool = True
    ) -> None:
        self.output = output
        self.path = folder_for(output)
        self._job = dict(job)
        self._frames: dict[int, int] = {}
        self._closed = False
        try:
            self._lock = FolderLock(self.path)
        except BlockingIOError as error:
            raise OutputError(
                f"{output} is being written by another movie process", "wait for it, or choose another name with -o"
            ) from error
        except OSError as error:
            raise output_error(output, error) from error
        try:
            with self._errors():
                self._open(self._job, resume, anew, check)
        except BaseException:
            self._lock.release()
            raise

    def _open(self, job: dict[str, str], resume: bool, anew: bool, check: bool) -> None:
        kept = self._kept_job()
        if kept is not None:
            self._find_segments()
        if self._frames and not resume and not anew:
            raise UsageError(
                f"an interrupted edit of {self.output} is kept in {self.path} ({self.finished_frames} frames are done)",
                "--resume continues it, -y starts from the beginning",
            )
        if self._frames and not anew:
            changes = differences(kept or {}, job) if check else []
            if changes:
                raise UsageError(
                    f"the interrupted edit of {self.output} cannot be continued: {'; '.join(changes)}",
                    "repeat it as it was, or start from the beginning with -y and without --resume",
                )
            return
        self._clear()
        self._write(MANIFEST, json.dumps({"format": FORMAT, "job": job}, indent=1))

    # What is in it

    @property
    def finished_frames(self) -> int:
        """Frames in finished segments."""
        return sum(self._frames.values())

    @property
    def finished(self) -> frozenset[int]:
        """Numbers of the finished segments, counted from 0."""
        return frozenset(self._frames)

    @property
    def leading(self) -> int:
        """How many finished segments there are from the first on without a gap."""
        number = 0
        while number in self._frames:
            number += 1
        return number

    def frames_of(self, number: int) -> int:
        """The number of frames in a finished segment."""
        return self._frames[number]

    def packets(self, number: int) -> Path:
        """Where a segment's packets are."""
        return self.path / f"{number:06d}.packets"

    def part(self, number: int) -> Path:
        """Where a segment's packets are written before `add`."""
        return self.path / f"{number:06d}.part"

    def load(self, number: int) -> Segment:
        """A finished segment.

        Raises:
            OutputError: it has vanished.
        """
        try:
            return Segment.from_json((self.path / f"{number:06d}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise OutputError(
                f"{self.path} has lost a segment: {error}", "run the command again with --resume"
            ) from error

    def add(self, number: int, segment: Segment) -> None:
        """Take over a segment whose packets are in `part(number)`, safe on the disk."""
        with self._errors():
            self.part(number).replace(self.packets(number))
            self._write(f"{number:06d}.json", segment.to_json())
        self._frames[number] = segment.frames

    @property
    def facts(self) -> dict[str, Any]:
        """What an earlier run found out and wrote down with `note`."""
        try:
            facts = json.loads((self.path / FACTS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}

    def note(self, **facts: object) -> None:
        """Write facts down for a later run, besides those already there."""
        with self._errors():
            self._write(FACTS, json.dumps(self.facts | facts))

    def note_published(self, whole: Path) -> None:
        """Write down which file is about to get the output's name."""
        status = whole.stat()
        facts = {"inode": status.st_ino, "bytes": status.st_size, "frames": self.finished_frames, "job": self._job}
        self._write(PUBLISHED, json.dumps(facts))

    def store(self, name: str, data: bytes) -> None:
        """Write a file of any other kind."""
        with self._errors():
            self._write(name, data)

    def stored(self, name: str) -> bytes | None:
        """What `store` wrote, or None."""
        try:
            return (self.path / name).read_bytes()
        except OSError:
            return None

    # The end

    def close(self) -> None:
        """Let go of it. Without a finished segment it goes, too. More than once is the same as once."""
        if self._closed:
            return
        self._closed = True
        if not self._frames:
            self._remove()
        elif not was_published(self.output):
            with contextlib.suppress(OSError):  # the name was taken
                (self.path / PUBLISHED).unlink(missing_ok=True)
        self._lock.release()

    def discard(self, *, keep_note: bool = False) -> None:
        """Remove it with all that is in it, but for what `published` reads if that is to stay, and let go of it."""
        if not self._closed:
            self._closed = True
            self._remove(keep_note)
            self._lock.release()

    def _remove(self, keep_note: bool = False) -> None:
        with contextlib.suppress(OSError):
            self._clear(PUBLISHED if keep_note else "")
            self._lock.remove()
            if not keep_note:
                self.path.rmdir()

    def _clear(self, but: str = "") -> None:
        """Remove all but the lock and `but`: the manifest first, without which the rest is nothing, the note last."""
        self._frames.clear()
        (self.path / MANIFEST).unlink(missing_ok=True)
        for path in sorted(self.path.iterdir(), key=lambda path: path.name == PUBLISHED):
            if path.name not in {self._lock.name, but}:
                path.unlink(missing_ok=True)

    # Reading and writing

    def _kept_job(self) -> dict[str, str] | None:
        try:
            manifest = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))
            if manifest["format"] != FORMAT:
                return {"version of the work folder": str(manifest["format"])}
            return {str(name): str(value) for name, value in manifest["job"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def _find_segments(self) -> None:
        """Count the whole segments; remove what is not whole."""
        for path in sorted(self.path.iterdir()):
            found = _SEGMENT.fullmatch(path.name)
            if found is None:
                if path.suffix == ".part" or path.name.startswith("."):
                    path.unlink(missing_ok=True)
                continue
            number = int(found[1])
            try:
                segment = Segment.from_json(path.read_text(encoding="utf-8"))
            except ValueError:
                segment = None
            if segment is not None and segment.matches(self.packets(number)):
                self._frames[number] = segment.frames
            else:
                path.unlink(missing_ok=True)
                self.packets(number).unlink(missing_ok=True)

    def _write(self, name: str, data: str | bytes) -> None:
        """Write a file so that it is there whole or not at all, also after a power cut."""
        temporary = self.path / f"{name}.part"
        try:
            with temporary.open("wb") as file:
                file.write(data.encode() if isinstance(data, str) else data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path / name)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(self.path)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except MovieError:
            raise
        except OSError as error:
            raise output_error(self.output, error) from error


def differences(kept: Mapping[str, str], job: Mapping[str, str]) -> list[str]:
    """What differs, as clauses for a person."""
    changes = []
    for name in dict.fromkeys([*kept, *job]):
        was, now = kept.get(name, "not set"), job.get(name, "not set")
        if was != now:
            opaque = name in {"source", "checkpoint"}
            changes.append(f"the {name} has changed" if opaque else f"{name} was {was} and is {now}")
    return changes


def _sync_folder(path: Path) -> None:
    """Make a rename safe on the disk, where folders can be synchronised."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
