"""Frames a second from mp4 to mp4 with the real command, and the time each stage takes on its own.

    python benchmarks/speed.py --frames 120 --threads 2

`overall_fps` is what a person waits for: the whole process, start-up included. `edit_fps` leaves start-up out.
`network_fps` is encoding, denoising and decoding of latents alone. Stage times are milliseconds a frame, measured one
after the other in one process; in an edit they run beside each other.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness
import numpy as np
import torch

from movie_cli.backends.select import choose
from movie_cli.backends.torch_backend import TorchBackend
from movie_cli.checkpoints.registry import open_model
from movie_cli.editing.editor import Editor
from movie_cli.media import FrameReader, VideoWriter, probe
from movie_cli.recipe import Recipe

WARM_UP = 2


def measure_stages(clip: Path, model: str, device: str, dtype: str, batch: int, threads: int | None) -> dict[str, Any]:
    """Milliseconds a frame of decoding, the network's three parts, and writing."""
    if threads is not None:
        torch.set_num_threads(threads)
    choice = choose(device, dtype)
    backend = TorchBackend(open_model(model), choice)
    info = probe(clip)
    size = Editor.size_for(backend.descriptor, *info.video.presentation_size)

    began = time.monotonic()
    with FrameReader(clip, info=info, also_size=size) as reader:
        frames = list(reader)
    decode = time.monotonic() - began

    small = np.stack([frame.pixels if frame.small is None else frame.small for frame in frames[:batch]])
    editor = Editor(backend)
    editor.set_recipe(Recipe("make it winter"))
    editor.set_anchors(editor.encode(small[:1]))
    rounds = max(1, len(frames) // batch)

    def clock(run: Callable[[], Any]) -> tuple[float, Any]:
        for _ in range(WARM_UP):
            result = run()
        _settle(choice.device)
        start = time.monotonic()
        for _ in range(rounds):
            result = run()
        _settle(choice.device)
        return (time.monotonic() - start) / (rounds * len(small)), result

    encode, latents = clock(lambda: editor.encode(small))
    denoise, edited = clock(lambda: backend.denoise(latents, editor.settings))
    decode_latents, _ = clock(lambda: backend.decode_latents(edited, small))

    began = time.monotonic()
    with VideoWriter(clip.with_name("written.mp4"), info) as writer:
        for frame in frames:
            writer.write(frame.pixels, frame.pts, frame.duration)
        writer.commit()
    write = time.monotonic() - began
    return {
        "network_fps": 1 / (encode + denoise + decode_latents),
        "decode_ms": 1000 * decode / len(frames),
        "encode_latents_ms": 1000 * encode,
        "denoise_ms": 1000 * denoise,
        "decode_latents_ms": 1000 * decode_latents,
        "write_ms": 1000 * write / len(frames),
    }


def _settle(device: str) -> None:
    """Wait for a GPU: its work is only queued when a call returns."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()


def main() -> None:
    """The command."""
    parser = harness.parser("Measure frames a second from mp4 to mp4, and stage by stage.")
    parser.add_argument("--frames", type=int, default=120, help="length of the generated clip (default: 120)")
    parser.add_argument("--model", default="nano", help="a checkpoint's name or folder (default: nano)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--batch", type=int, default=2, help="frames a batch in the stage times (default: 2)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's choice)")
    parser.add_argument("--size", default=f"{harness.WIDTH}x{harness.HEIGHT}", metavar="WxH", help="of the clip")
    options = parser.parse_args()
    width, height = (int(part) for part in options.size.split("x"))
    with tempfile.TemporaryDirectory(prefix="movie-benchmark-") as folder:
        clip = Path(folder) / "clip.mp4"
        harness.make_clip(clip, options.frames, (width, height))
        machine = ["--device", options.device, "--dtype", options.dtype]
        edit = harness.run_edit(clip, options.model, machine, options.threads)
        stages = measure_stages(clip, options.model, options.device, options.dtype, options.batch, options.threads)
    values = {
        "model": options.model,
        "device": edit.done["device"],
        "dtype": edit.done["dtype"],
        "threads": options.threads or torch.get_num_threads(),
        "clip": f"{width}x{height}, {options.frames} frames",
        "working_size": "x".join(str(side) for side in edit.done["working_size"]),
        "overall_fps": options.frames / edit.wall,
        "edit_fps": options.frames / edit.seconds,
        "start_up_s": edit.wall - edit.seconds,
        "peak_memory_mb": edit.peak / 2**20,
        **stages,
    }
    harness.show(values, options.json)


if __name__ == "__main__":
    main()
