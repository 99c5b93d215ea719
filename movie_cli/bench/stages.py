"""How long each stage of an edit takes on its own, and the whole edit from file to file; and a clip to measure with.

Times are of warm stages, one after the other in one process; in an edit they run beside each other.
"""

from __future__ import annotations

import io
import itertools
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from movie_cli.editing.clip import batches
from movie_cli.editing.editor import Editors
from movie_cli.editing.finishing import Finishing, canvas_of
from movie_cli.editing.plan import Plan, encode_options, make_plan
from movie_cli.editing.request import EditRequest, SilentReporter
from movie_cli.editing.video import EditSummary, edit_video
from movie_cli.files import write_whole
from movie_cli.media import Frame, FrameReader, VideoWriter
from movie_cli.media.encoder import Picture

WARM_UP = 2
MOST_FRAMES = 24
"""Frames that are held to measure by: large ones fill the memory."""
_WIDTH, _ROW, _MARGIN, _LABELS = 760, 34, 24, 150
_PAPER, _INK, _FAINT = (250, 250, 248), (20, 20, 20), (120, 120, 116)
_ON_DEVICE, _BESIDE = (38, 98, 158), (150, 170, 190)


@dataclass(frozen=True)
class Stages:
    """Milliseconds a frame; `decode` makes the small picture too, `detail` brings the edit to the output's size."""

    decode: float
    encode_latents: float
    denoise: float
    decode_latents: float
    detail: float
    encode: float

    @property
    def network(self) -> float:
        """The three that run on the device, one after the other."""
        return self.encode_latents + self.denoise + self.decode_latents


@dataclass(frozen=True)
class Whole:
    """An edit from file to file in this process.

    `load` is the time until the model is ready, `first_frame` that from then until the first frame is written, both in
    seconds; `peak` is the largest resident memory of the process so far and `device_peak` of the device, in bytes.
    """

    summary: EditSummary
    load: float
    first_frame: float
    peak: int
    device_peak: int | None


class _FirstFrame(SilentReporter):
    """Notes when the model was ready and when the first frame was written."""

    def __init__(self) -> None:
        self.ready = self.first = 0.0

    def message(self, level: Literal["info", "warning"], text: str) -> None:
        """The first sentence comes when the model is loaded."""
        self.ready = self.ready or time.monotonic()

    def advance(self, frames: int) -> None:
        """The first frame is what counts."""
        self.first = self.first or time.monotonic()


def measure_whole(request: EditRequest, editors: Editors) -> Whole:
    """Edit a video as `movie edit` does.

    Raises:
        MovieError: as `edit_video`.
    """
    notes = _FirstFrame()
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    began = time.monotonic()
    summary = edit_video(request, notes, editors)
    used = torch.cuda.max_memory_allocated() if cuda and summary.device.startswith("cuda") else None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Whole(summary, notes.ready - began, notes.first - notes.ready, peak, used)


def measure_stages(request: EditRequest, editors: Editors) -> Stages:
    """Time every stage of such an edit.

    Raises:
        MovieError: the source or the model cannot be read.
    """
    path = Path(request.source)
    made = make_plan(request, path)
    editor = editors.get(made.descriptor, made.runtime)
    canvas = canvas_of(made)
    finishing = Finishing(made, 0, canvas)
    decoding, frames = _reading(made, path, luma=canvas is not None)
    batch = next(batches(iter(frames), made.batch, made.needs_full))
    small = batch.working
    editor.set_recipe(request.recipe)
    if request.recipe.anchors != "none":
        editor.set_anchors(editor.encode(small[:1]))

    def clock(run: Callable[[], Any]) -> tuple[float, Any]:
        for _ in range(WARM_UP):
            result = run()
        settle(made.runtime.device)
        rounds = max(1, len(frames) // len(small))
        start = time.monotonic()
        for _ in range(rounds):
            result = run()
        settle(made.runtime.device)
        return 1000 * (time.monotonic() - start) / (rounds * len(small)), result

    encode, latents = clock(lambda: editor.encode(small))
    denoise, edited = clock(lambda: editor.backend.denoise(latents, editor.settings))
    decode, pictures = clock(lambda: editor.backend.decode_latents(edited, small))
    back = clock(lambda: list(finishing.frames(batch, pictures)))[0] if made.needs_full else 0.0
    finished = [
        picture
        for each in batches(iter(frames), made.batch, made.needs_full)
        for picture in finishing.frames(each, each.working)
    ]
    return Stages(decoding, encode, denoise, decode, back, _writing(made, frames, finished))


def _reading(made: Plan, path: Path, *, luma: bool) -> tuple[float, list[Frame]]:
    also = made.working if made.working != made.info.video.display_size else None
    began = time.monotonic()
    with FrameReader(path, info=made.info, also_size=also, luma=luma) as reader:
        frames = list(itertools.islice(reader, MOST_FRAMES))
    return 1000 * (time.monotonic() - began) / len(frames), frames


def _writing(made: Plan, frames: Sequence[Frame], finished: Sequence[Picture]) -> float:
    output = Path(made.request.output)
    began = time.monotonic()
    output = output.with_name(f"written{output.suffix}")
    with VideoWriter(output, made.info, encode_options(made.request), size=made.size) as writer:
        for frame, picture in zip(frames, finished, strict=True):
            writer.write(picture, frame.pts, frame.duration)
        report = writer.commit()
    assert report.path is not None
    report.path.unlink()
    return 1000 * (time.monotonic() - began) / len(frames)


def settle(device: str) -> None:
    """Wait for a GPU: its work is only queued when a call returns."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()


def matmul_peak(device: str, dtype: torch.dtype) -> float:
    """The most floating-point operations a second that a product of two square matrices reaches there."""
    side = 1024 if device == "cpu" else 8192
    one, other = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        began = time.monotonic()
        torch.mm(one, other)
        settle(device)
        best = min(best, time.monotonic() - began)
    return 2 * side**3 / best


def as_values(stages: Stages) -> Mapping[str, float]:
    """Names as in JSON."""
    return {f"{name}_ms": value for name, value in vars(stages).items()}


RATE = 24


def make_clip(path: Path, frames: int, size: tuple[int, int]) -> None:
    """Write an H.264 clip of `frames` frames of (width, height) `size`, at 24 frames a second."""
    width, height = size
    random = np.random.default_rng(1)
    coarse = random.random((height // 16 + 2, width // 8 + 2, 3))
    field = np.kron(coarse, np.ones((16, 16, 1))) + 0.15 * random.random(np.array(coarse.shape) * (16, 16, 1))
    pixels = (np.clip(field / 1.15, 0, 1) * 255).astype(np.uint8)
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            left = 2 * number % width
            view = np.ascontiguousarray(pixels[8 : 8 + height, left : left + width])
            frame = av.VideoFrame.from_ndarray(view, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def draw_chart(title: str, bars: Sequence[tuple[str, float, bool]], foot: str) -> Image.Image:
    """A bar for every stage, of named milliseconds a frame; True is drawn darker: the network."""
    large, small = ImageFont.load_default(size=18), ImageFont.load_default(size=14)
    height = 2 * _MARGIN + 34 + _ROW * len(bars) + 30
    picture = Image.new("RGB", (_WIDTH, height), _PAPER)
    pen = ImageDraw.Draw(picture)
    pen.text((_MARGIN, _MARGIN), title, fill=_INK, font=large)
    longest = max((value for _, value, _ in bars), default=0) or 1.0
    room = _WIDTH - 2 * _MARGIN - _LABELS - 90
    for number, (name, value, of_network) in enumerate(bars):
        top = _MARGIN + 40 + number * _ROW
        middle = top + _ROW // 2 - 3
        pen.text((_MARGIN, middle), name, fill=_INK, font=small, anchor="lm")
        left = _MARGIN + _LABELS
        right = left + max(1, round(room * value / longest))
        pen.rectangle((left, top, right, top + _ROW - 8), fill=_ON_DEVICE if of_network else _BESIDE)
        pen.text((right + 8, middle), f"{value:.1f} ms", fill=_INK, font=small, anchor="lm")
    pen.text((_MARGIN, height - _MARGIN), foot, fill=_FAINT, font=small, anchor="ls")
    return picture


def save_chart(picture: Image.Image, path: Path, *, replace: bool) -> None:
    """Write a chart as PNG.

    Raises:
        OutputError, UsageError: as `write_whole`.
    """
    stream = io.BytesIO()
    picture.save(stream, format="PNG", optimize=True)
    write_whole(path, stream.getvalue(), replace=replace)
