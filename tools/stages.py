"""`python -m tools.stages`: what each stage of a training chain costs and keeps.

One row a checkpoint, as in MoViE's Figure 5 and Table 1: operations and milliseconds a frame; on photographs kept out
of training the gain over the source, directions of the change, and kept structure; on clips the warp error. Writes
`stages.json` and `stages.md`. Needs the extra `eval`.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import logging
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from movie_cli.backends.torch_backend import TorchBackend
from movie_cli.backends.torch_devices import choose_torch
from movie_cli.bench.measuring import frame_cost
from movie_cli.checkpoints.load import load_checkpoint
from movie_cli.checkpoints.store import open_model
from movie_cli.editing.editor import Editor
from movie_cli.evaluate.subjects import ModelSubject, Subject
from movie_cli.recipe import Recipe
from movie_cli.train.photos import load
from tools import flicker
from tools.fidelity import Sample, measure_edit, samples
from tools.flicker import TargetMemory
from tools.measures import Features, direction_cosine, mean, structure_kept, taesd_features
from tools.options import clip_files, end, held_out_photographs, known_edits, names, parser, parts_of, pick, write

WIDTH, HEIGHT = 512, 384
"""Of the frame that costs are counted and timed on."""
EMBEDDED_TOKENS = 4
TARGETS_FILE = "bank_flicker.json"
PARTS = ("cost", "fidelity", "flicker")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cost:
    """What a frame of 512x384 takes: steps and passes, GFLOPs and milliseconds of all passes and of the autoencoder.

    Products of attention are counted.
    """

    steps: int
    passes: int
    denoiser_gflops: float
    autoencoder_gflops: float
    denoiser_ms: float
    autoencoder_ms: float


@dataclass(frozen=True)
class Quality:
    """Means over edits and photographs: PSNR to the target before and after in dB, cosines, and the worst edit's gain.

    `structure` is the cosine of luma gradients of source and result, `target_structure` that of source and target.
    `feature_cosine` is not a number where no features were given. `gains` is by edit.
    """

    before: float
    after: float
    gain: float
    least_gain: float
    pixel_cosine: float
    feature_cosine: float
    structure: float
    target_structure: float
    gains: dict[str, float]


@dataclass(frozen=True)
class Steadiness:
    """Mean warp error over the source clip's own, for results and for the bank's targets."""

    ratio: float
    target_ratio: float


@dataclass
class Row:
    """All that was measured of one stage; a part that was not asked for stays None."""

    stage: str
    model: str
    cost: Cost | None = None
    quality: Quality | None = None
    steadiness: Steadiness | None = None


def measure_cost(model: str, device: str, dtype: str, rounds: int) -> Cost:
    """Count a frame's operations and time them with the anchors left out, best of `rounds` after one to warm up.

    Raises:
        ModelError: the checkpoint cannot be used.
    """
    descriptor = open_model(model)
    parts = load_checkpoint(descriptor)
    passes = descriptor.steps * descriptor.passes
    unet, vae = (copy.deepcopy(module).to("meta") for module in (parts.unet, parts.autoencoder.module))
    cost = frame_cost(lambda: unet, lambda: vae, (WIDTH, HEIGHT), passes, 1, EMBEDDED_TOKENS)
    backend = TorchBackend(descriptor, choose_torch(device, dtype))
    editor = Editor(backend)
    editor.set_recipe(Recipe("make it winter"))
    frame = np.random.default_rng(0).integers(0, 256, (1, HEIGHT, WIDTH, 3), dtype=np.uint8)
    network, autoencoder = [], []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        latents = editor.encode(frame)
        encoded = time.perf_counter()
        edited = backend.denoise(latents, editor.settings)
        denoised = time.perf_counter()
        backend.decode_latents(edited, frame)
        network.append(denoised - encoded)
        autoencoder.append(encoded - began + time.perf_counter() - denoised)
    return Cost(
        steps=descriptor.steps,
        passes=descriptor.passes,
        denoiser_gflops=cost.first.total / 1e9,
        autoencoder_gflops=cost.autoencoder.total / 1e9,
        denoiser_ms=1000 * min(network[1:]),
        autoencoder_ms=1000 * min(autoencoder[1:]),
    )


def measure_quality(
    subject: Subject, edits: Sequence[str], photos: Sequence[torch.Tensor], features: Features | None
) -> Quality:
    """Run every edit at the usual scales on photographs `(1, 3, H, W)` in [0, 1]."""
    fidelities, seen = [], []
    for name in edits:
        mine: list[Sample] = list(samples(subject, name, photos))
        fidelities.append(measure_edit(name, mine))
        seen += [_facts(sample, features) for sample in mine]
        log.info("%s %s: gain %.2f dB", subject.name, name, fidelities[-1].gain)
    pixel, feature, structure, target_structure = (mean(list(column)) for column in zip(*seen, strict=True))
    return Quality(
        before=mean([row.before for row in fidelities]),
        after=mean([row.after for row in fidelities]),
        gain=mean([row.gain for row in fidelities]),
        least_gain=min(row.gain for row in fidelities),
        pixel_cosine=pixel,
        feature_cosine=feature,
        structure=structure,
        target_structure=target_structure,
        gains={row.edit: row.gain for row in fidelities},
    )


def _facts(sample: Sample, features: Features | None) -> tuple[float, float, float, float]:
    pictures = (sample.source, sample.target, sample.result)
    return (
        direction_cosine(*pictures),
        math.nan if features is None else direction_cosine(*pictures, features),
        structure_kept(sample.source, sample.result),
        structure_kept(sample.source, sample.target),
    )


def measure_steadiness(
    subject: Subject, edits: Sequence[str], clips: Sequence[flicker.Clip], memory: TargetMemory
) -> Steadiness:
    """Edit clips with their middle frame as the anchor."""
    rows = [flicker.measure_clip(subject, name, clip, memory) for clip in clips for name in edits]
    return Steadiness(mean([row.ratio for row in rows]), mean([row.target_ratio for row in rows]))


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table; what was not measured is a dash."""
    head = (
        *("stage", "steps x passes", "GFLOPs a frame: denoiser + autoencoder", "ms a frame", "PSNR to target, dB"),
        *("gain over source, dB", "least edit's", "direction, pixels", "direction, features", "structure kept"),
        "warp error over the source's",
    )
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows:
        cells = [row.stage]
        cost, quality, steady = row.cost, row.quality, row.steadiness
        if cost:
            cells += [
                f"{cost.steps} x {cost.passes}",
                f"{cost.denoiser_gflops:.1f} + {cost.autoencoder_gflops:.1f}",
                f"{cost.denoiser_ms:.0f} + {cost.autoencoder_ms:.0f}",
            ]
        else:
            cells += ["-"] * 3
        if quality:
            cells += [f"{quality.after:.2f}", f"{quality.gain:.2f}", f"{quality.least_gain:.2f}"]
            feature = quality.feature_cosine
            cells += [f"{quality.pixel_cosine:.3f}", "-" if math.isnan(feature) else f"{feature:.3f}"]
            cells.append(f"{quality.structure:.3f} (target {quality.target_structure:.3f})")
        else:
            cells += ["-"] * 6
        cells.append(f"{steady.ratio:.2f} (target {steady.target_ratio:.2f})" if steady else "-")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def run(options: argparse.Namespace) -> list[Row]:
    """Measure what `options` (see `main`) ask for and write the files, anew after every stage.

    Raises:
        MovieError: anything that is missing or cannot be read or written.
    """
    edits, clip_edits = known_edits(options.edits), known_edits(options.clip_edits)
    wanted = parts_of(options.only, PARTS)
    stages = [one.partition("=")[::2] if "=" in one else (one, one) for one in options.stages]
    paths = pick(held_out_photographs(options.photos), options.photos_count)
    photos = [load(path) for path in paths]
    features = None if options.features is None else taesd_features(options.features)
    memory, clips = TargetMemory(options.output / TARGETS_FILE), None
    rows: list[Row] = []
    for stage, model in stages:
        row = Row(stage, model)
        rows.append(row)
        if "cost" in wanted:
            row.cost = measure_cost(model, options.device, options.dtype, options.rounds)
        if wanted - {"cost"}:
            subject = ModelSubject(model, options.device, options.dtype)
        if "fidelity" in wanted:
            row.quality = measure_quality(subject, edits, photos, features)
        if "flicker" in wanted and options.clips is not None:
            if clips is None:
                files = pick(clip_files(options.clips), options.clips_count)
                clips = [flicker.read_clip(path, subject, options.clip_frames) for path in files]
            row.steadiness = measure_steadiness(subject, clip_edits, clips, memory)
        facts: dict[str, Any] = {
            "threads": torch.get_num_threads(),
            "photos": [path.name for path in paths],
            "stages": [dataclasses.asdict(one) for one in rows],
        }
        write(options.output / "stages.json", json.dumps(facts, indent=1) + "\n")
        write(options.output / "stages.md", table(rows))
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    command = parser("Compare the stages of a training chain in one table.")
    add = command.add_argument
    add("stages", nargs="+", metavar="NAME=MODEL", help="a row's name and a checkpoint's name or folder")
    add("-o", "--output", type=Path, required=True, metavar="DIR", help="where stages.json and stages.md go")
    add("--photos-count", type=int, default=12, metavar="N", help="photographs (default: 12)")
    add("--features", type=Path, metavar="FILE", help="taesd_encoder.safetensors, for directions in a feature space")
    add("--clips", type=Path, metavar="DIR", help="folder of clips for the warp error")
    add("--clips-count", type=int, default=3, metavar="N", help="how many of them (default: 3)")
    add("--clip-frames", type=int, default=6, metavar="N", help="frames of each, in up to three runs (default: 6)")
    add("--clip-edits", type=names, default=["winter", "night", "sepia", "pencil"], help="comma-separated")
    add("--rounds", type=int, default=3, metavar="N", help="of timing, of which the best counts (default: 3)")
    add("--only", default="", help=f"comma-separated parts of {', '.join(PARTS)} (default: all)")
    options = command.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return end(lambda: table(run(options)))


if __name__ == "__main__":
    sys.exit(main())
