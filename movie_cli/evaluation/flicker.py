"""Flicker of edited clips: their warp error over the source clip's own, along the source's motion.

Promises, for one clip in memory and one edit, the ratio for the subject and for the bank's targets made frame by
frame, which shows what the edit itself asks for. Frames are at the subject's working size; the middle one is the
anchor.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from movie_cli.backends.base import Pixels
from movie_cli.errors import UsageError
from movie_cli.evaluation.flicker_targets import TargetMemory
from movie_cli.evaluation.flow import Step, steps_of, warp_error
from movie_cli.evaluation.measures import clip_energy, mean
from movie_cli.evaluation.subjects import EditFrames, Subject
from movie_cli.media import FrameReader, probe
from movie_cli.training import bank
from movie_cli.training.instructions import canonical

CLIP_SUFFIXES = (".mp4", ".mkv", ".webm", ".mov")
BATCH = 4
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
            run = [frame.small for frame in itertools.islice(reader, wanted) if frame.small is not None]
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
    run = subject.prepare(canonical(name), anchor=clip.frames[middle : middle + 1])
    edited = in_batches(run, clip.frames)
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


def in_batches(run: EditFrames, frames: Pixels) -> Pixels:
    """Run an edit on any number of frames without holding all of them in the network at once."""
    result: Pixels = np.concatenate([run(frames[first : first + BATCH]) for first in range(0, len(frames), BATCH)])
    return result
