"""A guard against flicker: an edit's error along the source's motion, as a multiple of the source's own.

Before the first frame is written samples from all over the film are edited. What flickers more than is allowed is asked
for again with more image scale, then with an anchor for each scene, then with less text scale, and the first of these
that is steady enough is taken, for the whole film. While that is edited every frame is measured.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from movie_cli.backends import Carry, Pixels
from movie_cli.editing import clip
from movie_cli.editing.editor import Editor
from movie_cli.editing.plan import Plan
from movie_cli.editing.request import Reporter
from movie_cli.errors import UsageError
from movie_cli.media import FrameReader
from movie_cli.models.flow import steps_of, warp_error
from movie_cli.recipe import AnchorRule, Recipe

PLACES, FRAMES = 3, 6
"""How many samples there are, spread evenly, and how many frames each has."""
MORE_IMAGE, LESS_TEXT = (1.25, 1.6), (0.8, 0.6)
"""By what the scales are multiplied, one after the other."""


@dataclass
class Flicker:
    """Errors along the source's motion, summed over frames: of the edit, and of the source itself."""

    edited: float = 0.0
    source: float = 0.0
    _before: tuple[Pixels, Pixels] | None = field(default=None, repr=False)

    @property
    def ratio(self) -> float | None:
        """How many times the source's own the edit's error is; None where nothing moved, or nothing was seen."""
        return self.edited / self.source if self.source > 0 else None

    def add(self, source: Pixels, edited: Pixels) -> None:
        """Frames `(N, h, w, 3)` that follow those before, and what became of them."""
        if self._before is not None:
            source, edited = (
                np.concatenate([last[None], frames])
                for last, frames in zip(self._before, (source, edited), strict=True)
            )
        self._before = source[-1].copy(), edited[-1].copy()
        for index, step in enumerate(steps_of(source)):
            if step.valid.any():
                pair = slice(index, index + 2)
                self.source += warp_error(source[pair], [step])
                self.edited += warp_error(edited[pair], [step])


def settled(plan: Plan, path: Path, editor: Editor, reporter: Reporter) -> Recipe:
    """The recipe of a plan, or the first answer to its flicker that keeps it within `max_flicker`.

    Raises:
        UsageError: none does, and the request is strict; or the recipe is not plain; or OpenCV is not installed.
    """
    recipe, most = plan.request.recipe, plan.request.max_flicker
    assert most is not None
    samples = list(_samples(plan, path))
    found = [(recipe, _measured(plan, path, editor, recipe, samples))]
    if found[0][1] <= most:
        return recipe
    for answer in _answers(recipe, plan.descriptor.image_scale_range[1]):
        found.append((answer, _measured(plan, path, editor, answer, samples)))
        if found[-1][1] <= most:
            told = f"it flickers {found[0][1]:.2f} times as much as the source; {found[-1][1]:.2f} times"
            reporter.message("info", f"{told} with {_changes(recipe, answer)}, which is taken for the whole film")
            return answer
    best = min(ratio for _, ratio in found)
    told = f"it flickers {found[0][1]:.2f} times as much as the source, {best:.2f} times with the best answer, "
    told = f"{told}and no answer brings it to --max-flicker {most:g}"
    if plan.request.strict:
        raise UsageError(told, "raise --max-flicker, choose another look, or leave out --strict")
    reporter.message("warning", f"{told}; edited as it was asked")
    return recipe


def check_flicker(flicker: Flicker, plan: Plan, reporter: Reporter) -> None:
    """Say what a whole film came to, where that is more than was allowed.

    Raises:
        UsageError: it is, and the request is strict.
    """
    ratio, most = flicker.ratio, plan.request.max_flicker
    if ratio is None or most is None or ratio <= most:
        return
    told = f"the film flickers {ratio:.2f} times as much as the source, more than --max-flicker {most:g}"
    if plan.request.strict:
        raise UsageError(told, "raise --max-flicker, choose another look, or leave out --strict")
    reporter.message("warning", told)


def _answers(recipe: Recipe, most_image: float) -> Iterator[Recipe]:
    """The recipe with more image scale; with an anchor for each scene, too; and with less text scale, too."""
    text, image = recipe.scales
    for factor in MORE_IMAGE:
        more = min(max(most_image, image), round(image * factor, 3))
        if more > image:
            recipe = dataclasses.replace(recipe, image_scale=more)
            yield recipe
    if AnchorRule.parse(recipe.anchors).kind != "scene":
        recipe = dataclasses.replace(recipe, anchors="scene")
        yield recipe
    for factor in LESS_TEXT:
        yield dataclasses.replace(recipe, text_scale=round(text * factor, 3))


def _changes(before: Recipe, after: Recipe) -> str:
    names = ("text_scale", "image_scale", "anchors")
    pairs = ((name, getattr(before, name), getattr(after, name)) for name in names)
    return " ".join(f"--{name.replace('_', '-')} {new}" for name, old, new in pairs if old != new)


def _samples(plan: Plan, path: Path) -> Iterator[tuple[Pixels, list[float]]]:
    """Frames in a row `(N, h, w, 3)` at the working size and their times, from all over the edited part."""
    video, span = plan.info.video, plan.span
    begin = float(video.begin) if span.start is None else span.start
    length = 0.0 if span.middle is None else 2 * (span.middle - begin)
    also = plan.working if plan.working != video.display_size else None
    for place in range(PLACES if length else 1):
        start = begin + length * (place + 0.5) / PLACES if length else span.start
        with FrameReader(path, start=start, end=span.end, info=plan.info, also_size=also, threads=1) as reader:
            frames = [(frame.working, plan.seconds(frame.pts)) for frame in itertools.islice(reader, FRAMES)]
        if len(frames) > 1:
            yield np.stack([small for small, _ in frames]), [seconds for _, seconds in frames]


def _measured(
    plan: Plan, path: Path, editor: Editor, recipe: Recipe, samples: Sequence[tuple[Pixels, list[float]]]
) -> float:
    """The flicker of a recipe in the samples, within the plan's bounds; 0 where nothing moves."""
    kind = AnchorRule.parse(recipe.anchors).kind
    frame = clip.frame_at(path, plan.info, plan.span, plan.span.middle if kind == "middle" else plan.span.start,
                          plan.working)  # fmt: skip
    whole = Flicker()
    editor.user = None
    for frames, times in samples:
        editor.set_recipe(recipe)
        if kind in {"scene", "every"}:
            editor.set_anchors(editor.encode(frames[len(frames) // 2][None]))
        elif kind != "none" and frame is not None:
            editor.set_anchors(editor.encode(frame.working[None]))
        edited = editor.edit(frames, None, Carry())
        if plan.bounds is not None:
            with contextlib.closing(plan.bounds.begin(times[0], plan.working[0] / plan.size[0])) as bound:
                triples = zip(frames, edited, times, strict=True)
                edited = np.stack([bound.apply(before, before, after, at) for before, after, at in triples])
        sample = Flicker()
        sample.add(frames, edited)
        whole.edited, whole.source = whole.edited + sample.edited, whole.source + sample.source
    return whole.ratio or 0.0
