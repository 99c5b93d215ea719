"""One edit from file to file: decode thread, network, encode thread, with bounded queues between them.

Promises constant memory, an output that appears under its name only when it is whole, and a word about every choice.
A frame's way: reader -> encode -> denoise -> decode -> detail -> writer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from movie_cli import media
from movie_cli.backends.base import Backend, Pixels
from movie_cli.backends.select import Choice, choose
from movie_cli.backends.torch_backend import TorchBackend
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.registry import open_model
from movie_cli.editing import clip
from movie_cli.editing.cache_entry import CachedClip, CacheWriter
from movie_cli.editing.detail import transfer
from movie_cli.editing.editor import Editor
from movie_cli.editing.latent_cache import LatentCache
from movie_cli.editing.request import STREAM, EditRequest, Reporter
from movie_cli.media import EncodeOptions, FrameReader, SourceInfo, VideoWriter, WriterThread, prefetch
from movie_cli.media.timing import seconds_to_pts
from movie_cli.recipe import RECIPE_KEY

QUEUE = 4
"""Pieces that may wait before and behind the network."""
BATCH_SIZES = {"cpu": 2, "mps": 4, "cuda": 8}


@dataclass(frozen=True)
class EditSummary:
    """What an edit did. `seconds` is the time from the first frame to the finished file, without start-up."""

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


@dataclass(frozen=True)
class Plan:
    """All that is decided before the first frame is read."""

    request: EditRequest
    info: SourceInfo
    span: clip.Span
    descriptor: Descriptor
    choice: Choice
    working: tuple[int, int]
    size: tuple[int, int]
    batch: int

    @property
    def needs_full(self) -> bool:
        """Whether the source's own pixels are needed beside those at the working size."""
        return self.size != self.working


def make_plan(request: EditRequest, path: Path) -> Plan:
    """Look at source, checkpoint and machine, and decide.

    Raises:
        MovieError: anything that makes the edit impossible, before work is done.
    """
    info = media.probe(path, request.reading)
    descriptor = open_model(request.recipe.model, request.offline)
    choice = choose(request.device, request.dtype, request.backend)
    working = Editor.size_for(descriptor, *info.video.presentation_size)
    size = request.recipe.size or info.video.display_size
    # Refuse an unknown codec or container now, not after the model is loaded.
    media.plan_encoding(request.output, encode_options(request), size)
    batch = request.batch_size or BATCH_SIZES[choice.device.split(":")[0]]
    return Plan(request, info, clip.span_of(request, info), descriptor, choice, working, size, batch)


def encode_options(request: EditRequest) -> EncodeOptions:
    """What the request says about the output file, in the words of `movie_cli.media`."""
    asked = request.encode
    return EncodeOptions(
        codec=asked.codec,
        crf=asked.crf,
        preset=asked.preset or EncodeOptions.preset,
        pix_fmt=asked.pix_fmt,
        extra=dict(asked.options),
        audio=asked.audio,
        subtitles=asked.subtitles,
        metadata=asked.metadata,
        rotate=asked.rotate,
    )


def plan(request: EditRequest) -> Mapping[str, object]:
    """What `edit_video` would do, for `--dry-run`; nothing is written."""
    with media.local_source(request.source, request.reading) as path:
        made = make_plan(request, path)
    return {
        "source": request.source,
        "output": request.output,
        "frames": made.span.frames,
        "size": "{}x{}".format(*made.size),
        "working size": "{}x{}".format(*made.working),
        "model": f"{made.descriptor.name} ({made.descriptor.stage}, {request.recipe.steps or made.descriptor.steps} "
        f"steps of {made.descriptor.passes} UNet passes)",
        "device": f"{made.choice.device}, {made.choice.reason}",
        "batch size": made.batch,
        "recipe": asdict(request.recipe),
    }


def edit_video(request: EditRequest, reporter: Reporter) -> EditSummary:
    """Edit a video.

    Raises:
        MovieError: whatever went wrong, with nothing left under the asked name.
        KeyboardInterrupt: as it came; likewise.
    """
    with media.local_source(request.source, request.reading) as path:
        made = make_plan(request, path)
        backend = TorchBackend(made.descriptor, made.choice)
        reporter.message(
            "info",
            f"{made.descriptor.name} on {made.choice.reason}, working at {made.working[0]}x{made.working[1]}",
        )
        for note in made.info.notes:
            reporter.message("info", note)
        return _Edit(made, path, backend, reporter).run()


class _Edit:
    """The state of one running edit."""

    def __init__(self, made: Plan, path: Path, backend: Backend, reporter: Reporter) -> None:
        self.made, self.path, self.reporter = made, path, reporter
        self.request, self.info = made.request, made.info
        self.editor = Editor(backend)
        self.damage: media.Damage | None = None
        text = self.editor.set_recipe(self.request.recipe)
        if not text.known:
            names = ", ".join(name.replace("_", " ").replace("+", " and ") for name in text.nearest)
            reporter.message(
                "warning",
                f'{made.descriptor.name} was not trained on "{self.request.recipe.instruction}"; nearest edits it '
                f"knows: {names} (another checkpoint: --model)",
            )

    def run(self) -> EditSummary:
        made, request = self.made, self.request
        began = time.monotonic()
        self.reporter.start(made.span.frames, Path(request.source).name)
        with ExitStack() as stack:
            writer = stack.enter_context(self._writer())
            cached = self._open_cache(stack)
            self._prepare_anchors(cached)
            source = self._cached_pieces(cached, stack) if cached else self._decoded_pieces(stack)
            sink: WriterThread[tuple[clip.Piece, Pixels]] = stack.enter_context(
                WriterThread(lambda done: self._write(writer, *done), self._depth(QUEUE, made.batch))
            )
            for piece in source:
                latents = self.editor.encode(piece.small) if piece.latents is None else piece.latents
                sink.put((piece, self.editor.edit(piece.small, latents)))
                self._store(piece, latents)
            sink.finish()
            self._warn_damage()
            report = writer.commit(until=self.damage.time if self.damage and self.damage.fatal else None)
            self._commit_cache()
        for text in report.messages:
            self.reporter.message("info", text)
        seconds = time.monotonic() - began
        summary = EditSummary(
            output=request.output,
            frames=report.frames,
            seconds=round(seconds, 3),
            fps=round(report.frames / max(seconds, 1e-9), 2),
            size=made.size,
            working_size=made.working,
            model=made.descriptor.name,
            device=made.choice.device,
            dtype=made.choice.dtype,
            cached=cached is not None,
        )
        self.reporter.done(asdict(summary))
        return summary

    def _writer(self) -> VideoWriter:
        keep_tags = self.request.encode.metadata
        return VideoWriter(
            self.request.output,
            self.info,
            encode_options(self.request),
            size=self.made.size,
            start=self.made.span.start,
            end=self.made.span.end,
            metadata={RECIPE_KEY: self.request.recipe.to_json()} if keep_tags else {},
        )

    def _depth(self, wanted: int, frames: int) -> int:
        width, height = self.info.video.coded_size
        return media.queue_depth(wanted, frames * width * height * 3)

    def _write(self, writer: VideoWriter, piece: clip.Piece, edited: Pixels) -> None:
        frames: Any = edited
        if piece.full is not None:
            frames = (
                transfer(full, small, result, self.made.size, self.request.recipe.detail)
                for full, small, result in zip(piece.full, piece.small, edited, strict=True)
            )
        for pixels, (pts, duration) in zip(frames, piece.times, strict=True):
            writer.write(pixels, pts, duration)
            self.reporter.advance(1)

    # Sources of pieces

    def _reader(self, stack: ExitStack) -> tuple[FrameReader, Iterator[media.Frame]]:
        span = self.made.span
        reader = stack.enter_context(
            FrameReader(
                self.path,
                start=span.start,
                end=span.end,
                strict=self.request.strict,
                info=self.info,
                also_size=self.made.working if self.made.working != self.info.video.display_size else None,
            )
        )
        return reader, stack.enter_context(prefetch(reader, self._depth(QUEUE * self.made.batch, 1)))

    def _decoded_pieces(self, stack: ExitStack) -> Iterator[clip.Piece]:
        reader, frames = self._reader(stack)
        yield from clip.batches(frames, self.made.batch, self.made.needs_full)
        self._finish_reader(reader)

    def _cached_pieces(self, cached: CachedClip, stack: ExitStack) -> Iterator[clip.Piece]:
        """Pieces with latents from the cache; frames too, unless the output needs the source's own size."""
        batch, backend = self.made.batch, self.editor.backend
        stored = cached.batches(batch)
        if not self.made.needs_full:
            for latents, frames, times in stored:
                yield clip.Piece(frames.numpy(), None, times, backend.from_cache(latents))
            self.damage = clip.damage_from_text(cached.meta)
            return
        reader, frames_in = self._reader(stack)
        for piece, (latents, _, _) in zip(clip.batches(frames_in, batch, keep_full=True), stored, strict=True):
            yield clip.Piece(piece.small, piece.full, piece.times, backend.from_cache(latents))
        self._finish_reader(reader)

    def _finish_reader(self, reader: FrameReader) -> None:
        self.damage = reader.damage
        for note in reader.notes:
            self.reporter.message("info", note)

    def _warn_damage(self) -> None:
        if self.damage is not None:
            self.reporter.message("warning", f"{self.request.source}: {self.damage.message}; edited what could be read")

    # Anchors

    def _prepare_anchors(self, cached: CachedClip | None) -> None:
        """The clip's middle frame (or its first) becomes the anchor that all frames attend to."""
        span, video = self.made.span, self.info.video
        middle = span.middle if self.request.recipe.anchors == "middle" else span.start
        if cached is not None:
            wanted = video.origin + seconds_to_pts(middle or 0.0, video.time_base)
            late = (index for index, (pts, _) in enumerate(cached.times) if middle is None or pts >= wanted)
            latents, _, _ = cached.at(next(late, 0))
            self.editor.set_anchors(self.editor.backend.from_cache(latents))
            return
        frame = clip.frame_at(self.path, self.info, span, middle, self.made.working)
        if frame is None:
            frame = clip.frame_at(self.path, self.info, span, span.start, self.made.working)
        if frame is not None:
            self.editor.set_anchors(self.editor.encode(frame))

    # Latent cache

    def _open_cache(self, stack: ExitStack) -> CachedClip | None:
        self._cache_writer: CacheWriter | None = None
        if not self.request.use_cache or self.request.source == STREAM or not self.path.is_file():
            return None
        cache = LatentCache(on_message=lambda text: self.reporter.message("warning", text))
        try:
            key = cache.key_of(
                self.path,
                str(self.request.start),
                f"{self.request.end} {self.request.duration}",
                self.made.working,
                autoencoder_id=clip.autoencoder_id(self.made.descriptor),
                dtype=self.made.choice.dtype,
            )
            cached = cache.open(key)
            if cached is not None and not (self.request.strict and clip.damage_from_text(cached.meta)):
                return stack.enter_context(cached)
            if cached is None:
                self._cache_writer = stack.enter_context(cache.writer(key))
        except OSError as error:
            self._give_up_cache(error)
        return None

    def _store(self, piece: clip.Piece, latents: Any) -> None:
        if self._cache_writer is None:
            return
        try:
            stored = self.editor.backend.to_cache(latents)
            self._cache_writer.add(stored, torch.from_numpy(piece.small), piece.times)
        except OSError as error:
            self._give_up_cache(error)

    def _commit_cache(self) -> None:
        if self._cache_writer is None:
            return
        try:
            self._cache_writer.commit(clip.damage_to_text(self.damage))
        except OSError as error:
            self._give_up_cache(error)

    def _give_up_cache(self, error: OSError) -> None:
        if self._cache_writer is not None:
            self._cache_writer.discard()
            self._cache_writer = None
        reason = error.strerror or str(error)
        self.reporter.message("warning", f"source latents are not kept for a second edit: {reason}")
