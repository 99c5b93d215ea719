"""A few frames in many versions: what `movie preview` shows before anyone waits for a whole clip.

Promises each tile as `movie edit` would make that frame with that recipe (at the working size), every frame encoded
once and every instruction embedded once however many tiles there are. Knows nothing of how tiles are laid out.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from movie_cli import media
from movie_cli.backends import registry
from movie_cli.backends.base import Carry, Pixels, RuntimeRequest
from movie_cli.backends.torch_devices import with_compiler
from movie_cli.checkpoints.store import open_model
from movie_cli.editing import clip
from movie_cli.editing.editor import Editor, unknown
from movie_cli.editing.request import EditRequest, PreviewRequest, Reporter
from movie_cli.errors import SourceError
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

    Raises:
        MovieError: the source, the checkpoint or the device cannot be used.
    """

    def __init__(self, request: PreviewRequest, path: Path, reporter: Reporter) -> None:
        self.request = request
        self.info = media.probe(path)
        descriptor = open_model(request.recipe.model, request.offline)
        self.size = Editor.size_for(descriptor, *self.info.video.presentation_size)
        only_torch = request.compile == "on" and request.backend == "auto" and descriptor.export is None
        asked = RuntimeRequest(
            request.device,
            request.dtype,
            "torch" if only_torch else request.backend,
            size=self.size,
            say=lambda text: reporter.message("info", text),
        )
        choice = registry.choose_runtime(descriptor, asked)
        # Compiled only when asked: a preview is over in less time than compiling takes.
        choice = with_compiler(choice, request.compile, len(self.places), passes=None)
        self._path = path
        self._span = self._span_of()
        self._editor = Editor(registry.open_backend(descriptor, choice))
        self._reporter = reporter
        self._told: set[str] = set()
        for instruction in request.instructions:
            text = self._editor.set_recipe(dataclasses.replace(request.recipe, instruction=instruction))
            if not text.known:
                reporter.message("warning", unknown(descriptor, instruction, text))

    @property
    def places(self) -> tuple[TimeValue, ...]:
        """The frames to show: those asked for, else the middle, or three of the clip for several instructions."""
        if self.request.at:
            return self.request.at
        length = self.info.length
        shares = (0.25, 0.5, 0.75) if len(self.request.instructions) > 1 else (0.5,)
        if length is None:
            return (TimeValue(frames=0),)
        return tuple(TimeValue.parse(f"{share * length:.2f}") for share in shares)

    def tiles(self) -> Preview:
        """Edit the asked-for frames with every recipe.

        Raises:
            SourceError: there is no frame at one of the places.
        """
        places = self.places
        frames = np.concatenate([self._frame(place) for place in places])
        anchor = self._anchor_frame()
        latents = self._editor.encode(frames if anchor is None else np.concatenate([frames, anchor]))
        tiles = []
        for recipe in self.request.recipes():
            self._set(recipe, None if anchor is None else latents[len(frames) :])
            edited = self._editor.edit(frames, latents[: len(frames)])
            self._tell_notes()
            tiles += [Tile(recipe, place, pixels) for place, pixels in zip(places, edited, strict=True)]
            self._reporter.advance(len(places))
        return Preview(list(zip(places, frames, strict=True)), tiles)

    def clips(self, length: TimeValue) -> Iterator[tuple[media.Frame, list[Pixels]]]:
        """From the first place on, for `length`, each source frame with what every recipe makes of it."""
        span, anchor = self.clip_span(length), self._anchor_frame()
        anchor_latents = None if anchor is None else self._editor.encode(anchor)
        also = None if self.size == self.info.video.display_size else self.size
        with media.FrameReader(self._path, start=span.start, end=span.end, info=self.info, also_size=also) as reader:
            frames, runs = iter(reader), [(recipe, Carry()) for recipe in self.request.recipes()]
            while batch := list(itertools.islice(frames, CLIP_BATCH)):
                small = np.stack([frame.pixels if frame.small is None else frame.small for frame in batch])
                latents = self._editor.encode(small)
                versions = []
                for recipe, carry in runs:
                    self._set(recipe, anchor_latents)
                    versions.append(self._editor.edit(small, latents, carry))
                    self._tell_notes()
                for index, frame in enumerate(batch):
                    yield frame, [small[index], *(version[index] for version in versions)]
                self._reporter.advance(len(batch))

    def clip_span(self, length: TimeValue) -> clip.Span:
        """The range that `clips` shows."""
        return self._span_of(self.places[0], length)

    def _span_of(self, start: TimeValue | None = None, duration: TimeValue | None = None) -> clip.Span:
        asked = EditRequest(self.request.source, "", self.request.recipe, start=start, duration=duration)
        return clip.span_of(asked, self.info)

    def _set(self, recipe: Recipe, anchor_latents: Any) -> None:
        self._editor.set_recipe(recipe)
        if anchor_latents is not None:
            self._editor.set_anchors(anchor_latents)

    def _tell_notes(self) -> None:
        """Say what the backend has noted with the first frames."""
        for note in set(self._editor.backend.notes) - self._told:
            self._reporter.message("info", note)
            self._told.add(note)

    def _anchor_frame(self) -> Pixels | None:
        """The frame that an edit of the whole clip would take for its anchor."""
        if self.request.recipe.anchors == "none":
            return None
        where = self._span.middle if self.request.recipe.anchors == "middle" else self._span.start
        return clip.frame_at(self._path, self.info, self._span, where, self.size)

    def _frame(self, place: TimeValue) -> Pixels:
        frame = clip.frame_at(self._path, self.info, self._span, self._span_of(place).start, self.size)
        if frame is None:
            raise SourceError(f"{self._path} has no frame at {place}", "see its length with `movie info`")
        return frame
