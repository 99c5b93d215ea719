"""What a GPU makes of the networks, in eight minutes at most: its pixels against the CPU's, transfers beside kernels,
CUDA graphs, batches, sizes, and hardware decoding and encoding.

    python benchmarks/gpu.py -o gpu.json

On a bare machine with CUDA, torch and this package's other wheels; nothing is fetched. `nano` is the embedded model,
`sd15-movie` a network of true shapes with random weights, which take as long as others. Each step is a process of its
own: one that fails or takes too long says so and the next one goes on, what matters most first, and what there is no
time for is named. After every step all that is known so far is in the file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import harness

MINUTES = 8.0
LEAST = 5.0
"""Seconds that a step is begun with."""
MODELS, SIZES, BATCHES = "nano,sd15-movie", "512x384,480x480,1920x1080", "1,4,16"
MOST = 2
"""Code values of 255 that a pixel may differ by from the CPU's in float32."""
WORDS = "make it winter"
COLUMNS = {
    "fps": "frames/s, mp4 to mp4",
    "network_fps": "network alone",
    "share_of_peak": "share of matmul peak",
    "device_peak_memory_bytes": "memory",
    "first_frame_s": "first frame",
    "compile_s": "compiling",
}


@dataclass(frozen=True)
class Step:
    """One process; `limit` is how many seconds it may take."""

    name: str
    command: list[str]
    limit: float


def main() -> None:
    """The command."""
    parser = harness.parser("Measure a GPU in eight minutes at most.")
    parser.add_argument("-o", "--output", type=Path, metavar="JSON", help="where the results are kept, too")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="in all (default: 8)")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--models", default=MODELS, help=f"kinds or folders of checkpoints (default: {MODELS})")
    parser.add_argument("--sizes", default=SIZES, metavar="WxH,...", help=f"of clips (default: {SIZES})")
    parser.add_argument("--batches", default=BATCHES, metavar="N,...", help=f"frames at once (default: {BATCHES})")
    parser.add_argument("--compiles", default="on,off", help="whether torch compiles (default: on,off)")
    parser.add_argument("--frames", type=int, default=240, help="of each clip (default: 240)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only steps whose name has this in it")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(PARTS[options.part](options)))
        return
    until = time.monotonic() + 60 * options.minutes
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="movie-gpu-") as folder:
        for step in (step for step in steps(options, Path(folder)) if options.only in step.name):
            found[step.name] = run(step, until)
            if not options.json:
                print(f"{step.name}: {told(found[step.name])}", flush=True)
            if options.output:
                options.output.write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(json.dumps(found) if options.json else f"\n{table(found)}")


def steps(options: argparse.Namespace, folder: Path) -> Iterator[Step]:
    """What is measured, what matters most first."""
    device, sizes = ["--device", options.device], options.sizes.split(",")
    again = [sys.executable, __file__, *device, "--frames", str(options.frames)]
    yield Step("machine", [*again, "--part", "machine"], 60)
    models: dict[str, str] = {}
    for name in options.models.split(","):
        models[name] = name
        if name != "nano" and not Path(name).is_dir():
            made = models[name] = str(folder / name)
            yield Step(f"{name}: weights", [*again, "--part", "weights", "--models", f"{name},{made}"], 60)
    compiles = options.compiles.split(",")

    def bench(name: str, size: str, compiled: str, *more: str) -> Step:
        label = " ".join([size, f"compile {compiled}", *more]).replace("--", "")
        command = [*harness.MOVIE, "bench", "--json", "--model", models[name], "--size", size, *device]
        command += ["--backend", "torch", "--frames", str(options.frames), "--compile", compiled, *more]
        return Step(f"{name}: {label}", command, 90 if compiled == "on" else 45)

    for name, model in models.items():
        yield Step(f"{name}: pixels", [*again, "--part", "pixels", "--models", model, "--sizes", sizes[0]], 60)
    for size in sizes:
        for name in models:
            yield bench(name, size, compiles[0])
    for name, model in models.items():
        yield Step(f"{name}: streams", [*again, "--part", "streams", "--models", model, "--sizes", sizes[0]], 45)
        for compiled in compiles[1:]:
            yield bench(name, sizes[0], compiled)
        for batch in options.batches.split(","):
            yield bench(name, sizes[0], compiles[-1], "--batch-size", batch)
    for hardware in ("auto", "none"):
        yield Step(f"hwaccel {hardware}", [*again, "--part", "hwaccel", "--models", hardware, "--sizes", sizes[-1]], 60)


def run(step: Step, until: float) -> dict[str, Any]:
    """What a step found, or `failed` or `left out` and why."""
    left = until - time.monotonic()
    if left < LEAST:
        return {"left out": "no time is left"}
    limit = min(step.limit, left)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(step.command, capture_output=True, text=True, timeout=limit, env=environment, check=False)
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {limit:.0f} s"}
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing was said").splitlines()
        return {"failed": f"exit code {done.returncode}: {said[-1]}"}
    values: dict[str, Any] = json.loads(lines[-1])
    return values


def told(values: dict[str, Any]) -> str:
    """A step in one line."""
    shown = [key for key in COLUMNS if values.get(key) is not None] or list(values)
    return ", ".join(f"{COLUMNS.get(key, key)} {number(key, values[key])}" for key in shown if key != "type")


def number(key: str, value: Any) -> str:
    """A value as people read it."""
    if value is None:
        return "-"
    if key.endswith("_bytes"):
        return f"{value / 1e9:.2f} GB"
    if key == "share_of_peak":
        return f"{value:.0%}"
    text = f"{value:.2f}" if isinstance(value, float) else str(value)
    return f"{text} s" if key.endswith("_s") else text


def table(found: dict[str, Any]) -> str:
    """The rows of speed in Markdown."""
    rows = [["", *COLUMNS.values()], ["---"] * (1 + len(COLUMNS))]
    for name, values in found.items():
        if "fps" in values:
            rows.append([name, *(number(key, values.get(key)) for key in COLUMNS)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


# The parts that `movie bench` does not have, each in a process of its own


def machine(options: argparse.Namespace) -> dict[str, Any]:
    """What computes, and its best product of two matrices in each number type."""
    import torch

    from movie_cli.bench.stages import matmul_peak

    values: dict[str, Any] = {"torch": torch.__version__, "device": options.device}
    if options.device.startswith("cuda"):
        of = torch.cuda.get_device_properties(torch.device(options.device))
        values |= {"name": of.name, "memory_bytes": of.total_memory, "cuda": torch.version.cuda}
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        values[f"{dtype} TFLOP/s".removeprefix("torch.")] = matmul_peak(options.device, dtype) / 1e12
    return values


def weights(options: argparse.Namespace) -> dict[str, Any]:
    """A checkpoint of a kind with random weights."""
    from movie_cli.bench.shapes import save_random

    kind, folder = options.models.split(",")
    save_random(kind, Path(folder))
    return {"bytes": sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())}


def pixels(options: argparse.Namespace) -> dict[str, Any]:
    """The largest and the mean difference of edited frames to the CPU's in float32, in code values of 255."""
    import numpy as np

    frames = _pictures(options, 2)
    exact = _editor(options.models, "cpu", "float32").edit(frames).astype(np.int16)
    values: dict[str, Any] = {}
    for dtype in ("float32", "auto"):
        editor = _editor(options.models, options.device, dtype)
        difference = np.abs(editor.edit(frames).astype(np.int16) - exact)
        values[f"{editor.backend.dtype} most"] = int(difference.max())
        values[f"{editor.backend.dtype} mean"] = float(difference.mean())
        values[f"{editor.backend.dtype} within {MOST}"] = bool(difference.max() <= MOST)
    return values


def streams(options: argparse.Namespace) -> dict[str, Any]:
    """Frames a second when each batch is waited for, and when it is fetched while the next one is computed."""
    from movie_cli.bench.stages import settle

    editor, batch = _editor(options.models, options.device, "auto"), 4
    frames, rounds = _pictures(options, batch), max(2, options.frames // batch)
    values: dict[str, Any] = {}

    def clock(name: str, run: Callable[[], None]) -> None:
        run()
        settle(options.device)
        began = time.monotonic()
        run()
        settle(options.device)
        values[name] = rounds * batch / (time.monotonic() - began)

    def waited() -> None:
        for _ in range(rounds):
            editor.edit(frames)

    def overlapped() -> None:
        before = editor.edit_later(frames)
        for _ in range(rounds - 1):
            following = editor.edit_later(frames)
            before()
            before = following
        before()

    clock("waited for", waited)
    clock("overlapped", overlapped)
    return values


def hwaccel(options: argparse.Namespace) -> dict[str, Any]:
    """A whole edit by `nano` with the GPU's decoder and encoder where they open (`auto`), or without (`none`)."""
    width, height = _size(options)
    with tempfile.TemporaryDirectory(prefix="movie-gpu-") as folder:
        clip = Path(folder) / "clip.mp4"
        harness.make_clip(clip, options.frames, (width, height))
        edit = harness.run_edit(clip, "nano", ["--device", options.device, "--hwaccel", options.models])
    return {"fps": options.frames / edit.seconds, "seconds": edit.wall}


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    part.__name__: part for part in (machine, weights, pixels, streams, hwaccel)
}


def _size(options: argparse.Namespace) -> tuple[int, int]:
    width, height = (int(side) for side in options.sizes.split(",")[0].split("x"))
    return width, height


def _pictures(options: argparse.Namespace, count: int) -> Any:
    from movie_cli.backends.fidelity import draw_pictures

    return draw_pictures(count, _size(options), 7)


def _editor(model: str, device: str, dtype: str) -> Any:
    from movie_cli import Recipe, open_editor

    editor = open_editor(model, device, dtype, "torch")
    editor.set_recipe(Recipe(WORDS, model=model))
    return editor


if __name__ == "__main__":
    main()
