"""Flicker of edited clips: their warp error over the source clip's own, along the source's motion.

For one clip in memory and one edit: the ratio for the subject, and for the bank's targets made frame by frame, which
shows what the edit itself asks for. Frames are at the subject's working size; the middle one is the anchor. Targets
take longer than running a model: what they measure is remembered between reports, by a digest of the bank and the
frames.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from movie_cli.backends import Pixels
from movie_cli.errors import UsageError
from movie_cli.evaluate.measures import to_float, to_frames
from movie_cli.evaluate.subjects import Subject, in_batches
from movie_cli.media import FrameReader, probe
from movie_cli.models.flow import Step, steps_of, warp_error
from movie_cli.recipe import Recipe
from movie_cli.train import bank
from movie_cli.train.bank_samples import fingerprint
from movie_cli.train.instructions import canonical
from tools.fidelity import target_of
from tools.measures import GradientEnergy, clip_energy, mean

RUNS = 3
"""Places of a clip that are looked at: its first frames alone are often a title or stand still."""


@dataclass(frozen=True)
class Clip:
    """Runs of frames `(N, H, W, 3)` of a video at the working size, their motion, and their own warp error.

    `steps` has None where one run ends and the next begins.
    """

    name: str
    frames: Pixels
    steps: list[Step | None]
    warp_error: float


@dataclass(frozen=True)
class ClipFlicker:
    """One edit of one clip. `ratio` and `target_ratio` are warp errors of result and target over the source's.

    `energy` and `energy_squared` are the result's gradient energies over the target's.
    """

    clip: str
    edit: str
    ratio: float
    target_ratio: float
    energy: float
    energy_squared: float


@dataclass(frozen=True)
class EditFlicker:
    """One edit's means over the clips, and the ratio of its worst clip."""

    edit: str
    group: str
    drawn: bool
    ratio: float
    worst_ratio: float
    target_ratio: float
    energy: float
    energy_squared: float


def read_clip(path: Path, subject: Subject, frames: int) -> Clip:
    """Read `frames` frames, at least two, in up to three runs spread evenly, at the subject's working size.

    Raises:
        SourceError: the file cannot be read.
        UsageError: OpenCV is not installed, or the clip stands quite still.
    """
    info = probe(path)
    size = subject.working_size(*info.video.presentation_size)
    length = info.length
    count = max(1, min(RUNS, frames // 2)) if length else 1
    runs: list[Pixels] = []
    for number in range(count):
        start = float(length or 0) * (2 * number + 1) / (2 * count) if count > 1 else None
        wanted = frames // count + (number < frames % count)
        with FrameReader(path, start=start, info=info, also_size=size) as reader:
            run = [frame.working for frame in itertools.islice(reader, wanted)]
        if run:
            runs.append(np.stack(run))
    pixels: Pixels = np.concatenate(runs)
    steps: list[Step | None] = []
    for run_pixels in runs:
        steps += [*steps_of(run_pixels), None]
    steps.pop()
    error = warp_error(pixels, steps)
    if not error > 0:
        raise UsageError(
            f"{path} has no warp error of its own in its first {len(pixels)} frames", "give a clip in which things move"
        )
    return Clip(path.name, pixels, steps, error)


def measure_clip(subject: Subject, name: str, clip: Clip, memory: TargetMemory) -> ClipFlicker:
    """Edit the clip with its middle frame as the anchor, and compare."""
    middle = len(clip.frames) // 2
    anchor, ends = clip.frames[middle : middle + 1], [number + 1 for number, step in enumerate(clip.steps) if not step]
    runs = np.split(clip.frames, ends)
    edited = np.concatenate([in_batches(subject.prepare(Recipe(canonical(name)), anchor), run) for run in runs])
    target = memory.facts(name, clip.frames, clip.steps)
    energy, squared = clip_energy(edited).over(target.energy)
    return ClipFlicker(
        clip=clip.name,
        edit=name,
        ratio=warp_error(edited, clip.steps) / clip.warp_error,
        target_ratio=target.warp_error / clip.warp_error,
        energy=energy,
        energy_squared=squared,
    )


def summarize(name: str, rows: Sequence[ClipFlicker]) -> EditFlicker:
    """One edit over all its clips, at least one."""
    edit = bank.get(name)
    ratios = [row.ratio for row in rows]
    return EditFlicker(
        edit=name,
        group=edit.group,
        drawn=edit.drawn,
        ratio=mean(ratios),
        worst_ratio=max(ratios),
        target_ratio=mean([row.target_ratio for row in rows]),
        energy=mean([row.energy for row in rows]),
        energy_squared=mean([row.energy_squared for row in rows]),
    )


@dataclass(frozen=True)
class TargetFacts:
    """Warp error in [0, 1] and summed gradient energies of one edit's targets, made frame by frame."""

    warp_error: float
    absolute: float
    squared: float

    @property
    def energy(self) -> GradientEnergy:
        """Summed over the frames, as `clip_energy` gives it."""
        return GradientEnergy(self.absolute, self.squared)


class TargetMemory:
    """Facts by edit and clip. `path` may be missing, damaged or unwritable; None remembers nothing on disk."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._known: dict[str, list[float]] = {}
        if path is not None:
            with contextlib.suppress(OSError, ValueError):
                self._known = json.loads(path.read_text(encoding="utf-8"))

    def facts(self, name: str, frames: Pixels, steps: Sequence[Step | None]) -> TargetFacts:
        """Measure the targets of an edit on frames `(N, H, W, 3)`, or recall it."""
        edit = bank.get(name)
        digest = hashlib.blake2b(frames.tobytes(), digest_size=12).hexdigest()
        key = f"{name} {fingerprint(edit)} {digest}"
        if key not in self._known:
            target = in_ones(edit, frames)
            energy = clip_energy(target)
            self._known[key] = list(astuple(TargetFacts(warp_error(target, steps), energy.absolute, energy.squared)))
            self._write()
        return TargetFacts(*self._known[key])

    def _write(self) -> None:
        # It only saves time, so failing to write it is no failure.
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._path.write_text(json.dumps(self._known), encoding="utf-8")


def in_ones(edit: bank.Edit, frames: Pixels) -> Pixels:
    """The edit's targets, one frame at a time to bound memory."""
    targets = frames.copy()
    for number, frame in enumerate(frames):
        targets[number] = to_frames(target_of(edit, to_float(frame[None])))[0]
    return targets
