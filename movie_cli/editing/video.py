"""An edit from file to file: planned, run through the pipeline, its segments joined under the asked name.

Memory stays constant, an output appears under its name only when it is whole, finished segments outlive an
interruption in a hidden folder beside it, and every choice is told of.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from movie_cli import media
from movie_cli.editing import clip
from movie_cli.editing.clip import ResumePoint
from movie_cli.editing.editor import Editor, Editors
from movie_cli.editing.flicker import Flicker, check_flicker, settled
from movie_cli.editing.job import SourceWatch, edit_identity
from movie_cli.editing.latent_cache import ClipCache
from movie_cli.editing.outputs import PipeSink, SegmentSink, Sink, is_staged, join, naming_of, open_writer, staged
from movie_cli.editing.pipeline import Pipeline, load_editor
from movie_cli.editing.plan import Plan, changes_of, make_plan
from movie_cli.editing.request import EditRequest, Reporter
from movie_cli.editing.work_folder import ANCHORS, WorkFolder, differences, published, remove_published
from movie_cli.errors import InterruptedEdit, MovieError, UsageError
from movie_cli.options import STREAM

LEAST_SEEN = 0.001
"""Share of a frame that a place must have in some frame to count as seen."""


@dataclass(frozen=True)
class EditSummary:
    """What an edit did. `seconds` is the time from the first frame to the finished file, without start-up.

    `resumed` of the `frames` were there already from a run that was interrupted. `flicker` is what the others came to
    in times the source's own, where it was bounded. `place` is where the edit was bounded to, in words, and `share` the
    largest share of a frame, in [0, 1], that it was; "" and None for the whole picture.
    """

    output: str
    frames: int
    seconds: float
    fps: float
    size: tuple[int, int]
    working_size: tuple[int, int]
    model: str
    device: str
    dtype: str
    cached: bool
    resumed: int = 0
    flicker: float | None = None
    place: str = ""
    share: float | None = None


def summarize(
    plan: Plan, frames: int, seconds: float, *, cached: bool, resumed: int, share: float | None = None
) -> EditSummary:
    """The summary of a finished edit of `frames` frames."""
    return EditSummary(
        output=plan.request.output,
        frames=frames,
        seconds=round(seconds, 3),
        fps=round((frames - resumed) / max(seconds, 1e-9), 2),
        size=plan.size,
        working_size=plan.working,
        model=plan.descriptor.name,
        device=plan.runtime.device,
        dtype=plan.runtime.dtype,
        cached=cached,
        resumed=resumed,
        place="" if plan.bounds is None else plan.bounds.where,
        share=None if share is None else round(share, 4),
    )


def edit_video(request: EditRequest, reporter: Reporter, editors: Editors | None = None) -> EditSummary:
    """Edit a video. `editors` may hold the model already.

    Raises:
        MovieError: whatever went wrong, with nothing left under the asked name. Finished segments are kept in a hidden
            folder beside it, and the hint says so.
        InterruptedEdit: Ctrl-C or a termination, where finished segments are kept.
        KeyboardInterrupt: as it came, where nothing is left.
    """
    with staged(request, reporter) as (here, told):
        summary = _edit(here, told, editors or Editors())
    return replace(summary, output=request.output)


def _edit(request: EditRequest, reporter: Reporter, editors: Editors) -> EditSummary:
    """Edit into a file on this machine, unless it is whole already."""
    with media.local_source(request.source, request.reading) as path:
        plan = make_plan(request, path, lambda text: reporter.message("info", text))
        if request.max_flicker is not None:
            plan = settled_plan(plan, path, editors, reporter)
        if request.output == STREAM:
            return VideoEdit(plan, path, editors, reporter).run()
        if is_whole(plan, path):
            return whole_already(plan, reporter)
        with work_folder(plan, path) as folder:
            return VideoEdit(plan, path, editors, reporter, folder).run()


def settled_plan(plan: Plan, path: Path, editors: Editors, reporter: Reporter) -> Plan:
    """The plan with scales and anchors that keep the edit from flickering, where some do.

    Raises:
        UsageError: none do, and the request is strict.
    """
    recipe = settled(plan, path, editors.get(plan.descriptor, plan.runtime), reporter)
    if recipe == plan.request.recipe:
        return plan
    return make_plan(replace(plan.request, recipe=recipe), path)


class VideoEdit:
    """One edit under way, its segments in `folder`; without one the output goes to a pipe."""

    def __init__(
        self, plan: Plan, path: Path, editors: Editors, reporter: Reporter, folder: WorkFolder | None = None
    ) -> None:
        self._plan, self._path, self._editors, self._reporter, self._folder = plan, path, editors, reporter, folder
        self._watch = SourceWatch(plan.request.source, path)
        self._damage: media.Damage | None = None
        self._cached = False
        self._said: set[str] = set()
        self._pipeline: Pipeline | None = None
        self._flicker = Flicker() if plan.request.max_flicker is not None else None
        self._done = folder.leading if folder is not None and plan.joined else 0
        self._met_before: list[str] = folder.facts.get("met", []) if folder is not None and self._done else []
        self._resumed = sum(folder.frames_of(number) for number in range(self._done)) if folder is not None else 0

    def run(self) -> EditSummary:
        """Edit what is left to edit, and finish the output.

        Raises:
            MovieError: whatever went wrong.
        """
        plan, folder = self._plan, self._folder
        with ClipCache(lambda text: self._reporter.message("warning", text)) as cache:
            if folder is None or not plan.joined:
                began, report = self._edit_whole(cache)
            else:
                began, report = self._edit_segments(cache, folder)
            cache.commit(self._damage)
            self._say(report.messages)
        seconds = time.monotonic() - began
        shares = self._shares
        for step, seen in zip(plan.chain, shares, strict=False):
            if step.bounds is not None and seen < LEAST_SEEN:
                text = (
                    f'"{step.bounds.where}" is not to be seen in {plan.request.source}: as good as nothing is changed'
                )
                self._reporter.message("warning", text)
        share = shares[0] if shares and plan.bounds is not None else None
        summary = summarize(plan, report.frames, seconds, cached=self._cached, resumed=self._resumed, share=share)
        if self._flicker is not None and self._flicker.ratio is not None:
            summary = replace(summary, flicker=round(self._flicker.ratio, 3))
        if folder is not None:
            folder.discard(keep_note=is_staged(plan.request))
        self._reporter.done(asdict(summary))
        return summary

    def _edit_whole(self, cache: ClipCache) -> tuple[float, media.WriteReport]:
        """Straight into the output, which cannot be resumed; when it began, and what was written."""
        plan, folder = self._plan, self._folder
        editor = load_editor(plan, self._editors, self._reporter)
        began = self._start()
        with open_writer(plan, folder.path if folder is not None else None) as writer:
            self._say(writer.messages)
            self._edit_frames(editor, cache, PipeSink(writer), None)
            return began, writer.commit(self._until, naming_of(plan, self._watch, folder))

    def _edit_segments(self, cache: ClipCache, folder: WorkFolder) -> tuple[float, media.WriteReport]:
        """The segments that are not there yet, then all joined; when it began, and what was written."""
        plan = self._plan
        count = folder.facts.get("segments")
        if isinstance(count, int) and count <= self._done:
            began = self._start()
            self._damage = clip.damage_from_text(folder.facts.get("damage", {}))
            self._warn_of_damage()
        else:
            # What the container refuses is to be known now, not after hours.
            self._say(changes_of(plan))
            editor = load_editor(plan, self._editors, self._reporter)
            began, begin = self._start(), None
            if self._done:
                last = folder.load(self._done - 1)
                begin = ResumePoint.after(self._resumed, last.times, last.last_picture)
            with SegmentSink(folder, plan, self._done, self._segment_done) as sink:
                self._edit_frames(editor, cache, sink, begin)
            count = sink.count
            folder.note(segments=count, damage=clip.damage_to_text(self._damage), met=self._met_before)
        return began, join(plan, folder, count, self._watch, self._until)

    def _edit_frames(self, editor: Editor, cache: ClipCache, sink: Sink, begin: ResumePoint | None) -> None:
        """Send the frames from `begin` on through the pipeline; what a run began without latents goes on without."""
        plan, folder = self._plan, self._folder
        if not self._done or folder is None or folder.facts.get("cached"):
            cache.open(plan, self._path, fill=begin is None)  # else rounding may differ from what is done
            if folder is not None and not self._done:
                folder.note(cached=cache.clip is not None)
        pipeline = self._pipeline = Pipeline(plan, self._path, editor, self._reporter, cache, self._flicker)
        anchors = folder.stored(ANCHORS) if folder is not None else None
        if anchors is not None:
            pipeline.use_anchors(anchors)
        elif (made := pipeline.make_anchors()) is not None and folder is not None:
            folder.store(ANCHORS, made)
        pipeline.run(sink, begin)
        self._cached, self._damage = cache.clip is not None, pipeline.damage
        self._say(pipeline.notes)
        self._warn_of_damage()
        if self._flicker is not None:
            check_flicker(self._flicker, plan, self._reporter)
        if pipeline.reused:
            text = f"{pipeline.reused} frames show what the one before shows, and share its edit"
            self._reporter.message("info", text)

    def _segment_done(self) -> None:
        """See that the source stays, and note its damage so far: a run that goes on from here does not meet it."""
        self._watch.check()
        if self._folder is not None and self._shares:
            self._folder.note(seen=self._shares)
        met = None if self._pipeline is None else self._pipeline.met
        if met is not None and self._folder is not None:
            self._folder.note(met=[*self._met_before, met.message])

    @property
    def _shares(self) -> list[float]:
        """The largest share of a frame that each step went to, in this run and before; empty where it is not known."""
        nothing = [0.0] * len(self._plan.chain)
        before = nothing if self._folder is None else self._folder.facts.get("seen", [] if self._done else nothing)
        seen = nothing if self._pipeline is None else self._pipeline.seen
        return [max(pair) for pair in zip(before, seen, strict=False)]

    def _start(self) -> float:
        """Begin to count frames; the time."""
        self._reporter.start(self._plan.span.frames, Path(self._plan.request.source).name)
        if self._resumed:
            self._reporter.message("info", f"continuing after {self._resumed} frames that are done")
            self._reporter.advance(self._resumed)
        return time.monotonic()

    def _say(self, texts: Iterable[str]) -> None:
        """Say what reader and writer have to say, each sentence once."""
        for text in texts:
            if text not in self._said:
                self._said.add(text)
                self._reporter.message("info", text)

    def _warn_of_damage(self) -> None:
        last = [self._damage.message] if self._damage is not None else []
        for text in dict.fromkeys(self._met_before + last):
            self._reporter.message("warning", f"{self._plan.request.source}: {text}; edited what could be read")

    @property
    def _until(self) -> float | None:
        """When the pictures end, where the source broke."""
        return self._damage.time if self._damage is not None and self._damage.fatal else None


@contextlib.contextmanager
def work_folder(plan: Plan, path: Path) -> Iterator[WorkFolder]:
    """The folder of finished segments; errors that pass through get a hint where it can be continued."""
    request = plan.request
    job = edit_identity(plan, path)
    folder = WorkFolder(Path(request.output), job, resume=request.resume, anew=request.overwrite and not request.resume)
    try:
        yield folder
    except (MovieError, KeyboardInterrupt) as error:
        if not plan.resumable:
            folder.discard()
        if not folder.finished_frames:
            raise
        kept = f"{folder.finished_frames} frames are kept: the same command with --resume continues"
        if isinstance(error, KeyboardInterrupt):
            raise InterruptedEdit("interrupted", kept) from error
        error.hint = f"{error.hint}; {kept}" if error.hint else kept
        raise
    finally:
        folder.close()


def is_whole(plan: Plan, path: Path) -> bool:
    """Whether there is nothing to resume because an earlier try of the very same edit was stopped when it was done.

    Raises:
        UsageError: the output is whole, but of another edit, and may not be replaced.
    """
    request = plan.request
    output = Path(request.output)
    before = published(output) if request.resume else None
    if before is None:
        return False
    changes = differences(before.job, edit_identity(plan, path))
    if not changes:
        return True
    if is_staged(request):
        output.unlink(missing_ok=True)  # ours, and of no use any more
    elif not request.overwrite:
        raise UsageError(
            f"{output} exists, and is of another edit: {'; '.join(changes)}",
            "-y replaces it; or choose another name with -o",
        )
    return False


def whole_already(plan: Plan, reporter: Reporter) -> EditSummary:
    """An edit for which `is_whole` holds: only its folder is left to remove, or the output to send to a store."""
    request = plan.request
    output = Path(request.output)
    before = published(output)
    frames = (before.frames if before is not None else 0) or media.probe(output).video.frames or 0
    if not is_staged(request):
        remove_published(output)
    reporter.message("info", f"{request.output} was whole already")
    summary = summarize(plan, frames, 0.0, cached=False, resumed=frames)
    reporter.done(asdict(summary))
    return summary
