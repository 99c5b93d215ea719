"""Single frames of a source as recipes make them: what `movie preview`, `movie looks` and `movie tune` show.

Promises the same bytes for a frame and a recipe whoever asks and in whatever order: every frame is encoded and edited
by itself, and follows the anchor that an edit of the whole clip would take.
"""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from movie_cli.backends import Carry, Pixels, RuntimeRequest, Say, registry
from movie_cli.backends.torch_devices import with_compiler
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.editing import clip
from movie_cli.editing.course import Course, Moment
from movie_cli.editing.directing import places_of
from movie_cli.editing.editor import Editor
from movie_cli.editing.plan import bounds_of, course_of
from movie_cli.editing.request import EditRequest, PreviewRequest
from movie_cli.errors import SourceError
from movie_cli.kinds import TimeValue
from movie_cli.media import Frame, FrameReader, SourceInfo
from movie_cli.recipe import Recipe

if TYPE_CHECKING:
    from movie_cli.editing.masks import Bound, Bounds

MOST_SMALL, MOST_WHOLE, MOST_LATENTS, MOST_PLACES = 32, 2, 96, 4
"""How many frames at the working size, frames at the source's, latents, and bounds are kept; the latest."""
_ANY = Recipe("any")
Value = TypeVar("Value")


def open_editor(
    descriptor: Descriptor, request: PreviewRequest, size: tuple[int, int], frames: int, say: Say
) -> Editor:
    """An editor for single frames at the working size, on what the request asks for.

    Raises:
        ModelError: the checkpoint is damaged.
        DeviceError: the device is not there, or has too little memory.
    """
    only_torch = request.compile == "on" and request.backend == "auto" and descriptor.export is None
    backend = "torch" if only_torch else request.backend
    config = registry.choose_runtime(
        descriptor, RuntimeRequest(request.device, request.dtype, backend, size=size, say=say)
    )
    # Compiled only when asked: a frame is there in less time than compiling takes.
    config = with_compiler(config, request.compile, frames, passes=None)
    return Editor(registry.open_backend(descriptor, dataclasses.replace(config, alone=True)))


class SourceFrames:
    """Frames of one source by their place, at the working size `size` (width, height). Any thread may ask."""

    def __init__(self, path: Path, info: SourceInfo, size: tuple[int, int]) -> None:
        self.path, self.info, self.size = path, info, size
        self._all = self.span()
        self._small: Latest[Frame] = Latest(MOST_SMALL)
        self._whole: Latest[tuple[Pixels, Pixels]] = Latest(MOST_WHOLE)

    def span(self, start: TimeValue | None = None, duration: TimeValue | None = None) -> clip.Span:
        """The range of the source from `start` on, for `duration`."""
        return clip.span_of(EditRequest(str(self.path), "", _ANY, start=start, duration=duration), self.info)

    def at(self, place: TimeValue) -> Pixels:
        """The first frame at or after a place, `(1, h, w, 3)`.

        Raises:
            SourceError: there is none.
        """
        return self._small.get(place, lambda: self._read(place)).working[None]

    def seconds(self, place: TimeValue) -> float:
        """When that frame is shown, after the first picture."""
        return self.after_first(self._small.get(place, lambda: self._read(place)))

    def after_first(self, frame: Frame) -> float:
        """When a frame is shown, after the first picture."""
        return frame.time - float(self.info.video.begin)

    def whole(self, place: TimeValue) -> tuple[Pixels, Pixels]:
        """The same frame at the source's own size `(H, W, 3)` and at the working size `(h, w, 3)`.

        Raises:
            SourceError: there is none.
        """
        return self._whole.get(place, lambda: self._read_whole(place))

    def anchor(self, rule: str) -> Frame | None:
        """The frame that an edit of the whole clip would take for its anchor: `middle` or `first`."""
        if rule == "none":
            return None
        where = self._all.middle if rule == "middle" else self._all.start
        return clip.frame_at(self.path, self.info, self._all, where, self.size)

    def _read(self, place: TimeValue) -> Frame:
        frame = clip.frame_at(self.path, self.info, self._all, self._begin(place), self.size)
        if frame is None:
            raise self._nothing_at(place)
        # The working size is all that is kept.
        return dataclasses.replace(frame, pixels=frame.working, scaled=None)

    def _read_whole(self, place: TimeValue) -> tuple[Pixels, Pixels]:
        also = None if self.size == self.info.video.display_size else self.size
        start = self._begin(place)
        with FrameReader(self.path, start=start, info=self.info, also_size=also, threads=1) as reader:
            for frame in reader:
                return frame.pixels, frame.working
        raise self._nothing_at(place)

    def _begin(self, place: TimeValue) -> float | None:
        """When a place begins, in seconds of the source."""
        try:
            return self.span(place).start
        except SourceError as error:
            raise self._nothing_at(place) from error

    def _nothing_at(self, place: TimeValue) -> SourceError:
        return SourceError(f"{self.path} has no frame at {place}", "see its length with `movie info`")


class FrameEditor:
    """Edits frames of one source one at a time. One thread at a time may use it."""

    def __init__(self, frames: SourceFrames, editor: Editor) -> None:
        self.frames, self.editor = frames, editor
        self._latents: Latest[Any] = Latest(MOST_LATENTS)
        self._anchors: Latest[Pixels | None] = Latest(MOST_SMALL)
        self._places: Latest[Bounds | None] = Latest(MOST_PLACES)
        self._courses: Latest[Course] = Latest(MOST_PLACES)
        self._set: tuple[Hashable, ...] | None = None

    def edited(self, recipe: Recipe, place: TimeValue, *, whole: bool = False) -> Pixels:
        """The frame at a place `(h, w, 3)` as `recipe` makes it, at the working size; `whole` without the last
        step's bounds.

        Raises:
            SourceError: there is no frame there.
            DeviceMemoryError: one frame is too much for the device.
        """
        return self.edit(recipe, self.frames.at(place), self.frames.seconds(place), whole=whole)[0]

    def edit(
        self,
        recipe: Recipe,
        frames: Pixels,
        seconds: float,
        carries: Sequence[Carry] | None = None,
        *,
        whole: bool = False,
    ) -> Pixels:
        """Frames of the source `(N, h, w, 3)` as `recipe` makes them at a time, all its steps in a row.

        `carries` holds one for each step; see `Editor.edit`. Where the recipe names places each frame is bounded by
        what is seen in it alone.
        """
        return self._edit_chain(recipe.chain, frames, seconds, carries, whole=whole)

    def edit_over(self, recipe: Recipe, frames: Pixels, seconds: Sequence[float], carries: Sequence[Carry]) -> Pixels:
        """As `edit` for frames in a row, each with its time."""
        if not any(self.course(step).moves for step in recipe.chain):
            return self.edit(recipe, frames, seconds[0], carries)
        pairs = zip(frames, seconds, strict=True)
        return np.concatenate([self.edit(recipe, frame[None], at, carries) for frame, at in pairs])

    def _edit_chain(
        self,
        chain: tuple[Recipe, ...],
        frames: Pixels,
        seconds: float,
        carries: Sequence[Carry] | None,
        *,
        whole: bool = False,
    ) -> Pixels:
        for number, step in enumerate(chain):
            self._prepare(step, chain[:number], self.course(step).at(seconds))
            edited = self.editor.edit(frames, self._encoded(frames), None if carries is None else carries[number])
            if whole and number + 1 == len(chain):
                return edited
            pairs = zip(frames, edited, strict=True)
            frames = np.stack([self.bounded(step, frame, frame, pixels) for frame, pixels in pairs])
        return frames

    def bounded(self, recipe: Recipe, source: Pixels, small: Pixels, edited: Pixels) -> Pixels:
        """An edited frame `(H, W, 3)` with the source's own outside the recipe's places.

        `source` is the frame of the source at any size, `small` at the working size.
        """
        bound = self._bound(recipe, edited.shape[1])
        return edited if bound is None else bound.apply(source, small, edited, 0)

    def mask(self, recipe: Recipe, frame: Pixels) -> Pixels:
        """Where the edit of a frame `(h, w, 3)` goes, `(h, w)`: 255 everywhere where the recipe names no place."""
        bound = self._bound(recipe, frame.shape[1])
        return np.full(frame.shape[:2], 255, np.uint8) if bound is None else bound.mask(frame, frame, 0)

    def _bound(self, recipe: Recipe, width: int) -> Bound | None:
        """Bounds of one frame of this width."""
        descriptor = self.editor.backend.descriptor
        asked = EditRequest(str(self.frames.path), "", recipe)
        places = *places_of(descriptor, recipe), recipe.feather
        bounds = self._places.get(places, lambda: bounds_of(asked, descriptor))
        output = recipe.size or self.frames.info.video.display_size
        return None if bounds is None else bounds.begin(0, width / output[0])

    def course(self, recipe: Recipe) -> Course:
        """What a recipe asks over time."""
        asked = recipe.instruction, recipe.text_scale, recipe.image_scale, recipe.fade
        return self._courses.get(
            asked, lambda: course_of(recipe, self.editor.backend.descriptor, self.frames.info, self.frames.info.length)
        )

    def _prepare(self, step: Recipe, before: tuple[Recipe, ...], moment: Moment) -> None:
        """Set what is asked at a moment and its anchor, as the steps before leave it, unless they are set."""
        wanted = (moment, step.seed, step.steps, step.anchors, before)
        if wanted == self._set:
            return
        anchor = self._anchors.get((step.anchors, before), lambda: self._anchor(step.anchors, before))
        self._set = None
        self.editor.set_moment(moment, step)
        if anchor is not None:
            self.editor.set_anchors(self._encoded(anchor))
        self._set = wanted

    def _anchor(self, rule: str, before: tuple[Recipe, ...]) -> Pixels | None:
        frame = self.frames.anchor(rule)
        if frame is None or not before:
            return None if frame is None else frame.working[None]
        return self._edit_chain(before, frame.working[None], self.frames.after_first(frame), None)

    def _encoded(self, frames: Pixels) -> Any:
        """Latents by what the frames show: the anchor may be one of those looked at."""
        digest = hashlib.blake2b(frames.tobytes(), digest_size=16).digest()
        return self._latents.get((digest, frames.shape), lambda: self.editor.encode(frames))


class Latest(Generic[Value]):
    """The latest values by their keys. A value that two threads want at once may be made twice."""

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a key, made if it is not there."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return value
