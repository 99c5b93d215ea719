"""One edit of those in a row: what is asked when, which frames the others attend to, and what they go through.

Anchors are one of the clip, the newest of a row, or one of each scene. Their schedule follows from the source alone, so
that it is the same whether an edit runs in one go, is continued, or is spread over machines.

The first step's source is the film, every other one's what the step before makes of it. All share the networks; what
is set in the editor for each is kept, so that steps take turns with every batch of frames.
"""

from __future__ import annotations

import bisect
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from movie_cli.backends import FetchFrames, Pixels
from movie_cli.editing import clip
from movie_cli.editing.cached_clip import CachedClip
from movie_cli.editing.clip import Batch, Span
from movie_cli.editing.course import Moment
from movie_cli.editing.editor import Editor
from movie_cli.editing.finishing import Finishing, carried
from movie_cli.editing.plan import Plan
from movie_cli.errors import SourceError
from movie_cli.media import Frame, FrameReader, SourceInfo
from movie_cli.media.colour import Scaler
from movie_cli.media.planes import Luma
from movie_cli.media.timing import frame_times, seconds_to_pts
from movie_cli.recipe import AnchorRule

BANK = 3
"""How many of the newest anchors `every:N` keeps; Fairy (arXiv 2312.13834) uses three."""
CUT = 27.0
"""Mean change of hue (of 180), saturation and value (of 255) between two frames of different scenes: the default of
PySceneDetect's content detector, whose measure this is."""
SHORTEST_SCENE = 15
"""Frames; PySceneDetect's default. Flashes are no scenes."""
_THUMBNAIL = 64


@dataclass(frozen=True)
class Schedule:
    """From which frame on (timestamps, rising) the frames attend to which others (timestamps)."""

    starts: tuple[int, ...]
    anchors: tuple[tuple[int, ...], ...]

    def at(self, pts: int) -> tuple[int, ...]:
        """What a frame attends to."""
        return self.anchors[max(0, bisect.bisect_right(self.starts, pts) - 1)]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """As arrays, for the work folder and other machines."""
        return {
            "starts": np.array(self.starts, np.int64),
            "counts": np.array([len(group) for group in self.anchors], np.int64),
            "anchors": np.array([pts for group in self.anchors for pts in group], np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Schedule:
        """What `to_arrays` gave."""
        flat, groups, begin = arrays["anchors"].tolist(), [], 0
        for count in arrays["counts"].tolist():
            groups.append(tuple(flat[begin : begin + count]))
            begin += count
        return cls(tuple(arrays["starts"].tolist()), tuple(groups))


def make_schedule(rule: AnchorRule, path: Path, info: SourceInfo, span: Span) -> Schedule | None:
    """The anchors of a rule that moves, by one look through the part of the source that is edited; None without frames.

    Raises:
        SourceError: the source cannot be read.
    """
    if rule.kind == "every":
        times = frame_times(path, info, span.start, span.end)
        if times is None:
            times = [pts for pts, _ in _frames(path, info, span)]
        places = times[:: rule.every]
        groups = [tuple(places[max(0, index + 1 - BANK) : index + 1]) for index in range(len(places))]
        return Schedule(tuple(places), tuple(groups)) if places else None
    scenes = list(scenes_of(_frames(path, info, span)))
    if not scenes:
        return None
    return Schedule(tuple(scene[0] for scene in scenes), tuple((scene[len(scene) // 2],) for scene in scenes))


def scenes_of(frames: Iterator[tuple[int, Pixels]]) -> Iterator[list[int]]:
    """Timestamps of each scene's frames, by the content measure of PySceneDetect."""
    scene: list[int] = []
    before: NDArray[np.float32] | None = None
    for pts, pixels in frames:
        values = hue_saturation_value(_thumbnail(pixels))
        cut = before is not None and float(np.abs(values - before).mean()) >= CUT
        if cut and len(scene) >= SHORTEST_SCENE:
            yield scene
            scene = []
        scene.append(pts)
        before = values
    if scene:
        yield scene


def hue_saturation_value(pixels: Pixels) -> NDArray[np.float32]:
    """RGB `(H, W, 3)` to hue in [0, 180), saturation and value in [0, 255], as OpenCV counts them for 8 bits."""
    red, green, blue = (pixels[..., index].astype(np.float32) for index in range(3))
    value = np.maximum(np.maximum(red, green), blue)
    spread = value - np.minimum(np.minimum(red, green), blue)
    divisor = np.maximum(spread, 1)
    hue = np.where(
        value == red,
        (green - blue) / divisor,
        np.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    return np.stack([30 * (hue % 6), 255 * spread / np.maximum(value, 1), value], axis=-1).astype(np.float32)


def _thumbnail(pixels: Pixels) -> Pixels:
    """About 64 pixels wide: every so manieth, which is enough for a mean."""
    step = max(1, pixels.shape[1] // _THUMBNAIL)
    return pixels[::step, ::step]


def _frames(path: Path, info: SourceInfo, span: Span) -> Iterator[tuple[int, Pixels]]:
    with FrameReader(path, start=span.start, end=span.end, info=info) as reader:
        for frame in reader:
            yield frame.pts, frame.pixels


@dataclass(frozen=True)
class Run:
    """Frames in a row, what is asked of the network for them, and whether they attend to others than those before."""

    frames: slice
    asked: Moment | None
    other_anchors: bool


class Anchors:
    """The anchors of one edit: made once, kept for later runs and other machines, and set as frames need them.

    Where what is asked changes from frame to frame, so do their keys and values.

    `seen` gives a frame of the film at the working size, `(1, h, w, 3)`, as the edit gets it. `cached` is the clip in
    the latent cache, if it holds just that. Without `use` frames attend to themselves alone.
    """

    def __init__(
        self, plan: Plan, path: Path, editor: Editor, seen: Callable[[Frame], Pixels], cached: CachedClip | None = None
    ) -> None:
        self._plan, self._path, self._editor, self._seen, self._cached = plan, path, editor, seen, cached
        self._schedule: Schedule | None = None
        self._current: tuple[int, ...] | None = None
        self._asked: Moment | None = None
        self._made: Any | None = None
        self._kept: Any | None = None
        self._frames: dict[int, Pixels] = {}

    def make(self) -> dict[str, NDArray[Any]] | None:
        """What frames attend to: source latents, or a schedule where anchors move; None without."""
        rule, span = AnchorRule.parse(self._plan.request.recipe.anchors), self._plan.span
        if rule.kind == "none":
            return None
        if rule.moves:
            schedule = make_schedule(rule, self._path, self._plan.info, span)
            return None if schedule is None else schedule.to_arrays()
        latents = self._first(span.middle if rule.kind == "middle" else span.start)
        return None if latents is None else {"latents": self._editor.backend.to_cache(latents)}

    def use(self, made: Mapping[str, NDArray[Any]] | None) -> None:
        """Let frames attend to what `make` gave, here or elsewhere."""
        self._schedule = self._current = self._asked = self._made = self._kept = None
        if made and "latents" in made:
            self._made = self._editor.backend.from_cache(made["latents"])
        elif made:
            self._schedule = Schedule.from_arrays(made)

    def runs(self, times: Sequence[int]) -> Iterator[Run]:
        """Runs of frames (timestamps) of which the same is asked and that attend to the same, both set in the editor.

        Where nothing is asked of the network nothing is set.
        """
        if self._editor.user is not self:
            self._editor.user = self
            if self._kept is not None:
                self._editor.state = self._kept
        begin = 0
        wanted = [(self._plan.moment(pts).asked, self._schedule.at(pts) if self._schedule else ()) for pts in times]
        for end in range(1, len(times) + 1):
            if end < len(times) and wanted[end] == wanted[begin]:
                continue
            asked, anchors = wanted[begin]
            others = asked is not None and anchors != self._current
            if others:
                self._made = self._latents(anchors) if self._schedule else self._made
            if asked is not None and (others or asked != self._asked):
                self._editor.user = self  # for its anchors a step before may have taken a turn
                self._editor.set_moment(asked, self._plan.request.recipe)
                if self._made is not None:
                    self._editor.set_anchors(self._made)
                self._asked, self._current, self._kept = asked, anchors, self._editor.state
            yield Run(slice(begin, end), asked, others)
            begin = end

    def _first(self, seconds: float | None) -> Any | None:
        """Latents of the first frame at or after an instant, or of the first of all; None where none can be read."""
        plan, video = self._plan, self._plan.info.video
        if self._cached is not None:
            wanted = video.origin + seconds_to_pts(seconds or 0.0, video.time_base)
            late = (index for index, (pts, _) in enumerate(self._cached.times) if seconds is None or pts >= wanted)
            return self._editor.backend.from_cache(self._cached.at(next(late, 0))[0])
        threads = plan.request.threads or 0
        frame = clip.frame_at(self._path, plan.info, plan.span, seconds, plan.working, threads)
        if frame is None:
            frame = clip.frame_at(self._path, plan.info, plan.span, plan.span.start, plan.working, threads)
        return None if frame is None else self._editor.encode(self._seen(frame))

    def _latents(self, anchors: tuple[int, ...]) -> Any:
        """Latents of the frames with these timestamps, as one batch; the newest frames are kept to be read once.

        Raises:
            SourceError: one is not there any more.
        """
        if self._cached is not None:
            places = {pts: index for index, (pts, _) in enumerate(self._cached.times)}
            stored = [self._cached.at(places[pts])[0] for pts in anchors if pts in places]
            if len(stored) == len(anchors):
                return self._editor.backend.from_cache(np.concatenate(stored))
        for pts in anchors:
            if pts not in self._frames:
                self._frames[pts] = self._read(pts)
        while len(self._frames) > 2 * BANK:
            self._frames.pop(next(iter(self._frames)))
        return self._editor.encode(np.concatenate([self._frames[pts] for pts in anchors]))

    def _read(self, pts: int) -> Pixels:
        plan, video = self._plan, self._plan.info.video
        # Half a unit early: the instant must not round to after the frame.
        seconds = float((pts - video.origin - 0.5) * video.time_base) if pts > video.origin else None
        frame = clip.frame_at(self._path, plan.info, plan.span, seconds, plan.working, plan.request.threads or 0)
        if frame is None:
            raise SourceError(
                f"{self._path} has no frame at {float(pts * video.time_base):.3f} s any more", "try again"
            )
        return self._seen(frame)


class Step:
    """A step of an edit; `before` is the one whose frames it takes, None for the film's own."""

    def __init__(self, plan: Plan, path: Path, editor: Editor, cached: CachedClip | None, before: Step | None) -> None:
        self.plan, self._editor, self._before = plan, editor, before
        # Frames that are looked at out of turn must leave those in their row as they are.
        self.anchors, self._aside = (
            Anchors(plan, path, editor, lambda frame: self.seen(frame).working, cached) for _ in range(2)
        )
        self._scaler = Scaler(plan.working)

    def use(self, made: dict[str, Any] | None) -> None:
        """Let frames attend to what `Anchors.make` gave."""
        self.anchors.use(made)
        self._aside.use(made)

    def seen(self, frame: Frame) -> Batch:
        """A frame of the film as this step gets it."""
        if self._before is None:
            return clip.batch_of([frame], keep_full=self.plan.needs_full)
        return self._before.single(frame)

    def single(self, frame: Frame) -> Batch:
        """A frame of the film as the next step gets it."""
        batch = self.seen(frame)
        run = next(self._aside.runs([frame.pts]))
        edited: FetchFrames = lambda: batch.working  # noqa: E731
        if run.asked is not None:
            edited = self._editor.edit_later(batch.working, self._editor.encode(batch.working))
        with contextlib.closing(Finishing(self.plan, 0)) as finishing:
            return self.finished(finishing, batch, edited)

    def batches(self, edited: Iterator[tuple[Batch, FetchFrames]], finishing: Finishing) -> Iterator[Batch]:
        """Batches of finished frames, for the next step."""
        for batch, fetch in edited:
            yield self.finished(finishing, batch, fetch)

    def finished(self, finishing: Finishing, batch: Batch, fetch: FetchFrames) -> Batch:
        """Edited frames as the next step gets them."""
        lumas = [luma for luma in batch.full or () if isinstance(luma, Luma)]
        if lumas:
            size, amount = self.plan.size, self.plan.request.recipe.detail
            three = zip(lumas, batch.working, fetch(), strict=True)
            made = [carried(*each, size, amount) for each in three]
            return Batch(np.stack([small for small, _ in made]), [luma for _, luma in made], batch.times)
        full = [np.asarray(picture) for picture in finishing.frames(batch, fetch())]
        if not self.plan.needs_full:
            return Batch(np.stack(full), None, batch.times)
        return Batch(np.stack([self._scaler(pixels) for pixels in full]), full, batch.times)
