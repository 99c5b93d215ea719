"""One running edit: decode thread, network, encode thread, with bounded queues between them, then the joining.

A frame's way: reader -> encode -> denoise -> decode -> detail -> segment -> output. Promises constant memory and the
same segments whether they are made in one run, in several, or on several machines.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from safetensors.numpy import load, save

from movie_cli import media
from movie_cli.backends.base import Carry, FetchFrames, Pixels
from movie_cli.editing import clip
from movie_cli.editing.anchor_bank import AnchorBank
from movie_cli.editing.anchors import Schedule, make_schedule
from movie_cli.editing.cache_entry import CachedClip
from movie_cli.editing.clip_cache import ClipCache
from movie_cli.editing.continuing import FrameSource, Mark
from movie_cli.editing.editor import Editor, joined, unknown
from movie_cli.editing.editors import Editors
from movie_cli.editing.finishing import EditSummary, join, naming_of, open_encoder, open_writer, summarize
from movie_cli.editing.job import SourceWatch
from movie_cli.editing.plan import Plan, changes_of
from movie_cli.editing.request import STREAM, Reporter
from movie_cli.editing.sinks import PipeSink, SegmentSink, Sink
from movie_cli.editing.staging import is_staged
from movie_cli.editing.still import FrameRun
from movie_cli.editing.work_folder import ANCHORS, WorkFolder
from movie_cli.media import FrameReader, WriterThread, prefetch
from movie_cli.recipe import AnchorRule

QUEUE = 4
"""Pieces that may wait before and behind the network."""


class Edit:
    """The state of one running edit. Without a `folder` the output goes to a pipe, or one segment to a sink.

    `anchors` are the anchors' source latents as safetensors, where another machine has made them.
    """

    def __init__(
        self,
        made: Plan,
        path: Path,
        editors: Editors,
        reporter: Reporter,
        folder: WorkFolder | None,
        *,
        anchors: bytes | None = None,
    ) -> None:
        self.made, self.path, self.reporter, self.folder = made, path, reporter, folder
        self.request, self.info = made.request, made.info
        self.damage: media.Damage | None = None
        self._watch = SourceWatch(made.request.source, path)
        self._editors = editors
        self._anchors = anchors
        self._cache = ClipCache(lambda text: reporter.message("warning", text))
        self._reused = self._position = self._told = 0
        self._schedule: Schedule | None = None
        self._current: tuple[int, ...] = ()
        self._said: set[str] = set()
        self._done = folder.leading if folder is not None and made.joined else 0

    def run(self) -> EditSummary:
        """Edit what is left to edit, and finish the output.

        Raises:
            MovieError: whatever went wrong.
        """
        with self._cache:
            summary = self._run()
        if self.folder is not None:
            self.folder.discard(keep_note=is_staged(self.request))
        self.reporter.done(asdict(summary))
        return summary

    def _run(self) -> EditSummary:
        made, folder = self.made, self.folder
        cached = False
        resumed = sum(folder.frames_of(number) for number in range(self._done)) if folder is not None else 0
        if folder is None or not made.joined:
            self.load()
            began = self._start(0)
            with open_writer(made, folder.path if folder is not None else None) as writer:
                self._say(writer.messages)
                cached = self.edit(PipeSink(writer), None, None)
                self._warn_damage()
                report = writer.commit(self._until, naming_of(made, self._watch, folder))
        else:
            count = folder.facts.get("segments")
            if isinstance(count, int) and count <= self._done:
                began = self._start(resumed)
                self.damage = clip.damage_from_text(folder.facts.get("damage", {}))
            else:
                # What the container refuses is to be known now, not after hours.
                self._say(changes_of(made))
                self.load()
                began = self._start(resumed)
                count, cached = self._edit_segments(folder)
            self._warn_damage()
            report = join(made, folder, count, self._watch, self._until)
        if self._reused:
            self.reporter.message("info", f"{self._reused} frames show what the one before shows, and share its edit")
        self._cache.commit(self.damage)
        self._say(report.messages)
        return summarize(made, report.frames, time.monotonic() - began, cached=cached, resumed=resumed)

    def _say(self, texts: Iterable[str]) -> None:
        """Say what the writer has to say, each sentence once."""
        for text in texts:
            if text not in self._said:
                self._said.add(text)
                self.reporter.message("info", text)

    def edit(self, sink: Sink, mark: Mark | None, limit: int | None) -> bool:
        """Edit the frames after `mark`, at most `limit`; whether their latents came from the cache.

        Raises:
            MovieError: whatever went wrong.
        """
        with ExitStack() as stack:
            cached = self._open_cache(fill=mark is None and limit is None)
            self._prepare_anchors(cached)
            self._position = 0 if mark is None else mark.index
            frames = self._frames(stack, mark, limit)
            source = self._decoded_pieces(frames) if cached is None else self._cached_pieces(cached, frames, mark)
            thread: WriterThread[tuple[clip.Piece, FetchFrames]] = stack.enter_context(
                WriterThread(lambda done: self._write(sink, *done), self._depth(QUEUE, self.made.batch))
            )
            run = FrameRun(self.request.recipe.still)
            for piece in source:
                if self._position % self.made.segment == 0:
                    run = FrameRun(self.request.recipe.still)  # a segment knows nothing of the one before
                self._position += len(piece.small)
                latents = self.editor.encode(piece.small) if piece.latents is None else piece.latents
                edited, run = self._edit_piece(piece, latents, cached, run)
                thread.put((piece, edited))
                if self._cache.fills:
                    self._cache.store(self.editor.backend.to_cache(latents), piece.small, piece.times)
            thread.finish()
            sink.finish()
        return cached is not None

    def _edit_piece(
        self, piece: clip.Piece, latents: Any, cached: CachedClip | None, run: FrameRun
    ) -> tuple[FetchFrames, FrameRun]:
        """Edited frames of a piece, and the run of frames that goes on behind it; other anchors begin a new one."""
        if self._schedule is None:
            return self._edit_frames(piece.small, latents, run), run
        edited = []
        for frames, anchors in self._schedule.parts([pts for pts, _ in piece.times]):
            if anchors != self._current:
                self.editor.set_anchors(self._bank.latents(anchors, cached))
                self._current, run = anchors, FrameRun(self.request.recipe.still)
            edited.append(self._edit_frames(piece.small[frames], latents[frames], run))
        return joined(edited), run

    def _edit_frames(self, small: Pixels, latents: Any, run: FrameRun) -> FetchFrames:
        def edit(fresh: list[int], carry: Carry) -> FetchFrames:
            if len(fresh) == len(small):
                return self.editor.edit_later(small, latents, carry)
            return self.editor.edit_later(small[fresh], latents[fresh], carry)

        before = run.reused
        edited = run.edit(small, edit)
        self._reused += run.reused - before
        while self.editor.notes:
            self.reporter.message("warning", self.editor.notes.pop(0))
        self._tell_notes()
        return edited

    def _tell_notes(self) -> None:
        """Say what the backend has noted since it was last asked; some of it comes with the first frames."""
        notes = self.editor.backend.notes
        for note in notes[self._told :]:
            self.reporter.message("info", note)
        self._told = len(notes)

    def load(self) -> Editor:
        """Have the model ready, with the recipe set; tells of it."""
        made, reporter = self.made, self.reporter
        self.editor = self._editors.get(made.descriptor, made.choice)
        reporter.message(
            "info", f"{made.descriptor.name} on {made.choice.reason}, working at {made.working[0]}x{made.working[1]}"
        )
        for note in (*filter(None, [made.hardware.note]), *made.info.notes):
            reporter.message("info", note)
        text = self.editor.set_recipe(self.request.recipe)
        self._told = 0
        self._tell_notes()
        if not text.known:
            reporter.message("warning", unknown(made.descriptor, self.request.recipe.instruction, text))
        return self.editor

    def _edit_segments(self, folder: WorkFolder) -> tuple[int, bool]:
        """Edit what no finished segment holds; the number of segments, and whether latents came from the cache."""
        mark = None
        if self._done:
            index = sum(folder.frames_of(number) for number in range(self._done))
            last = folder.load(self._done - 1)
            mark = Mark.after(index, last.times, last.last_picture)
        encoder = partial(open_encoder, self.made)
        with SegmentSink(folder, encoder, self.made.segment, self._done, self._watch.check) as sink:
            cached = self.edit(sink, mark, None)
        folder.note(segments=sink.count, damage=clip.damage_to_text(self.damage))
        return sink.count, cached

    def _start(self, resumed: int) -> float:
        """Begin to count frames; the time."""
        self.reporter.start(self.made.span.frames, Path(self.request.source).name)
        if resumed:
            self.reporter.message("info", f"continuing after {resumed} frames that are done")
            self.reporter.advance(resumed)
        return time.monotonic()

    def _depth(self, wanted: int, frames: int) -> int:
        """How many items of so many frames may wait: fewer where frames are very large."""
        width, height = self.info.video.coded_size
        return media.queue_depth(wanted, frames * width * height * 3)

    def _write(self, sink: Sink, piece: clip.Piece, fetch: FetchFrames) -> None:
        edited = fetch()
        frames: Any = edited
        if piece.full is not None:
            transfer = self.editor.backend.transfer_detail
            frames = (
                transfer(full, small, result, self.made.size, self.request.recipe.detail)
                for full, small, result in zip(piece.full, piece.small, edited, strict=True)
            )
        for pixels, small, (pts, duration) in zip(frames, piece.small, piece.times, strict=True):
            sink.write(pixels, pts, duration, small)
            self.reporter.advance(1)

    @property
    def _until(self) -> float | None:
        return self.damage.time if self.damage is not None and self.damage.fatal else None

    # Sources of pieces

    def _reader(self, start: float | None) -> FrameReader:
        """A reader of the edited range that begins at `start`, or at the range's begin."""
        span = self.made.span
        return FrameReader(
            self.path,
            start=span.start if start is None else start,
            end=span.end,
            strict=self.request.strict,
            info=self.info,
            also_size=self.made.working if self.made.working != self.info.video.display_size else None,
            decode_on=self.made.hardware.decode_on,
        )

    def _frames(self, stack: ExitStack, mark: Mark | None, limit: int | None) -> Callable[[], Iterator[media.Frame]]:
        """What begins to decode when it is called: a cached clip may need no frames."""

        def begin() -> Iterator[media.Frame]:
            self.source = stack.enter_context(FrameSource(self._reader, self.info.video, mark))
            frames: Iterator[media.Frame] = islice(iter(self.source), limit)
            return stack.enter_context(prefetch(frames, self._depth(QUEUE * self.made.batch, 1)))

        return begin

    def _decoded_pieces(self, frames: Callable[[], Iterator[media.Frame]]) -> Iterator[clip.Piece]:
        yield from clip.batches(frames(), self.made.batch, self.made.needs_full, self.made.segment)
        self._finish_reader()

    def _cached_pieces(
        self, cached: CachedClip, frames: Callable[[], Iterator[media.Frame]], mark: Mark | None
    ) -> Iterator[clip.Piece]:
        """Pieces with latents from the cache; frames too, unless the output needs the source's own size."""
        made, backend = self.made, self.editor.backend
        stored = cached.batches(made.batch, mark.index if mark is not None else 0, made.segment)
        if not made.needs_full:
            for latents, small, times in stored:
                yield clip.Piece(small, None, times, backend.from_cache(latents))
            self.damage = clip.damage_from_text(cached.meta)
            return
        pieces = clip.batches(frames(), made.batch, keep_full=True, cut=made.segment)
        for piece, (latents, _, _) in zip(pieces, stored, strict=True):
            yield clip.Piece(piece.small, piece.full, piece.times, backend.from_cache(latents))
        self._finish_reader()

    def _finish_reader(self) -> None:
        if self.source.reader is not None:
            self.damage = self.source.reader.damage
            self._say(self.source.reader.notes)

    def _warn_damage(self) -> None:
        if self.damage is not None:
            self.reporter.message("warning", f"{self.request.source}: {self.damage.message}; edited what could be read")

    # Anchors and cache

    def anchors(self, cached: CachedClip | None = None) -> bytes | None:
        """What frames attend to, as safetensors: source latents, or a schedule where anchors move; None without."""
        rule, span = AnchorRule.parse(self.request.recipe.anchors), self.made.span
        if rule.kind == "none":
            return None
        if rule.moves:
            schedule = make_schedule(rule, self.path, self.info, span)
            return None if schedule is None else schedule.to_bytes()
        bank = AnchorBank(self.made, self.path, self.editor)
        latents = bank.one(span.middle if rule.kind == "middle" else span.start, cached)
        return None if latents is None else save({"latents": self.editor.backend.to_cache(latents)})

    def _prepare_anchors(self, cached: CachedClip | None) -> None:
        """Set the anchors: those of the run before if there was one, so that all frames follow the same."""
        kept = self._anchors if self.folder is None else self.folder.stored(ANCHORS)
        if kept is None:
            kept = self.anchors(cached)
            if kept is not None and self.folder is not None:
                self.folder.store(ANCHORS, kept)
        self._schedule, self._current = None, ()
        if kept is None:
            return
        found = load(kept)
        if "latents" in found:
            self.editor.set_anchors(self.editor.backend.from_cache(found["latents"]))
        else:
            self._schedule = Schedule.from_arrays(found)
            self._bank = AnchorBank(self.made, self.path, self.editor)

    def _open_cache(self, fill: bool) -> CachedClip | None:
        """The clip's latents. What a run began without them is continued without: rounding may differ."""
        made, request = self.made, self.request
        if not request.use_cache or request.source == STREAM or not self._uses_cache:
            return None
        autoencoder = clip.autoencoder_id(made.descriptor)
        cached = self._cache.open(request, self.path, made.working, autoencoder, made.choice.latents_type, fill)
        if self.folder is not None and not self._done:
            self.folder.note(cached=cached is not None)
        return cached

    @property
    def _uses_cache(self) -> bool:
        return not self._done or self.folder is None or bool(self.folder.facts.get("cached"))
