"""What an output's name and the file that has it tell of an edit before anything heavy is imported."""

from __future__ import annotations

from pathlib import Path

from movie_cli import media, remote
from movie_cli.editing.clip import span_of
from movie_cli.editing.request import STREAM, EditRequest
from movie_cli.editing.work_folder import folder_for, was_published
from movie_cli.errors import MovieError
from movie_cli.media.containers import container_for
from movie_cli.options import EncodeOptions
from movie_cli.recipe import START_KEY, Recipe, recipe_text

__all__ = ["check_ending", "frames_if_finished", "was_published"]


def check_ending(request: EditRequest) -> None:
    """Refuse an output whose name says no container, before the networks are imported.

    Raises:
        OutputError: it is not known, or cannot be written there.
    """
    name = remote.file_name(request.output) if remote.is_url(request.output) else request.output
    container_for(name, request.encode.container)


def frames_if_finished(request: EditRequest) -> int | None:
    """How many frames an existing output of the request has, if it is whole as far as it tells; else None.

    It has the recipe, the size, the beginning and as many frames as the edit would have, and was written after the
    source; nothing of an edit that was interrupted is beside it. What else is asked of the output cannot be told of it.
    """
    output, asked = Path(request.output), request.encode != EncodeOptions() or request.mask is not None
    if STREAM in {request.source, request.output} or remote.is_url(request.output) or folder_for(output).exists():
        return None
    if asked or not (output.is_file() and Path(request.source).is_file()):
        return None
    if Path(request.source).stat().st_mtime > output.stat().st_mtime:
        return None
    try:
        made = media.probe(output)
        if Recipe.from_json(recipe_text(made.metadata) or "") != request.recipe:
            return None
        with media.local_source(request.source, request.reading) as path:
            info = media.probe(path, request.reading)
            span = span_of(request, info)
    except MovieError:
        return None  # the edit tells of it
    alike = recipe_text(made.metadata, START_KEY) == span.start_text(info.video)
    alike = alike and made.video.display_size == (request.recipe.size or info.video.display_size)
    frames, whole = made.video.frames, request.start is request.end is request.duration is None
    # A header's count of all frames may be one off; that of a part is ours.
    alike = alike and span.frames is not None and abs((frames or 0) - span.frames) <= whole
    return frames if alike and frames else None
