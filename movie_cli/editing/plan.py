"""All that is decided about an edit before its first frame is read.

Promises that whatever makes an edit impossible is found here, before work is done, as far as looking at source,
checkpoint, machine and output can tell.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from movie_cli import media
from movie_cli.backends import RuntimeConfig, RuntimeRequest, Say
from movie_cli.backends.registry import choose_runtime
from movie_cli.backends.torch_devices import with_compiler
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.store import open_variant
from movie_cli.editing import clip
from movie_cli.editing.course import Course, Moment, beyond
from movie_cli.editing.directing import advice, embedder, in_words, places_of, reading
from movie_cli.editing.editor import Editor
from movie_cli.editing.request import EditRequest
from movie_cli.editing.work_folder import kept_segment_frames
from movie_cli.errors import MovieError, UsageError
from movie_cli.media import EncodeOptions, SourceInfo
from movie_cli.media.encoding import Plan as EncodingPlan
from movie_cli.media.segments import can_be_joined
from movie_cli.options import STREAM
from movie_cli.recipe import AnchorRule, Recipe
from movie_cli.timeline import texts_of

if TYPE_CHECKING:
    from movie_cli.editing.masks import Bounds

ENCODER_THREADS = 4
"""Fixed, because what most encoders make of a picture depends on it, and must not depend on the machine."""
SEGMENT_FRAMES = {"cpu": 120, "mps": 240, "cuda": 240}
"""Frames in a segment where a frame takes one pass through the network: what an interruption loses at most.

By the kind of device and not by its pace: an edit on another day must have its segments at the same frames.
"""
LEAST_SEGMENT_FRAMES = 24
BATCH_SIZES = {"cpu": 2, "mps": 4, "cuda": 8}


@dataclass(frozen=True)
class Plan:
    """All that is decided before the first frame is read."""

    request: EditRequest
    info: SourceInfo
    span: clip.Span
    descriptor: Descriptor
    runtime: RuntimeConfig
    working: tuple[int, int]
    size: tuple[int, int]
    batch: int
    segment: int
    joined: bool
    hardware: media.Hardware
    course: Course
    bounds: Bounds | None = None
    then: tuple[Plan, ...] = ()

    @property
    def chain(self) -> tuple[Plan, ...]:
        """The edits in a row, each with a request of its own."""
        return (self, *self.then)

    def seconds(self, pts: int) -> float:
        """When a frame is shown, after the source's first picture."""
        return self.info.video.seconds(pts) - float(self.info.video.begin)

    def moment(self, pts: int) -> Moment:
        """What is asked of a frame."""
        return self.course.at(self.seconds(pts))

    @property
    def needs_full(self) -> bool:
        """Whether the source's own pixels are needed beside those at the working size."""
        return self.size != self.working

    @property
    def resumable(self) -> bool:
        """Whether an interrupted edit can be continued: what came from a pipe is gone by then."""
        return self.joined and self.request.source != STREAM


def make_plan(request: EditRequest, path: Path, say: Say | None = None) -> Plan:
    """Look at source, checkpoint and machine, and decide. `say` hears of what takes long; see `RuntimeRequest`.

    Raises:
        MovieError: anything that makes the edit impossible, before work is done.
    """
    info = media.probe(path, request.reading)
    descriptor = open_variant(request.recipe, request.offline)
    working = Editor.size_for(descriptor, *info.video.presentation_size)
    span = clip.span_of(request, info)
    begin = float(info.video.begin)
    end = min((end for end in (span.end, info.length and begin + info.length) if end), default=None)
    until = None if end is None else end - begin
    courses = [course_of(step, descriptor, info, until) for step in request.recipe.chain]
    several = AnchorRule.parse(request.recipe.anchors).kind == "every"
    only_torch = several or request.compile == "on"
    asked = RuntimeRequest(
        request.device,
        request.dtype,
        "torch" if only_torch and request.backend == "auto" and descriptor.export is None else request.backend,
        request.provider,
        working,
        span.frames,
        say,
        request.threads,
    )
    config = choose_runtime(descriptor, asked)
    if several and config.backend != "torch":
        raise UsageError(
            f"--anchors {request.recipe.anchors} keeps several anchors, and {config.backend}'s graphs take one",
            "--anchors scene takes one at a time; --backend torch takes several",
        )
    size = request.recipe.size or info.video.display_size
    # Refuse an unknown codec or container now, not after the model is loaded.
    encoding = _encoding(request, info, size)
    hardware = find_hardware(request, info, config, encoding.codec, size)
    if hardware.encoder:
        encode = replace(request.encode, codec=hardware.encoder, options=media.NVENC_OPTIONS)
        request = replace(request, encode=encode)
        encoding = _encoding(request, info, size)
    one_file = request.output != STREAM and not encoding.container.numbered
    joined = one_file and can_be_joined(encoding.codec, encoding.pix_fmt)
    batch = request.batch_size or BATCH_SIZES.get(config.device.split(":")[0], BATCH_SIZES["cpu"])
    passes = None
    if span.frames is not None:
        passes = span.frames * passes_of(request, descriptor) // batch
    # What changes from frame to frame would be computed twice: see `CompiledNetworks`.
    compiled = "off" if any(course.moves for course in courses) and request.compile == "auto" else request.compile
    config = with_compiler(config, compiled, batch, passes)
    plan = Plan(
        request,
        info,
        span,
        descriptor,
        config,
        working,
        size,
        batch,
        segment_frames(request, descriptor, config.device),
        joined,
        hardware,
        courses[0],
        bounds_of(request, descriptor, until),
    )
    then = []
    for step, course in zip(request.recipe.chain[1:], courses[1:], strict=True):
        wanted = replace(request, recipe=step)
        then.append(replace(plan, request=wanted, course=course, bounds=bounds_of(wanted, descriptor, until)))
    return replace(plan, then=tuple(then))


def _encoding(request: EditRequest, info: SourceInfo, size: tuple[int, int]) -> EncodingPlan:
    alpha, deep = info.video.alpha, media.depth_wanted(info)
    return media.plan_encoding(request.output, encode_options(request), size, alpha=alpha, deep=deep)


def course_of(recipe: Recipe, descriptor: Descriptor, info: SourceInfo, end: float | None = None) -> Course:
    """What a recipe asks over time; `end` is when the edited part ends, after the first picture.

    Raises:
        UsageError: as `Course`, or there is no frame of a number.
    """
    return Course(recipe, descriptor.text_scale_range[0], partial(clip.seconds_of, info), end)


def bounds_of(request: EditRequest, descriptor: Descriptor, seconds: float | None = None) -> Bounds | None:
    """What the edit is bounded by: a mask's file, or places, also those of its words; None for the whole frame.

    `seconds` is when the edited part ends, after the source's first picture, if known.

    Raises:
        UsageError: the mask is over before the edited part is, or the words name several places.
        SourceError: the mask cannot be read.
    """
    only, spared = places_of(descriptor, request.recipe, masked=request.mask is not None)
    if request.mask is None and only is None and spared is None:
        return None
    from movie_cli.editing.masks import Bounds, check_mask

    mask = None if request.mask is None else Path(request.mask)
    if mask is not None:
        check_mask(mask, seconds)
    return Bounds(descriptor.folder, only, spared, mask, request.recipe.feather)


def segment_frames(request: EditRequest, descriptor: Descriptor, device: str) -> int:
    """How many frames a segment has: as many as those that are there to be resumed, fewer where each takes long."""
    kept = kept_segment_frames(Path(request.output)) if request.resume else None
    if asked := request.segment_frames or kept:
        return asked
    passes = passes_of(request, descriptor)
    frames = SEGMENT_FRAMES.get(device.split(":", maxsplit=1)[0], SEGMENT_FRAMES["cpu"])
    return max(LEAST_SEGMENT_FRAMES, frames // max(1, passes))


def passes_of(request: EditRequest, descriptor: Descriptor) -> int:
    """How often each frame goes through the denoiser."""
    return (request.recipe.steps or descriptor.steps) * descriptor.passes * len(request.recipe.chain)


def find_hardware(
    request: EditRequest, info: SourceInfo, config: RuntimeConfig, encoder: str, size: tuple[int, int]
) -> media.Hardware:
    """What the GPU of the network decodes and encodes; an encoder that anything was asked of stays as it is."""
    name, _, number = config.device.partition(":")
    if request.hwaccel == "none" or name != "cuda":
        return media.Hardware()
    asked = request.encode
    free = not (asked.codec or asked.crf is not None or asked.preset or asked.pix_fmt or asked.options)
    free = free and not info.video.alpha and media.depth_wanted(info) != "must"
    return media.find_hardware(info.video, number or "0", encoder if free else "", size)


def encode_options(request: EditRequest) -> EncodeOptions:
    """What the request says about the output file, with the threads that all machines use."""
    return replace(request.encode, threads=ENCODER_THREADS)


def changes_of(plan: Plan) -> list[str]:
    """Sentences about what the output will not keep as it is; nothing is written.

    Raises:
        MovieError: the container refuses what it would get.
    """
    encode, span = encode_options(plan.request), plan.span
    return media.what_changes(
        plan.request.output,
        plan.info,
        encode,
        size=plan.size,
        start=span.start,
        end=span.end,
        tagged=encode.metadata,
    )


def describe_plan(request: EditRequest) -> Mapping[str, object]:
    """What `edit_video` would do, in words, for `--dry-run`; nothing is written."""
    with media.local_source(request.source, request.reading) as path:
        plan = make_plan(request, path)
        changes = changes_of(plan)
    return {
        "source": request.source,
        "output": request.output,
        "frames": plan.span.frames,
        "size": "{}x{}".format(*plan.size),
        "working size": "{}x{}".format(*plan.working),
        "model": f"{plan.descriptor.name} ({plan.descriptor.stage}, {request.recipe.steps or plan.descriptor.steps} "
        f"steps of {plan.descriptor.passes} UNet passes)",
        "device": plan.runtime.reason,
        "batch size": plan.batch,
        **({"edits in a row": len(plan.chain)} if plan.then else {}),
        **({"video": plan.hardware.note} if plan.hardware.note else {}),
        "not kept as it is": "; ".join([*plan.info.notes, *changes]) or "nothing",
        "segments": f"of {plan.segment} frames" if plan.joined else "none: it cannot be resumed",
        **_reading(plan.descriptor, request),
        "recipe": asdict(request.recipe),
    }


def _reading(descriptor: Descriptor, request: EditRequest) -> dict[str, object]:
    """How the instructions are read, what of them cannot be done, and scales that the checkpoint was not trained at."""
    told, warnings = dict[str, str](), list[str]()
    with contextlib.suppress(MovieError):  # told of when the edit begins
        embed = embedder(descriptor)
        for number, step in enumerate(request.recipe.chain, 1):
            found = reading(descriptor, step, embed, masked=request.mask is not None)
            if request.recipe.then:
                told[f"edit {number} understood as"] = in_words(found)
            else:
                told |= {f"understood as {name}": said for name, said in found.items()}
            if embed is not None:
                warnings += [advice(descriptor, text, embed(text)) for text in texts_of(step.instruction)]
    told["warning"] = next(filter(None, warnings), "")
    told["scales"] = "; ".join(beyond(descriptor, request.recipe))
    return {name: said for name, said in told.items() if said}
