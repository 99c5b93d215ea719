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
from movie_cli.recipe import Recipe

if TYPE_CHECKING:
    from movie_cli.editing.editor import Editor
    from movie_cli.editing.video import EditSummary

__version__ = "0.1.0"
__all__ = [
    "DeviceError",
    "Editor",
    "InterruptedEdit",
    "ModelError",
    "MovieError",
    "OutputError",
    "Recipe",
    "SourceError",
    "UsageError",
    "edit",
    "open_editor",
]


def edit(source: str | Path, recipe: Recipe | str, output: str | Path, **options: Any) -> EditSummary:
    """Edit a video file as `movie edit` does, silently.

    Args:
        source: The video to edit.
        recipe: What to do; a string is an instruction with all else as usual.
        output: Where the edited video goes; its ending says which container. It must not exist unless `overwrite=True`.
        **options: Further fields of `movie_cli.editing.request.EditRequest`, such as `device` or `use_cache`.

    Returns:
        How many frames were edited, how fast, and on what.

    Raises:
        MovieError: whatever went wrong, with nothing left under the output's name.
    """
    from movie_cli.editing.request import EditRequest, SilentReporter, check_output, check_source
    from movie_cli.editing.video import edit_video

    check_source(str(source))
    check_output(str(source), str(output))
    made = Recipe(recipe) if isinstance(recipe, str) else recipe
    request = EditRequest(str(source), str(output), made, **options)
    if Path(output).exists() and not request.overwrite:
        raise UsageError(f"{output} exists", "pass overwrite=True to replace it")
    return edit_video(request, SilentReporter())


def open_editor(model: str = "nano", device: str = "auto", dtype: str = "auto", backend: str = "auto") -> Editor:
    """Load a checkpoint, or an export, for editing frames from Python.

    Raises:
        ModelError: there is no such checkpoint, or it is damaged.
        DeviceError: the device is not there.
    """
    from movie_cli.backends.base import RuntimeRequest
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
