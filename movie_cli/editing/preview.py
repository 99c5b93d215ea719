"""A few frames in many versions: what `movie preview` shows before anyone waits for a whole clip.

Promises each tile as `movie edit` would make that frame with that recipe (at the working size), every frame encoded
once and every instruction embedded once however many tiles there are. Knows nothing of how tiles are laid out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from movie_cli import media
from movie_cli.backends.base import Carry, Pixels
from movie_cli.checkpoints.store import open_model
from movie_cli.editing import clip
from movie_cli.editing.directing import advice, told_of
from movie_cli.editing.editor import Editor
from movie_cli.editing.frames import FrameEditor, SourceFrames, open_editor
from movie_cli.editing.request import PreviewRequest, Reporter
from movie_cli.kinds import TimeValue
from movie_cli.recipe import Recipe

CLIP_BATCH = 16
"""Frames of a grid video that are edited at once: with each change of recipe the anchor is run again."""


@dataclass(frozen=True)
class Tile:
    """One frame `(H, W, 3)` as one recipe makes it; `at` is the place that was asked for."""

    recipe: Recipe
    at: TimeValue
    pixels: Pixels


@dataclass(frozen=True)
class Preview:
    """Source frames by place, and the tiles in the order of `PreviewRequest.recipes`, all places of each."""

    sources: list[tuple[TimeValue, Pixels]]
    tiles: list[Tile]


class Previewer:
    """A source and an editor, opened once. `path` is the source as a file that can be searched (`media.local_source`).

    Where no places are asked for, several instructions are shown at `most_places`, one or three.

    Raises:
        MovieError: the source, the checkpoint or the device cannot be used.
    """

    def __init__(self, request: PreviewRequest, path: Path, reporter: Reporter, most_places: int = 3) -> None:
        self.request = request
        self._most_places = most_places
        self.info = media.probe(path)
        descriptor = open_model(request.recipe.model, request.offline)
        self.size = Editor.size_for(descriptor, *self.info.video.presentation_size)
        self._frames = SourceFrames(path, self.info, self.size)
        editor = open_editor(
            descriptor, request, self.size, len(self.places), lambda text: reporter.message("info", text)
        )
        self._editor = FrameEditor(self._frames, editor)
        self._reporter = reporter
        self._told: set[str] = set()
        steps = [step for recipe in request.recipes() for step in recipe.chain]
        for step in steps:
            if told := told_of(descriptor, step):
                self._say(told)
        courses = [self._editor.course(step) for step in steps]
        for instruction in dict.fromkeys(text for course in courses for text in course.texts):
            if told := advice(descriptor, instruction, editor.embed(instruction)):
                reporter.message("warning", told)

    @property
    def places(self) -> tuple[TimeValue, ...]:
        """The frames to show: those asked for, else the middle, or three of the clip for several instructions."""
        if self.request.at:
            return self.request.at
        length = self.info.length
        shares = (0.25, 0.5, 0.75) if len(self.request.instructions) > 1 and self._most_places > 1 else (0.5,)
        if length is None:
            return (TimeValue(frames=0),)
        return tuple(TimeValue.parse(f"{share * length:.2f}") for share in shares)

    def tiles(self) -> Preview:
        """Edit the asked-for frames with every recipe.

        Raises:
            SourceError: there is no frame at one of the places.
        """
        sources = [(place, self._frames.at(place)[0]) for place in self.places]
        tiles = []
        for recipe in self.request.recipes():
            for place in self.places:
                tiles.append(Tile(recipe, place, self._editor.edited(recipe, place)))
                self._tell_notes()
                self._reporter.advance(1)
        return Preview(sources, tiles)

    def clips(self, length: TimeValue) -> Iterator[tuple[media.Frame, list[Pixels]]]:
        """From the first place on, for `length`, each source frame with what every recipe makes of it."""
        span = self.clip_span(length)
        also = None if self.size == self.info.video.display_size else self.size
        with media.FrameReader(
            self._frames.path, start=span.start, end=span.end, info=self.info, also_size=also
        ) as reader:
            frames = iter(reader)
            runs = [(recipe, [Carry() for _ in recipe.chain]) for recipe in self.request.recipes()]
            while batch := list(itertools.islice(frames, CLIP_BATCH)):
                small = np.stack([frame.pixels if frame.small is None else frame.small for frame in batch])
                seconds = [frame.time - float(self.info.video.begin) for frame in batch]
                versions = []
                for recipe, carries in runs:
                    versions.append(self._editor.edit_over(recipe, small, seconds, carries))
                    self._tell_notes()
                for index, frame in enumerate(batch):
                    yield frame, [small[index], *(version[index] for version in versions)]
                self._reporter.advance(len(batch))

    def clip_span(self, length: TimeValue) -> clip.Span:
        """The range that `clips` shows."""
        return self._frames.span(self.places[0], length)

    def _tell_notes(self) -> None:
        """Say what the backend has noted with the first frames."""
        for note in self._editor.editor.backend.notes:
            self._say(note)

    def _say(self, note: str) -> None:
        """Say a sentence once."""
        if note not in self._told:
            self._reporter.message("info", note)
            self._told.add(note)
