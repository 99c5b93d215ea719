"""Edits a suite's clips and measures each edit: one row of plain numbers an edit, as soon as it is there.

Frames are at the model's working size, the middle one is the anchor, as in `movie edit`. A clip's frames and motion are
kept while its edits are measured, everything else is forgotten. Measures that cannot be had are absent from a row.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from movie_cli.backends import Pixels
from movie_cli.errors import SourceError
from movie_cli.evaluate import measures
from movie_cli.evaluate.measures import ClipScorer, Lpips
from movie_cli.evaluate.subjects import Subject, in_batches
from movie_cli.evaluate.suite import Clip, Suite, SuiteEdit
from movie_cli.media import FrameReader, VideoWriter, probe
from movie_cli.models.flow import Step, steps_of, warp_error
from movie_cli.recipe import Recipe

Row = dict[str, Any]


@dataclass
class Judges:
    """What needs weights of its own; None where there are none."""

    clip: ClipScorer | None = None
    pick: ClipScorer | None = None
    lpips: Lpips | None = None
    _embedded: dict[tuple[int, str], Any] = field(default_factory=dict)

    def source(self, scorer: ClipScorer, clip: Clip, frames: Pixels) -> Any:
        """A source's embeddings, made once."""
        key = (id(scorer), clip.name)
        if key not in self._embedded:
            self._embedded[key] = scorer.embed_frames(frames)
        return self._embedded[key]


@dataclass(frozen=True)
class OpenClip:
    """A clip's frames `(N, H, W, 3)`, their motion, and the motion's own warp error."""

    clip: Clip
    frames: Pixels
    steps: list[Step]
    warp_error: float


def run_suite(
    suite: Suite,
    subjects: Callable[[str], Subject],
    judges: Judges,
    done: Callable[[str, str, str], bool] = lambda *_: False,
    videos: Path | None = None,
) -> Iterator[Row]:
    """Rows for every clip, model and edit that is not `done(clip, edit, model)` yet.

    With `videos`, each edit is also written there as an mp4.

    Raises:
        MovieError: a clip, model or instruction cannot be used.
    """
    for model in suite.models:
        subject: Subject | None = None
        for clip in suite.clips:
            left = [edit for edit in clip.edits if not done(clip.name, edit.name, model)]
            if not left:
                continue
            subject = subject or subjects(model)
            opened = open_clip(clip, subject, suite.frames)
            for edit in left:
                began = time.monotonic()
                middle = len(opened.frames) // 2
                recipe = Recipe(edit.instruction, suite.text_scale, suite.image_scale)
                run = subject.prepare(recipe, opened.frames[middle : middle + 1])
                edited = in_batches(run, opened.frames)
                seconds = time.monotonic() - began
                row: Row = {
                    "clip": clip.name,
                    "edit": edit.name,
                    "instruction": edit.instruction,
                    "model": model,
                    "machine": subject.machine,
                    "frames": len(edited),
                    "size": [edited.shape[2], edited.shape[1]],
                    "text_scale": suite.text_scale,
                    "image_scale": suite.image_scale,
                    "edit_seconds": round(seconds, 3),
                }
                yield row | measure(opened, edit, edited, judges)
                if videos is not None:
                    write_video(videos / f"{_plain(f'{clip.name}-{edit.name}-{model}')}.mp4", clip, edited)


def open_clip(clip: Clip, subject: Subject, frames: int) -> OpenClip:
    """Read a clip's first frames at the size at which the subject works.

    Raises:
        SourceError: it cannot be read, or has a single frame.
        UsageError: OpenCV is not installed.
    """
    info = probe(clip.path)
    pixels = read_frames(clip.path, subject.working_size(*info.video.presentation_size), frames)
    if len(pixels) < 2:
        raise SourceError(f"{clip.path} has a single frame", "quality over time needs two or more")
    steps = steps_of(pixels)
    return OpenClip(clip, pixels, steps, warp_error(pixels, steps))


def read_frames(path: Path, size: tuple[int, int], frames: int) -> Pixels:
    """The first `frames` frames of a video at `size` (width, height)."""
    with FrameReader(path, also_size=size) as reader:
        found = [frame.working for frame in itertools.islice(reader, frames)]
    return np.stack(found)


def measure(opened: OpenClip, edit: SuiteEdit, edited: Pixels, judges: Judges) -> Row:
    """All measures of one edited clip, and the curves that plots are made of."""
    source, clip = opened.frames, opened.clip
    error = warp_error(edited, opened.steps)
    drift = measures.colour_drift(source, edited)
    frequencies, power = measures.flicker_spectrum(source, edited)
    row: Row = {
        "edit_strength": measures.edit_strength(source, edited),
        "warp_error": error,
        "warp_ratio": error / opened.warp_error if opened.warp_error > 0 else math.nan,
        "flicker": measures.flicker(source, edited),
        "colour_drift": sum(drift) / len(drift),
    }
    if clip.mask is not None:
        row["background_psnr"] = measures.background_psnr(source, edited, read_mask(clip.mask, edited.shape[1:3]))
    if edit.reference is not None:
        wanted = read_frames(edit.reference, (edited.shape[2], edited.shape[1]), len(edited))
        common = min(len(wanted), len(edited))
        row["psnr"] = measures.video_psnr(edited[:common], wanted[:common])
        row["ssim"] = measures.video_ssim(edited[:common], wanted[:common])
    if judges.lpips is not None:
        row["lpips"] = judges.lpips.distance(source, edited)
    row |= _by_clip(opened, edit, edited, judges)
    curves = {
        "drift": [round(value, 4) for value in drift],
        "frequencies": [round(float(value), 5) for value in frequencies],
        "power": [float(f"{value:.4g}") for value in power],
    }
    return {name: _number(value) for name, value in row.items()} | {"curves": curves}


def _by_clip(opened: OpenClip, edit: SuiteEdit, edited: Pixels, judges: Judges) -> Row:
    row: Row = {}
    caption = edit.caption or edit.instruction
    if judges.clip is not None:
        before, after = judges.source(judges.clip, opened.clip, opened.frames), judges.clip.embed_frames(edited)
        text = judges.clip.embed_text(caption)
        row["clip_frame"] = measures.clip_frame(after)
        row["clip_image"] = measures.clip_image(before, after)
        row["clip_text"] = measures.clip_text(after, text)
        if opened.clip.caption and edit.caption:
            row["clip_direction"] = measures.clip_direction(
                before, after, judges.clip.embed_text(opened.clip.caption), text
            )
    if judges.pick is not None:
        embedded = judges.pick.embed_frames(edited)
        row["pick_score"] = measures.pick_score(embedded, judges.pick.embed_text(caption), judges.pick.scale)
    return row


def read_mask(path: Path, shape: Sequence[int]) -> NDArray[np.bool_]:
    """A picture, scaled to `(height, width)`, as true where it is brighter than half.

    Raises:
        SourceError: it is no picture.
    """
    try:
        with Image.open(path) as picture:
            grey = picture.convert("L").resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    except (OSError, ValueError) as error:
        raise SourceError(
            f"the mask {path} is no picture: {error}", "white is where edits may change something"
        ) from error
    mask: NDArray[np.bool_] = np.asarray(grey) > 127
    return mask


def write_video(path: Path, clip: Clip, edited: Pixels) -> None:
    """Write frames with the clip's own times.

    Raises:
        OutputError: the folder may not be written.
    """
    info = probe(clip.path)
    size = (edited.shape[2], edited.shape[1])
    with FrameReader(clip.path, info=info, also_size=(2, 2)) as reader, VideoWriter(path, info, size=size) as writer:
        for frame, pixels in zip(itertools.islice(reader, len(edited)), edited, strict=False):
            writer.write(pixels, frame.pts, frame.duration)
        writer.commit()


def _number(value: float) -> float | None:
    """Five digits; None where there is no number, which JSON does not know."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
