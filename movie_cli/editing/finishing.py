"""What an edited frame goes through before it is written: the source's detail, its bounds, and its strength.

Only the working size is RGB. Of the source's own size the luma is read as it is stored, and the planes that are encoded
are painted from it and the edit, with the bits that each has. Of edits in a row all but the last give luma alone.
Outputs in RGB, with a palette or with transparency, and edits that are mixed with the source somewhere, take the way
over RGB at full size.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from movie_cli.backends import Pixels
from movie_cli.editing.clip import Batch
from movie_cli.editing.course import mixed
from movie_cli.editing.plan import Plan, encode_options
from movie_cli.media import VideoInfo
from movie_cli.media.encoder import Picture, plan_video
from movie_cli.media.planes import Canvas, Luma
from movie_cli.models.detail import Maps, fit, luma_of, paint, planes_of, reduced, transfer
from movie_cli.products import recombined

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
        sources = batch.full or list(batch.working)
        for source, small, pixels, (pts, _) in zip(sources, batch.working, edited, batch.times, strict=True):
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

    def seen_small(self, small: Pixels, edited: Pixels, pts: int) -> Pixels:
        """The last finished frame at the working size, of its source's and its edit's there."""
        bounded = edited if self._bound is None else self._bound.apply_last(small, edited)
        return mixed(small, bounded, self._plan.moment(pts).strength)

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


def canvas_of(plan: Plan) -> Canvas | None:
    """What the frames of an edit are painted on; None where the way goes over RGB, or nothing is to be enlarged."""
    mixes = any(step.bounds is not None or not step.course.whole for step in plan.chain)
    shrinks = plan.size[0] < plan.working[0] or plan.size[1] < plan.working[1]
    if not plan.needs_full or mixes or (plan.then and shrinks):
        return None
    return Canvas.of(plan_video(plan.request.output, plan.info, encode_options(plan.request), plan.size))


def frame_bytes(video: VideoInfo, canvas: Canvas | None) -> int:
    """About what a frame on its way takes."""
    width, height = video.coded_size
    return width * height * 3 if canvas is None else width * height * (3 if video.bit_depth <= 8 else 6) // 2


def painted(
    canvas: Canvas, luma: Luma, source: Pixels, edited: Pixels, size: tuple[int, int], amount: float
) -> av.VideoFrame:
    """A frame of the output with the source's detail: what `transfer` gives, without RGB at full size.

    `source` and `edited` are `(h, w, 3)` at the working size, uint8 RGB, upright; `luma` is the source's, `size`
    (width, height) the output's. `amount` in [0, 1] scales the detail.
    """
    frame, planes = canvas.blank()
    coding = canvas.coding
    source, edited = canvas.stored(source), canvas.stored(edited)
    maps = fit(luma_of(source, luma.weights), coding.encode(edited), amount).of_codes(luma.gain, luma.zero)
    plane = canvas.stored(_plane_for(luma, size, amount))
    coarse, count = (plane, 1) if maps.slope is None else _sums(plane, planes[1].shape)
    paint(maps.part(slice(1)), lambda lines: plane[lines], planes[:1], coding.low[0], coding.high[0])
    colours = maps.part(slice(1, 3)).of_codes(count, 0)
    paint(colours, lambda lines: coarse[lines], planes[1:], coding.low[1], coding.high[1])
    return frame


def carried(luma: Luma, source: Pixels, edited: Pixels, size: tuple[int, int], amount: float) -> tuple[Pixels, Luma]:
    """What `transfer` gives, for an edit that follows: at the working size, nearly, and its luma at the output's.

    The luma is in the codes of the source's; all is upright.
    """
    plane, guide = _plane_for(luma, size, amount), luma_of(source, luma.weights)
    maps = fit(guide, planes_of(edited), amount)
    row, gain = np.array(luma.weights, np.float32)[None], np.float32(luma.gain)
    slope = None if maps.slope is None else recombined(row, maps.slope) * gain
    offset = recombined(row, maps.offset) * gain + np.float32(luma.zero)
    codes = Maps(offset, slope).of_codes(luma.gain, luma.zero)
    made = np.empty(size[::-1], luma.plane.dtype)
    paint(codes, lambda lines: plane[lines], [made], luma.zero, luma.zero + 255 * luma.gain)
    return reduced(maps, guide, size), replace(luma, plane=made)


def _plane_for(luma: Luma, size: tuple[int, int], amount: float) -> NDArray[Any]:
    """A source's luma at the output's size; at its own where no detail of it is wanted."""
    return luma.plane if luma.plane.shape == size[::-1] or amount <= 0 else _resized(luma.plane, size)


def _resized(plane: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    picture = Image.fromarray(plane if plane.dtype == np.uint8 else plane.astype(np.float32))
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC))


def _sums(plane: NDArray[Any], shape: tuple[int, ...]) -> tuple[NDArray[Any], int]:
    """Sums of as many neighbours as share one place of colour, and how many; the last repeat where a side is odd."""
    kind, count = np.uint32 if plane.dtype == np.uint16 else np.result_type(plane.dtype, np.uint16), 1
    for axis in (0, 1):
        many = -(-plane.shape[axis] // shape[axis])
        missing = many * shape[axis] - plane.shape[axis]
        if missing:
            plane = np.concatenate([plane, plane.take([-1] * missing, axis)], axis)
        parts = [plane[first::many] if axis == 0 else plane[:, first::many] for first in range(many)]
        plane = functools.reduce(lambda one, other: np.add(one, other, dtype=kind), parts)
        count *= many
    return plane, count
