"""What one edit is asked to do, and whom it reports to.

Plain immutable values that cost nothing to import (neither torch nor PyAV), and the checks that need only the file
system: the source is there, the output is another file, its folder can be written.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from movie_cli import remote
from movie_cli.errors import OutputError, SourceError, UsageError
from movie_cli.kinds import FileName, Number, Time, TimeValue
from movie_cli.options import (
    STREAM,
    Decides,
    EncodeOptions,
    MachineOptions,
    ReadOptions,
    RunOptions,
    check_options,
    option,
    options_of,
)
from movie_cli.recipe import Recipe

_PART: dict[str, Any] = {
    "decides": "source",
    "theme": "Which part",
    "setting": False,
    "hint": 'from Python it is a TimeValue: TimeValue.parse("1.5s")',
}


@dataclass(frozen=True, kw_only=True)
class PartOptions:
    """Which part of a source is edited, and within what. `start` and `end` count from the first picture.

    `mask` is a file's name; `max_flicker` bounds the edit's error along the source's motion, in times the source's own.

    Raises:
        UsageError: the values contradict each other.
    """

    start: TimeValue | None = option(None, Time(), "Begin here: 90f, 1.5s or HH:MM:SS.mmm.", **_PART)
    end: TimeValue | None = option(None, Time(), "Stop before this; all count from the first frame.", **_PART)
    duration: TimeValue | None = option(None, Time(), "Edit this much.", **_PART)
    max_flicker: float | None = option(
        None,
        Number(high=100.0, above=True),
        "Keep the edit within so many times the source's flicker, by other scales if need be.",
        **_PART | {"decides": "picture", "theme": "What to do", "hint": "1.2 is a fifth more than the source's own"},
        metavar="NUMBER",
    )
    mask: str | None = option(
        None,
        FileName(),
        "Edit where this video or picture is white.",
        **_PART | {"decides": "picture"},
        metavar="FILE",
    )

    def __post_init__(self) -> None:
        check_options(self)
        if self.end is not None and self.duration is not None:
            raise UsageError("--end and --duration are both given", "keep one of the two")
        for length in (self.end, self.duration):
            if length is not None and not (length.frames or length.seconds):
                raise UsageError("the part of the source to edit is empty", "--end and --duration must be above 0")
        if self.start and self.end and _not_before(self.start, self.end):
            raise UsageError(
                f"--start {self.start} is not before --end {self.end}", "both count from the first picture"
            )


@dataclass(frozen=True)
class EditRequest(PartOptions, RunOptions):
    """One edit: what comes in, what goes out, what is done in between, and on what machine.

    Raises:
        UsageError: the values contradict each other or are out of range.
    """

    source: str
    output: str
    recipe: Recipe
    encode: EncodeOptions = field(default_factory=EncodeOptions)
    reading: ReadOptions = field(default_factory=ReadOptions)

    def __post_init__(self) -> None:
        super().__post_init__()
        places = [flag for step in self.recipe.chain for flag in step.place_flags]
        if self.max_flicker is not None and not self.recipe.is_plain:
            hint = "leave one out: what is answered to flicker are other scales and anchors for the whole film"
            raise UsageError("--max-flicker is for one edit with scales that are numbers", hint)
        if self.mask and places:
            hint = "keep one; `movie mask` writes a place, to be drawn into a mask"
            raise UsageError(f"--mask and {places[0]} are both given", hint)

    @property
    def files(self) -> dict[str, str]:
        """The files that options name, by field."""
        named = {
            name: getattr(self, name)
            for name, each in options_of(type(self)).items()
            if isinstance(each.kind, FileName)
        }
        return {name: file for name, file in named.items() if file}

    def told(self, *decides: Decides) -> dict[str, str]:
        """What is asked of the options that decide one of these, by their names and as a person writes it."""
        parts = (self.recipe, self, self.encode, self.reading)
        told = {
            each.words: each.kind.show(getattr(part, each.name))
            for part in parts
            for each in options_of(type(part)).values()
            if each.decides in decides
        }
        return {name: text for name, text in told.items() if text}

    @property
    def key(self) -> str:
        """A name for the request, the same whenever it is made again, also to continue or to replace its output."""
        parts = [self.source, self.output, self.told("source", "picture", "file")]
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=12).hexdigest()


def _not_before(start: TimeValue, end: TimeValue) -> bool:
    if start.frames is not None and end.frames is not None:
        return start.frames >= end.frames
    if start.seconds is not None and end.seconds is not None:
        return start.seconds >= end.seconds
    return False


class Reporter(Protocol):
    """Where an edit tells how it goes. Calls come from one thread at a time; `done` comes once and last."""

    def message(self, level: Literal["info", "warning"], text: str) -> None:
        """Say one sentence: a choice that was made (`info`) or something the user may not expect (`warning`)."""

    def start(self, total_frames: int | None, title: str) -> None:
        """Begin to count frames. `total_frames` is None where the source does not tell."""

    def advance(self, frames: int) -> None:
        """`frames` more are written."""

    def done(self, summary: Mapping[str, object]) -> None:
        """All is in its place. `summary` holds at least `output`, `frames` and `seconds`, JSON values throughout."""


@dataclass(frozen=True)
class PreviewRequest(MachineOptions):
    """A preview: which frames of a source, in which versions.

    `recipe` holds what all versions share. Every combination of `instructions`, `seeds`, `image_scales` and
    `text_scales` is a version, or several where edits follow: after each of them. None of them is empty. `at` are
    the places of the frames, empty for a choice of ours.
    """

    source: str
    recipe: Recipe
    instructions: tuple[str, ...]
    text_scales: tuple[float | str, ...]
    image_scales: tuple[float | str, ...]
    seeds: tuple[int, ...] = (0,)
    at: tuple[TimeValue, ...] = ()

    def recipes(self) -> list[Recipe]:
        """All versions, the edits in a row changing fastest, then the text scale, the instruction slowest."""
        rows = [self.recipe.then[:count] for count in range(len(self.recipe.then) + 1)]
        axes = (self.instructions, self.seeds, self.image_scales, self.text_scales, rows)
        return [
            dataclasses.replace(
                self.recipe, instruction=instruction, seed=seed, image_scale=image_scale, text_scale=text, then=then
            )
            for instruction, seed, image_scale, text, then in itertools.product(*axes)
        ]


class SilentReporter:
    """Says nothing; for use from Python."""

    def message(self, level: Literal["info", "warning"], text: str) -> None:
        """Ignored."""

    def start(self, total_frames: int | None, title: str) -> None:
        """Ignored."""

    def advance(self, frames: int) -> None:
        """Ignored."""

    def done(self, summary: Mapping[str, object]) -> None:
        """Ignored."""


def check_source(source: str) -> None:
    """Refuse a source that the file system already tells is none.

    Raises:
        SourceError: it is missing, a folder, empty, or not allowed to be read.
    """
    if source == STREAM:
        return
    if remote.is_url(source):
        remote.check_source(source)
        return
    path = Path(source)
    try:
        if path.is_dir():
            raise SourceError(f"{source} is a folder, not a video", "name one file; a shell loop edits many")
        if not path.exists() and not _is_sequence(path, written=False):
            hint = "download it first" if "://" in source else "check the spelling; names with spaces need quotes"
            raise SourceError(f"{source} does not exist", hint)
        if path.is_file() and path.stat().st_size == 0:
            raise SourceError(f"{source} is empty", "the file holds no bytes: copy or download it again")
    except (OSError, ValueError) as error:
        raise SourceError(f"{source} cannot be read: {error}", "check the name and the folder's permissions") from error
    if not os.access(path if path.exists() else path.parent, os.R_OK):
        raise SourceError(f"{source} may not be read", "check the file's permissions")


def _is_sequence(path: Path, *, written: bool) -> bool:
    """Whether the name stands for numbered pictures, to be `written` or read; which there are is found out later."""
    if "%" not in path.name:
        return False
    from movie_cli.media.pictures import WRITTEN, is_pattern

    return is_pattern(path, WRITTEN) if written else is_pattern(path)


def output_exists(output: str) -> bool:
    """Whether the output, or a picture of that sequence, is there already."""
    if remote.is_url(output):
        return remote.exists(output)
    path = Path(output)
    if output == STREAM or not _is_sequence(path, written=True):
        return output != STREAM and path.exists()
    from movie_cli.media.pictures import file_names

    names = file_names(path)
    return path.parent.is_dir() and any(names.fullmatch(entry.name) for entry in path.parent.iterdir())


def check_output(source: str, output: str) -> None:
    """Refuse an output that could never be written. Whether it may replace an existing file is asked elsewhere.

    Raises:
        UsageError: the output is the source, is empty, or is a sequence in a store.
        OutputError: it is a folder, or its folder is missing or may not be written.
    """
    if output == STREAM:
        return
    if not output:
        raise UsageError("the output's name is empty", "name a file with -o, for example -o out.mp4")
    if remote.is_url(output):
        if source == output:
            raise UsageError(f"{output} is the source itself", "choose another name with -o")
        if _is_sequence(Path(remote.file_name(output)), written=True):
            raise UsageError(f"{output} stands for numbered pictures", "a store takes one file; write them here first")
        return
    path = Path(output)
    try:
        if source != STREAM and _same_file(Path(source), path):
            raise UsageError(f"{output} is the source itself", "choose another name with -o")
        if path.is_dir():
            raise OutputError(f"{output} is a folder", f"name a file in it, for example {path / 'out.mp4'}")
        if not path.parent.is_dir():
            raise OutputError(
                f"{output} cannot be written: there is no folder {path.parent}",
                f'make it with: mkdir -p "{path.parent}"',
            )
        if path.exists() and not path.is_file():
            # A finished output is renamed into its place, which would replace a device by a file.
            raise OutputError(f"{output} is not a regular file", "-o - writes to standard output")
    except (OSError, ValueError) as error:
        raise OutputError(f"{output} cannot be written: {error}", "choose another name with -o") from error
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputError(f"the folder {path.parent} may not be written", "choose another folder with -o")


def _same_file(source: Path, output: Path) -> bool:
    if source.exists() and output.exists():
        return source.samefile(output)
    return source.resolve() == output.resolve()
