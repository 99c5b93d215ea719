"""Inputs of every graph as real edits have them: for fitting quantized graphs, and for measuring any.

There are several pictures, instructions, scales and seeds, and inputs follow from each other: the decoder sees what
the denoiser made of what the encoder made. Computed by the float graphs themselves.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from movie_cli.backends import Pixels, Settings
from movie_cli.backends.fidelity import draw_pictures
from movie_cli.backends.graph_backend import GraphBackend
from movie_cli.errors import SourceError

Feeds = dict[str, NDArray[Any]]

SCALES = ((7.5, 1.5), (2.0, 1.0), (14.0, 3.0), (4.0, 2.5), (12.0, 1.2))
"""Text and image scales: the usual ones, both ends of the trained ranges, and what lies between."""
OPEN_INSTRUCTIONS = ("make it winter", "as a pencil drawing", "make it night", "in the style of van gogh", "sepia")


@dataclass(frozen=True)
class Case:
    """One edit: a frame and its anchor `(H, W, 3)`, an instruction, both scales and a seed."""

    frame: Pixels
    anchor: Pixels
    instruction: str
    scales: tuple[float, float]
    seed: int


def cases(pictures: Pixels, instructions: Sequence[str], count: int) -> list[Case]:
    """`count` edits over pictures, instructions and scales, each changing from one to the next."""
    turning = itertools.cycle(SCALES)
    return [
        Case(
            pictures[number % len(pictures)],
            pictures[(number // 2) % len(pictures)],
            instructions[number * 7 % len(instructions)],
            next(turning),
            number % 3,
        )
        for number in range(count)
    ]


def instructions_of(edits: Sequence[str]) -> tuple[str, ...]:
    """Instructions to try a checkpoint with: the edits it knows, or some common ones."""
    return tuple(edit.replace("_", " ") for edit in edits) or OPEN_INSTRUCTIONS


def pictures_of(clips: Sequence[Path], size: tuple[int, int], count: int, seed: int) -> Pixels:
    """`count` pictures `(count, H, W, 3)` at a size: frames spread over clips, or drawn ones where there are none.

    Raises:
        SourceError: a clip cannot be read.
    """
    if not clips:
        return draw_pictures(count, size, seed)
    each = -(-count // len(clips))
    frames = [frame for clip in clips for frame in _spread(clip, size, each)]
    return np.stack(frames[:count])


def _spread(clip: Path, size: tuple[int, int], count: int) -> Iterator[Pixels]:
    """Up to `count` frames of a clip at even distances, brought to a size."""
    from movie_cli import media

    info = media.probe(clip)
    length = info.length or 0.0
    found = 0
    for number in range(count):
        start = length * (number + 0.5) / count
        with media.FrameReader(clip, start=start, info=info, also_size=size, threads=1) as reader:
            frame = next(iter(reader), None)
        if frame is not None:
            found += 1
            yield frame.working
    if not found:
        raise SourceError(f"{clip} has no frames to calibrate with", "name another clip")


def feeds_of(backend: GraphBackend, edits: Sequence[Case]) -> dict[str, list[Feeds]]:
    """The inputs of `encode`, `anchor`, `frame` and `decode` in each of these edits, computed by `backend`'s graphs."""
    recorded: dict[str, list[Feeds]] = {"encode": [], "anchor": [], "frame": [], "decode": []}
    with backend.recording(recorded):
        for case in edits:
            text = backend.embed_text(case.instruction)
            settings = Settings(text, *case.scales, case.seed, backend.descriptor.steps)
            backend.set_anchors(backend.encode_frames(case.anchor[None]), settings)
            latents = backend.encode_frames(case.frame[None])
            backend.decode_latents(backend.denoise(latents, settings), case.frame[None])
    return recorded
