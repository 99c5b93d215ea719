"""One edit of those in a row: what is asked when, what frames attend to, and what they go through.

The first step's source is the film, every other one's what the step before makes of it. All share the networks; what
is set in the editor for each is kept, so that steps take turns with every batch of frames.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from movie_cli.backends.base import FetchFrames
from movie_cli.editing import clip
from movie_cli.editing.anchors import Anchors
from movie_cli.editing.cached_clip import CachedClip
from movie_cli.editing.clip import Batch
from movie_cli.editing.editor import Editor
from movie_cli.editing.finishing import Finishing, carried
from movie_cli.editing.plan import Plan
from movie_cli.media import Frame
from movie_cli.media.colour import Scaler
from movie_cli.media.planes import Luma


class Step:
    """A step of an edit; `before` is the one whose frames it takes, None for the film's own."""

    def __init__(self, plan: Plan, path: Path, editor: Editor, cached: CachedClip | None, before: Step | None) -> None:
        self.plan, self._editor, self._before = plan, editor, before
        # Frames that are looked at out of turn must leave those in their row as they are.
        self.anchors, self._aside = (
            Anchors(plan, path, editor, lambda frame: self.seen(frame).small, cached) for _ in range(2)
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
        edited: FetchFrames = lambda: batch.small  # noqa: E731
        if run.asked is not None:
            edited = self._editor.edit_later(batch.small, self._editor.encode(batch.small))
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
            three = zip(lumas, batch.small, fetch(), strict=True)
            made = [carried(*each, size, amount) for each in three]
            return Batch(np.stack([small for small, _ in made]), [luma for _, luma in made], batch.times)
        full = [np.asarray(picture) for picture in finishing.frames(batch, fetch())]
        if not self.plan.needs_full:
            return Batch(np.stack(full), None, batch.times)
        return Batch(np.stack([self._scaler(pixels) for pixels in full]), full, batch.times)
