"""The pipeline: decode -> encode -> denoise -> decode -> finish -> sink, in bounded memory.

One thread decodes, the caller's runs the network, one finishes frames and encodes; queues between them are bounded.
The same segments come out whether they are made in one run, in several, or on several machines: what frames take over
from one another is one `FrameRun`, which begins anew with each segment.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from movie_cli import media
from movie_cli.backends import Carry, FetchFrames, Pixels
from movie_cli.editing import clip
from movie_cli.editing.clip import Batch, FrameSource, ResumePoint
from movie_cli.editing.course import Moment, beyond
from movie_cli.editing.directing import STRICT_HINT, advice, told_of
from movie_cli.editing.editor import Editor, Editors, joined
from movie_cli.editing.finishing import Finishing, canvas_of, frame_bytes
from movie_cli.editing.flicker import Flicker
from movie_cli.editing.latent_cache import ClipCache
from movie_cli.editing.outputs import Sink
from movie_cli.editing.plan import Plan
from movie_cli.editing.request import Reporter
from movie_cli.editing.step import Step
from movie_cli.errors import UsageError
from movie_cli.media import FrameReader, WriterThread, prefetch

QUEUE = 4
"""Batches that may wait before and behind the network."""

BLOCK = 16
"""Side of the squares that are compared: what moves in a corner must count as much as what fills the picture."""


class FrameRun:
    """What frames in a row take over from one another: all the state there is, made anew at each segment and anchor.

    A frame that shows what the one before showed takes over its edit: films drawn on twos, screen recordings and
    converted frame rates are full of them. Of others a recurrent network sees the edit before. How frames come in
    batches does not matter. `threshold` is the mean difference in code values (of 255) that a square of 16 pixels may
    have; 0 takes equal frames alone.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._source: Pixels | None = None
        self._edited: FetchFrames | None = None
        self._asked: Moment | None = None
        self._carry = Carry()
        self.reused = 0

    def edit(
        self, frames: Pixels, edit: Callable[[list[int], Carry], FetchFrames], asked: Moment | None = None
    ) -> FetchFrames:
        """Edited frames for `(N, H, W, 3)`; `edit` is called once with the numbers of those that must be edited.

        Only frames of which the same is `asked` share an edit.
        """
        if asked != self._asked:
            self._source, self._asked = None, asked
        fresh: list[int] = []
        use: list[int] = []
        for number, frame in enumerate(frames):
            if self._source is None or not self._is_still(frame, self._source):
                self._source = frame.copy()
                fresh.append(number)
            use.append(len(fresh) - 1)
        self.reused += len(frames) - len(fresh)
        before, edited = self._edited, edit(fresh, self._carry) if fresh else None
        if edited is not None:
            self._edited = edited
            if len(fresh) == len(frames):
                return edited
        return lambda: np.stack([_at(before, -1) if index < 0 else _at(edited, index) for index in use])

    def _is_still(self, frame: Pixels, before: Pixels) -> bool:
        if not self._threshold:
            return bool(np.array_equal(frame, before))
        change = np.abs(frame.astype(np.int16) - before).mean(axis=2, dtype=np.float32)
        rows, columns = (np.arange(0, side, BLOCK) for side in change.shape)
        sums = np.add.reduceat(np.add.reduceat(change, rows, axis=0), columns, axis=1)
        areas = np.diff(np.append(rows, change.shape[0]))[:, None] * np.diff(np.append(columns, change.shape[1]))
        return bool((sums / areas).max() <= self._threshold)


def _at(edited: FetchFrames | None, index: int) -> Pixels:
    assert edited is not None
    found: Pixels = edited()[index]
    return found


def load_editor(plan: Plan, editors: Editors, reporter: Reporter) -> Editor:
    """An editor with the model and the recipe of a plan; tells of both.

    Raises:
        ModelError, DeviceError: as `Editors.get`.
        UsageError: the model does not know the instruction, and the request is strict.
    """
    editor = editors.get(plan.descriptor, plan.runtime)
    reporter.message(
        "info", f"{plan.descriptor.name} on {plan.runtime.reason}, working at {plan.working[0]}x{plan.working[1]}"
    )
    for note in (*filter(None, [plan.hardware.note]), *plan.info.notes):
        reporter.message("info", note)
    editor.set_moment(plan.course.at(0), plan.request.recipe)
    for note in editor.backend.notes:
        reporter.message("info", note)
    recipe, masked = plan.request.recipe, plan.request.mask is not None
    for told in told_of(plan.descriptor, recipe, editor.embed, masked=masked):
        reporter.message("info", told)
    for told in beyond(plan.descriptor, recipe):
        reporter.message("warning", told)
    for instruction in dict.fromkeys(text for step in plan.chain for text in step.course.texts):
        told = advice(plan.descriptor, instruction, editor.embed(instruction))
        if not told:
            continue
        if plan.request.strict:
            raise UsageError(told, STRICT_HINT)
        reporter.message("warning", told)
    return editor


class Pipeline:
    """The way of one edit's frames. `run` it once, then look at `damage`, `picture`, `reused` and `notes`.

    `damage` is where the source broke, `picture` a CRC-32 of the frame before the first one, `reused` how many frames
    share the edit of the one before, `notes` what the reader has to say, `seen` how much of a frame each step
    went to at most.
    """

    def __init__(
        self,
        plan: Plan,
        path: Path,
        editor: Editor,
        reporter: Reporter,
        cache: ClipCache,
        flicker: Flicker | None = None,
    ) -> None:
        self._flicker = flicker
        self._plan, self._path, self._editor, self._reporter, self._cache = plan, path, editor, reporter, cache
        self._told = len(editor.backend.notes)
        self._source: FrameSource | None = None
        self._steps: list[Step] = []
        for step in plan.chain:
            before = self._steps[-1] if self._steps else None
            self._steps.append(Step(step, path, editor, cache.clip if before is None else None, before))
        self.damage: media.Damage | None = None
        self.notes: tuple[str, ...] = ()
        self.reused = 0
        self._canvas = canvas_of(plan)
        self._finishing: list[Finishing] = []

    @property
    def seen(self) -> list[float]:
        """The largest share of a frame, in [0, 1], that each step was bounded to so far; 0 where it is not."""
        return [step.seen for step in self._finishing] or [0.0] * len(self._steps)

    def make_anchors(self) -> bytes | None:
        """What the frames of each step attend to, as safetensors; None without. It is used from now on."""
        found: dict[str, NDArray[Any]] = {}
        for number, step in enumerate(self._steps):
            made = step.anchors.make()
            step.use(made)
            found |= {f"{number}.{name}": array for name, array in (made or {}).items()}
        return save(found) if found else None

    def use_anchors(self, made: bytes) -> None:
        """Let frames attend to what `make_anchors` gave, here or elsewhere."""
        found = load(made)
        for number, step in enumerate(self._steps):
            arrays = {name: array for name, array in found.items() if name.startswith(f"{number}.")}
            step.use({name.partition(".")[2]: array for name, array in arrays.items()})

    @property
    def picture(self) -> int | None:
        """A CRC-32 of the frame before the first one, where that was read."""
        return None if self._source is None else self._source.picture

    @property
    def met(self) -> media.Damage | None:
        """The source's damage so far."""
        return None if self._source is None or self._source.reader is None else self._source.reader.met

    def run(self, sink: Sink, begin: ResumePoint | None = None, limit: int | None = None) -> None:
        """Edit the frames from `begin` on, at most `limit`.

        Raises:
            MovieError: whatever went wrong.
        """
        plan = self._plan
        with ExitStack() as stack:
            stack.callback(self._editor.backend.drop)  # of an edit that is broken off
            position = 0 if begin is None else begin.index
            finishing = self._finishing = [
                stack.enter_context(contextlib.closing(Finishing(step, position, self._canvas))) for step in plan.chain
            ]
            frames = self._frames(stack, begin, limit)
            batches = self._decoded(frames) if self._cache.clip is None else self._cached(frames, begin)
            thread: WriterThread[tuple[Batch, FetchFrames]] = stack.enter_context(
                WriterThread(lambda done: self._write(sink, finishing[-1], *done), self._depth(QUEUE, plan.batch))
            )
            batches = self._stored(self._encoded(batches))
            for step, done in zip(self._steps[:-1], finishing, strict=False):
                batches = self._encoded(step.batches(self._edited(step, batches, position), done))
            for batch, edited in self._edited(self._steps[-1], batches, position):
                thread.put((batch, edited))
            thread.finish()
            sink.finish()

    # Decode

    def _frames(
        self, stack: ExitStack, begin: ResumePoint | None, limit: int | None
    ) -> Callable[[], Iterator[media.Frame]]:
        """What begins to decode when it is called: a cached clip may need no frames."""

        def decoded() -> Iterator[media.Frame]:
            self._source = stack.enter_context(FrameSource(self._reader, self._plan.info.video, begin))
            frames: Iterator[media.Frame] = islice(iter(self._source), limit)
            return stack.enter_context(prefetch(frames, self._depth(QUEUE * self._plan.batch, 1)))

        return decoded

    def _reader(self, start: float | None) -> FrameReader:
        """A reader of the edited range that begins at `start`, or at the range's begin."""
        plan = self._plan
        return FrameReader(
            self._path,
            start=plan.span.start if start is None else start,
            end=plan.span.end,
            strict=plan.request.strict,
            info=plan.info,
            also_size=plan.working if plan.working != plan.info.video.display_size else None,
            threads=plan.request.threads or 0,
            decode_on=plan.hardware.decode_on,
            luma=self._canvas is not None,
        )

    def _decoded(self, frames: Callable[[], Iterator[media.Frame]]) -> Iterator[Batch]:
        plan = self._plan
        yield from clip.batches(frames(), plan.batch, plan.needs_full, plan.segment)
        self._finish_reader()

    def _cached(self, frames: Callable[[], Iterator[media.Frame]], begin: ResumePoint | None) -> Iterator[Batch]:
        """Batches with latents from the cache; frames too, unless the output needs the source's own size."""
        plan, cached, from_cache = self._plan, self._cache.clip, self._editor.backend.from_cache
        assert cached is not None
        stored = cached.batches(plan.batch, begin.index if begin is not None else 0, plan.segment)
        if not plan.needs_full:
            for latents, small, times in stored:
                yield Batch(small, None, times, from_cache(latents))
            self.damage = clip.damage_from_text(cached.meta)
            return
        batches = clip.batches(frames(), plan.batch, keep_full=True, cut=plan.segment)
        for batch, (latents, _, _) in zip(batches, stored, strict=True):
            yield replace(batch, latents=from_cache(latents))
        self._finish_reader()

    def _finish_reader(self) -> None:
        if self._source is not None and self._source.reader is not None:
            self.damage = self._source.reader.damage
            self.notes = self._source.reader.notes

    # The network

    def _encoded(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Batches with the source latents that they lack; those of the next one are on their way meanwhile."""
        make = self._editor.encode_later
        begun = ((batch, make(batch.working) if batch.latents is None else None) for batch in batches)
        for this, _ in pairwise(chain(begun, [None])):
            assert this is not None
            yield this[0] if this[1] is None else replace(this[0], latents=this[1]())

    def _stored(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Batches, kept for the next edit on their way."""
        for batch in batches:
            if self._cache.fills:
                self._cache.store(self._editor.backend.to_cache(batch.latents), batch.working, batch.times)
            yield batch

    def _edited(self, step: Step, batches: Iterator[Batch], position: int) -> Iterator[tuple[Batch, FetchFrames]]:
        """Batches with their edited frames, denoised and decoded; `position` frames have come before."""
        still, segment = self._plan.request.recipe.still, self._plan.segment
        run = FrameRun(still)
        for batch in batches:
            if position % segment == 0:
                run = FrameRun(still)
            position += len(batch.working)
            edited: list[FetchFrames] = []
            for part in step.anchors.runs([pts for pts, _ in batch.times]):
                if part.other_anchors:
                    run = FrameRun(still)
                small, latents = batch.working[part.frames], batch.latents[part.frames]
                if part.asked is None:
                    edited.append(partial(np.asarray, small))
                else:
                    edited.append(self._edit(small, latents, run, part.asked))
            yield batch, joined(edited)

    def _edit(self, small: Pixels, latents: Any, run: FrameRun, asked: Moment) -> FetchFrames:
        def edit(fresh: list[int], carry: Carry) -> FetchFrames:
            if len(fresh) == len(small):
                return self._editor.edit_later(small, latents, carry)
            return self._editor.edit_later(small[fresh], latents[fresh], carry)

        before = run.reused
        edited = run.edit(small, edit, asked)
        self.reused += run.reused - before
        while self._editor.notes:
            self._reporter.message("warning", self._editor.notes.pop(0))
        notes = self._editor.backend.notes  # some of them come with the first frames
        for note in notes[self._told :]:
            self._reporter.message("info", note)
        self._told = len(notes)
        return edited

    # Finishing and sink, in a thread of their own

    def _write(self, sink: Sink, finishing: Finishing, batch: Batch, fetch: FetchFrames) -> None:
        edited, shown = fetch(), []
        frames = finishing.frames(batch, edited)
        for picture, small, pixels, (pts, duration) in zip(frames, batch.working, edited, batch.times, strict=True):
            sink.write(picture, pts, duration, small)
            self._reporter.advance(1)
            if self._flicker is not None:
                shown.append(finishing.seen_small(small, pixels, pts))
        if self._flicker is not None:
            self._flicker.add(batch.working, np.stack(shown))

    def _depth(self, wanted: int, frames: int) -> int:
        """How many items of so many frames may wait: fewer where frames are very large."""
        return media.queue_depth(wanted, frames * frame_bytes(self._plan.info.video, self._canvas))
