"""Milliseconds a frame of each graph on a CPU, backend beside backend, and how near each is to torch in float32.

All take turns, run by run, so that whatever else the machine does hits all alike; medians are shown. A frame at a
time, pictures in and pictures out; and as an edit has it, `edit`: two frames at once, decoded while the next ones are
denoised where a backend does that. Beside torch it needs exports: `movie export onnx -o FLOAT`, and for int8
`movie export onnx --precision w8a8 -o INT8` and the same with w8a16. OpenVINO's int8 decoder is there with the extra
`int8`. What OpenVINO would do on a CPU without bfloat16 is seen with `ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI`.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from harness import parser, show


def main() -> None:
    """Measure and print."""
    options = parser(__doc__ or "")
    options.add_argument("float32", type=Path, help="an export in float32")
    options.add_argument("--more", type=Path, nargs="*", default=[], help="exports in other precisions")
    options.add_argument("--model", default="nano", help="the checkpoint they were made of")
    options.add_argument("--runs", type=int, default=9)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--ways", default="", metavar="NAME,...", help="only these, such as onnx_float32")
    given = options.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    ways = given.ways.split(",") if given.ways else []
    show(measure(given.float32, given.more, given.model, given.runs, ways), given.json)


def measure(exact: Path, more: list[Path], model: str, runs: int, only: list[str]) -> dict[str, Any]:
    """Medians in ms and PSNR in dB, by name; of torch in float32 and some, or all, others."""
    from movie_cli.backends import RuntimeRequest, is_installed
    from movie_cli.backends.fidelity import draw_pictures, psnr
    from movie_cli.backends.registry import choose_runtime, open_backend
    from movie_cli.checkpoints.store import open_model
    from movie_cli.editing.editor import Editor
    from movie_cli.recipe import Recipe

    export = open_model(str(exact)).export
    if export is None:
        sys.exit(f"error: {exact} is not an export")
    size = export.sizes[0]

    def opened(folder: str, backend: str, dtype: str) -> Editor:
        descriptor = open_model(folder)
        asked = RuntimeRequest("cpu", dtype, backend, size=size, say=lambda text: print(text, file=sys.stderr))
        config = choose_runtime(descriptor, asked)
        editor = Editor(open_backend(descriptor, config))
        editor.set_recipe(Recipe("make it winter"))
        return editor

    ways = {
        "torch_float32": (model, "torch", "float32"),
        "torch_bfloat16": (model, "torch", "bfloat16"),
        "onnx_float32": (str(exact), "onnx", "auto"),
        "openvino_float32": (str(exact), "openvino", "float32"),
        "openvino_bfloat16": (str(exact), "openvino", "bfloat16"),
    }
    if is_installed("int8"):
        ways["openvino_int8"] = (model, "openvino", "int8")
    for folder in more:
        other = open_model(str(folder)).export
        precision = other.precision if other is not None else "torch"
        ways[f"onnx_{precision}"] = (str(folder), "onnx", "auto")
    editors = {name: opened(*way) for name, way in ways.items() if not only or name in only or name == "torch_float32"}
    frame = draw_pictures(1, size, 7)
    times: dict[tuple[str, str], list[float]] = {}
    edited = {}
    for number in range(runs + 1):
        for name, editor in editors.items():
            found = _frame(editor, frame, lambda graph, ms, name=name: times.setdefault((name, graph), []).append(ms))
            edited[name] = found
            times.setdefault((name, "edit"), []).append(_batches(editor, frame))
        if number == 0:
            times.clear()  # the first run of each makes its plans
    result: dict[str, Any] = {}
    for name in editors:
        for graph in ("encode", "anchor", "frame", "decode", "edit"):
            result[f"{name}_{graph}_ms"] = round(statistics.median(times[name, graph]), 1)
        result[f"{name}_psnr_db"] = round(psnr(edited["torch_float32"], edited[name]), 1)
    return result


def _frame(editor: Any, frame: Any, note: Callable[[str, float], None]) -> Any:
    """One frame through the four verbs."""
    backend, settings = editor.backend, editor.settings
    latents = _timed(note, "encode", lambda: backend.encode_frames(frame))
    _timed(note, "anchor", lambda: backend.set_anchors(latents, settings))
    changed = _timed(note, "frame", lambda: backend.denoise(latents, settings))
    return _timed(note, "decode", lambda: backend.decode_latents(changed, frame))


def _batches(editor: Any, frame: Any) -> float:
    """Milliseconds a frame of batches in a row, the last of which is fetched while the next one is denoised."""
    pair, count = np.concatenate([frame, frame]), 4
    latents = editor.encode(pair)
    began = time.perf_counter()
    waiting = editor.edit_later(pair, latents)
    for _ in range(count - 1):
        following = editor.edit_later(pair, latents)
        waiting()
        waiting = following
    waiting()
    return 1000 * (time.perf_counter() - began) / (count * len(pair))


def _timed(note: Callable[[str, float], None], graph: str, run: Callable[[], Any]) -> Any:
    began = time.perf_counter()
    result = run()
    note(graph, 1000 * (time.perf_counter() - began))
    return result


if __name__ == "__main__":
    main()
