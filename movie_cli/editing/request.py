"""What one edit is asked to do, and whom it reports to.

Promises plain immutable values that cost nothing to import (neither torch nor PyAV), and the checks that need
only the file system: the source is there, the output is another file, its folder can be written. Knows nothing of
what is inside the source or the checkpoint.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal, Protocol

from movie_cli import remote
from movie_cli.errors import OutputError, SourceError, UsageError
from movie_cli.reading import ReadOptions
from movie_cli.recipe import Recipe

STREAM = "-"
"""As a source this is standard input, as an output standard output."""

_TIME = re.compile(
    r"(?:(?:(?P<hours>\d{1,6}):)?(?P<minutes>\d{1,6}):)?(?P<seconds>\d{1,9}(?:\.\d{0,12})?|\.\d{1,12})(?P<unit>s?)",
    re.ASCII,
)
_FRAMES = re.compile(r"(\d{1,12})f", re.ASCII)


@dataclass(frozen=True)
class TimeValue:
    """A position or a length in the source: a number of frames or of seconds, exactly one of the two."""

    frames: int | None = None
    seconds: Fraction | None = None

    def __post_init__(self) -> None:
        if (self.frames is None) == (self.seconds is None):
            raise UsageError("a time is either a number of frames or a number of seconds")

    @classmethod
    def parse(cls, text: str) -> TimeValue:
        """Read `90f`, `1.5s`, `1.5`, `MM:SS.mmm` or `HH:MM:SS.mmm`; seconds are kept exactly.

        Raises:
            UsageError: the text is none of these.
        """
        text = text.strip()
        if frames := _FRAMES.fullmatch(text):
            return cls(frames=int(frames[1]))
        found = _TIME.fullmatch(text)
        clock = found is not None and found["minutes"] is not None
        if found is None or (clock and (found["unit"] or Fraction(found["seconds"]) >= 60)):
            raise _not_a_time(text)
        if found["hours"] is not None and int(found["minutes"]) >= 60:
            raise _not_a_time(text)
        seconds = Fraction(found["seconds"]) + 60 * int(found["minutes"] or 0) + 3600 * int(found["hours"] or 0)
        return cls(seconds=seconds)

    def __str__(self) -> str:
        """One spelling for each value, which `parse` reads back if the seconds are a finite decimal."""
        if self.seconds is None:
            return f"{self.frames}f"
        digits = 0
        while digits < 18 and (self.seconds * 10**digits).denominator != 1:
            digits += 1
        if digits == 18:
            return f"{self.seconds}s"
        scaled = f"{int(self.seconds * 10**digits):0{digits + 1}d}"
        return f"{scaled[: len(scaled) - digits]}.{scaled[len(scaled) - digits :]}".rstrip(".") + "s"


def _not_a_time(text: str) -> UsageError:
    return UsageError(f'"{text}" is not a time', "write 90f for frames, 1.5s for seconds, or HH:MM:SS.mmm")


@dataclass(frozen=True)
class EncodeOptions:
    """How the output is written. None leaves a choice to the output's container and to the source.

    `options` are passed to the encoder as they are, in order. `audio` says whether sound is copied, encoded anew, the
    one or the other as the container needs it, or left out; `subtitles` and `metadata` whether they are carried over.
    `rotate` is `keep` (a turned picture stays turned by a note in the file) or `apply`.
    """

    codec: str | None = None
    crf: float | None = None
    preset: str | None = None
    pix_fmt: str | None = None
    options: tuple[tuple[str, str], ...] = ()
    audio: Literal["auto", "copy", "transcode", "none"] = "auto"
    subtitles: bool = True
    metadata: bool = True
    rotate: Literal["keep", "apply"] = "keep"

    def __post_init__(self) -> None:
        if self.crf is not None and not (math.isfinite(self.crf) and 0 <= self.crf <= 63):
            raise UsageError(
                f"--crf is {self.crf}, which is not a number from 0 to 63",
                "smaller is better and bigger; 18 is a start",
            )


@dataclass(frozen=True)
class EditRequest:
    """One edit: what comes in, what goes out, what is done in between, and on what machine.

    `start` and `end` count from the first picture; `end` and `duration` are never both set. `overwrite` False means
    that the output must not exist, also not at the moment it is renamed into its place. `resume` continues what an
    interrupted edit has left; `segment_frames` is how many frames are encoded and kept at a time, None for what suits
    the model.

    Raises:
        UsageError: the values contradict each other or are out of range.
    """

    source: str
    output: str
    recipe: Recipe
    start: TimeValue | None = None
    end: TimeValue | None = None
    duration: TimeValue | None = None
    backend: str = "auto"
    device: str = "auto"
    dtype: str = "auto"
    compile: str = "auto"
    hwaccel: str = "auto"
    provider: str = "auto"
    batch_size: int | None = None
    encode: EncodeOptions = field(default_factory=EncodeOptions)
    reading: ReadOptions = field(default_factory=ReadOptions)
    strict: bool = False
    use_cache: bool = True
    offline: bool = False
    overwrite: bool = False
    resume: bool = False
    segment_frames: int | None = None

    @property
    def key(self) -> str:
        """A name for the request, the same whenever it is made again, also to continue or to replace its output."""
        plain = dataclasses.replace(self, overwrite=False, resume=False, batch_size=None, offline=False)
        text = json.dumps(dataclasses.asdict(plain), default=str, sort_keys=True)
        return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=12).hexdigest()

    def __post_init__(self) -> None:
        if self.end is not None and self.duration is not None:
            raise UsageError("--end and --duration are both given", "keep one of the two")
        for length in (self.end, self.duration):
            if length is not None and not (length.frames or length.seconds):
                raise UsageError("the part of the source to edit is empty", "--end and --duration must be above 0")
        if self.start and self.end and _not_before(self.start, self.end):
            raise UsageError(
                f"--start {self.start} is not before --end {self.end}", "both count from the first picture"
            )
        if self.batch_size is not None and self.batch_size < 1:
            raise UsageError(f"--batch-size is {self.batch_size}, which is below 1", "leave it out to have it chosen")
        if self.segment_frames is not None and self.segment_frames < 1:
            raise UsageError(
                f"--segment-frames is {self.segment_frames}, which is below 1", "leave it out to have it chosen"
            )


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
class PreviewRequest:
    """A preview: which frames of a source, in which versions.

    `recipe` holds what all versions share. Every combination of `instructions`, `seeds`, `image_scales` and
    `text_scales` is a version; none of them is empty. `at` are the places of the frames, empty for a choice of ours.
    """

    source: str
    recipe: Recipe
    instructions: tuple[str, ...]
    text_scales: tuple[float, ...]
    image_scales: tuple[float, ...]
    seeds: tuple[int, ...] = (0,)
    at: tuple[TimeValue, ...] = ()
    backend: str = "auto"
    device: str = "auto"
    dtype: str = "auto"
    compile: str = "auto"
    offline: bool = False

    def recipes(self) -> list[Recipe]:
        """All versions, the text scale changing fastest, the instruction slowest."""
        axes = (self.instructions, self.seeds, self.image_scales, self.text_scales)
        return [
            dataclasses.replace(
                self.recipe, instruction=instruction, seed=seed, image_scale=image_scale, text_scale=text_scale
            )
            for instruction, seed, image_scale, text_scale in itertools.product(*axes)
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
    from movie_cli.media.sequence import WRITTEN, is_pattern

    return is_pattern(path, WRITTEN) if written else is_pattern(path)


def output_exists(output: str) -> bool:
    """Whether the output, or a picture of that sequence, is there already."""
    if remote.is_url(output):
        return remote.exists(output)
    path = Path(output)
    if output == STREAM or not _is_sequence(path, written=True):
        return output != STREAM and path.exists()
    from movie_cli.media.sequence import file_names

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
