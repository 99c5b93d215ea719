"""What an output's name and the file that has it tell of an edit before anything heavy is imported."""

from __future__ import annotations

from pathlib import Path

from movie_cli import media, remote
from movie_cli.editing.clip import span_of
from movie_cli.editing.request import STREAM, EditRequest
from movie_cli.editing.work_folder import folder_for, was_published
from movie_cli.errors import MovieError
from movie_cli.media.containers import container_for
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

    It has the recipe, the size, the beginning and as many frames as the edit would have; and nothing of an edit that
    was interrupted is beside it.
    """
    output = Path(request.output)
    if STREAM in {request.source, request.output} or remote.is_url(request.output) or folder_for(output).exists():
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
    start = None if span.start is None else f"{span.start - float(info.video.begin):.9f}"
    alike = recipe_text(made.metadata, START_KEY) == start
    alike = alike and made.video.display_size == (request.recipe.size or info.video.display_size)
    frames = made.video.frames
    return frames if alike and frames and span.frames is not None and abs(frames - span.frames) <= 1 else None
