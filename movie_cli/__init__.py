"""Text-instructed video editing: a one-step diffusion editor that streams.

The public Python API is what stands here: `edit` for a file, `Editor` for frames, `Recipe` for what is done, and the
errors. Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from movie_cli.errors import (
    DeviceError,
    InterruptedEdit,
    ModelError,
    MovieError,
    OutputError,
    SourceError,
    UsageError,
)
from movie_cli.kinds import TimeValue
from movie_cli.options import EncodeOptions, ReadOptions
from movie_cli.recipe import Recipe

if TYPE_CHECKING:
    from movie_cli.editing.editor import Editor
    from movie_cli.editing.video import EditSummary

__version__ = "0.1.0"
__all__ = [
    "DeviceError",
    "Editor",
    "EncodeOptions",
    "InterruptedEdit",
    "ModelError",
    "MovieError",
    "OutputError",
    "ReadOptions",
    "Recipe",
    "SourceError",
    "TimeValue",
    "UsageError",
    "edit",
    "open_editor",
]


def edit(
    source: str | Path,
    recipe: Recipe | str,
    output: str | Path,
    *,
    encode: EncodeOptions | None = None,
    reading: ReadOptions | None = None,
    start: TimeValue | None = None,
    end: TimeValue | None = None,
    duration: TimeValue | None = None,
    mask: str | None = None,
    max_flicker: float | None = None,
    backend: str = "auto",
    provider: str = "auto",
    device: str = "auto",
    dtype: str = "auto",
    compile: str = "auto",  # noqa: A002 - the option's name
    hwaccel: str = "none",
    threads: int | None = None,
    batch_size: int | None = None,
    segment_frames: int | None = None,
    use_cache: bool = True,
    offline: bool = False,
    strict: bool = False,
    resume: bool = False,
    overwrite: bool = False,
) -> EditSummary:
    """Edit a video file as `movie edit` does, silently.

    Args:
        source: The video to edit.
        recipe: What to do; a string is an instruction with all else as usual.
        output: Where the edited video goes; its ending says which container. It must not exist unless `overwrite`.
        encode: How the output is written.
        reading: How the source is read.
        start: Where the edited part begins; `TimeValue.parse` reads what the command line takes.
        end: Where it ends, counted from the first picture like `start`.
        duration: How long it is, in place of `end`.
        mask: A video or picture: the edit goes where it is white.
        max_flicker: Keep the edit within so many times the source's flicker, by other scales if need be.
        backend: What runs the networks: `auto`, `torch`, `openvino`, `onnx` or `qnn`.
        provider: What runs an export.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        dtype: `auto`, `float32`, `bfloat16`, `float16` or `int8`.
        compile: Whether torch compiles the networks: `auto`, `on` or `off`.
        hwaccel: Whether a GPU decodes and encodes, too, where it can: `none` or `auto`.
        threads: CPU threads of the network; None for one a core.
        batch_size: Frames at once; None for what suits the device.
        segment_frames: Frames that are kept at a time for `resume`; None for what suits the model.
        use_cache: Keep the source's latents for the next edit, and use those that are kept.
        offline: Fetch nothing from the network.
        strict: Fail if the source breaks, or the model does not know the instruction.
        resume: Continue an edit that was interrupted.
        overwrite: Replace the output if it exists.

    Returns:
        How many frames were edited, how fast, and on what.

    Raises:
        MovieError: whatever went wrong, with nothing left under the output's name.
    """
    options = {name: value for name, value in locals().items() if name not in {"source", "recipe", "output"}}
    from movie_cli.editing.request import EditRequest, SilentReporter, check_output, check_source
    from movie_cli.editing.video import edit_video

    check_source(str(source))
    check_output(str(source), str(output))
    wanted = Recipe(recipe) if isinstance(recipe, str) else recipe
    options |= {"encode": encode or EncodeOptions(), "reading": reading or ReadOptions()}
    request = EditRequest(str(source), str(output), wanted, **options)
    if Path(output).exists() and not overwrite:
        raise UsageError(f"{output} exists", "pass overwrite=True to replace it")
    return edit_video(request, SilentReporter())


def open_editor(model: str = "nano", device: str = "auto", dtype: str = "auto", backend: str = "auto") -> Editor:
    """Load a checkpoint, or an export, for editing frames from Python.

    Raises:
        ModelError: there is no such checkpoint, or it is damaged.
        DeviceError: the device is not there.
    """
    from movie_cli.backends import RuntimeRequest
    from movie_cli.backends.registry import choose_runtime, open_backend
    from movie_cli.checkpoints.store import open_model
    from movie_cli.editing.editor import Editor

    descriptor = open_model(model)
    return Editor(open_backend(descriptor, choose_runtime(descriptor, RuntimeRequest(device, dtype, backend))))


def __getattr__(name: str) -> Any:
    if name == "Editor":
        from movie_cli.editing.editor import Editor

        return Editor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
