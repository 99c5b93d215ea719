"""What an edited frame goes through before it is written: the source's detail, its bounds, and its strength."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from movie_cli.backends.base import Pixels
from movie_cli.editing.clip import Batch
from movie_cli.editing.course import mixed
from movie_cli.editing.painting import painted
from movie_cli.editing.plan import Plan
from movie_cli.media.encoder import Picture
from movie_cli.media.planes import Canvas, Luma
from movie_cli.models.detail import transfer

if TYPE_CHECKING:
    from movie_cli.editing.masks import Bound


class Finishing:
    """Finishes the frames of one run in order; `written` frames have come before. `close` lets go of a mask's file.

    With a `canvas` frames are painted on it; the batches' full frames are their luma then. `seen` is the largest share
    of a frame, in [0, 1], that the edit was bounded to.
    """

    def __init__(self, plan: Plan, written: int, canvas: Canvas | None = None) -> None:
        self._plan, self._written, self._canvas = plan, written, canvas
        self._bound: Bound | None = None
        self.seen = 0.0

    def frames(self, batch: Batch, edited: Pixels) -> Iterator[Picture]:
        """Frames at the output's size of those edited at the working size."""
        sources = batch.full or list(batch.small)
        for source, small, pixels, (pts, _) in zip(sources, batch.small, edited, batch.times, strict=True):
            if isinstance(source, Luma):
                assert self._canvas is not None
                amount = self._plan.request.recipe.detail
                yield painted(self._canvas, source, small, pixels, self._plan.size, amount)
            else:
                yield self._finished(source, small, pixels, pts)
            self._written += 1

    def _finished(self, source: Pixels, small: Pixels, edited: Pixels, pts: int) -> Pixels:
        plan = self._plan
        bound, strength = self._bound_at(pts), plan.moment(pts).strength
        size, recipe = plan.size, plan.request.recipe
        if plan.needs_full and strength:
            edited = transfer(source, small, edited, size, recipe.detail)
        if bound is None and strength == 1:
            return edited
        whole = source if (source.shape[1], source.shape[0]) == size else resized(source, size)
        # A mask follows the pictures that it has seen: it sees also those that are not edited.
        if bound is not None:
            edited = bound.apply(source, small, edited if strength else whole, plan.seconds(pts))
            self.seen = max(self.seen, bound.share)
        return mixed(whole, edited, strength)

    def _bound_at(self, pts: int) -> Bound | None:
        """Bounds, which begin anew with each segment."""
        if self._plan.bounds is not None and (self._bound is None or self._written % self._plan.segment == 0):
            self.close()
            self._bound = self._plan.bounds.begin(self._plan.seconds(pts))
        return self._bound

    def close(self) -> None:
        """Let go of files."""
        if self._bound is not None:
            self._bound.close()
            self._bound = None


def resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """A frame at another size (width, height)."""
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
