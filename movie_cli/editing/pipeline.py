"""An edit from file to file.

Promises constant memory, an output that appears under its name only when it is whole, finished segments that outlive
an interruption in a hidden folder beside it, and a word about every choice. What happens to the frames is `running`'s.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from movie_cli import media
from movie_cli.editing.editors import Editors
from movie_cli.editing.finishing import EditSummary, summarize
from movie_cli.editing.job import job_of
from movie_cli.editing.plan import Plan, make_plan, plan
from movie_cli.editing.request import STREAM, EditRequest, Reporter
from movie_cli.editing.running import Edit
from movie_cli.editing.staging import is_staged, staged
from movie_cli.editing.work_folder import WorkFolder, changes_of, published, remove_published
from movie_cli.errors import InterruptedEdit, MovieError, UsageError

__all__ = ["EditSummary", "Plan", "edit_video", "is_whole", "make_plan", "plan", "whole_already", "work_folder"]


def edit_video(request: EditRequest, reporter: Reporter, editors: Editors | None = None) -> EditSummary:
    """Edit a video. `editors` may hold the model already.

    Raises:
        MovieError: whatever went wrong, with nothing left under the asked name. Finished segments are kept in a hidden
            folder beside it, and the hint says so.
        InterruptedEdit: Ctrl-C or a termination, where finished segments are kept.
        KeyboardInterrupt: as it came, where nothing is left.
    """
    with staged(request, reporter) as (here, told):
        summary = _edit(here, told, editors or Editors())
    return replace(summary, output=request.output)


def _edit(request: EditRequest, reporter: Reporter, editors: Editors) -> EditSummary:
    """Edit into a file on this machine, unless it is whole already."""
    with media.local_source(request.source, request.reading) as path:
        made = make_plan(request, path, lambda text: reporter.message("info", text))
        if request.output == STREAM:
            return Edit(made, path, editors, reporter, None).run()
        if is_whole(made, path):
            return whole_already(made, reporter)
        with work_folder(made, path) as folder:
            return Edit(made, path, editors, reporter, folder).run()


@contextlib.contextmanager
def work_folder(made: Plan, path: Path) -> Iterator[WorkFolder]:
    """The folder of finished segments; errors that pass through get a hint where it can be continued."""
    request = made.request
    job = job_of(request, path, made.descriptor, made.choice, made.batch)
    folder = WorkFolder(Path(request.output), job, resume=request.resume, anew=request.overwrite and not request.resume)
    try:
        yield folder
    except (MovieError, KeyboardInterrupt) as error:
        if not made.resumable:
            folder.discard()
        if not folder.finished_frames:
            raise
        kept = f"{folder.finished_frames} frames are kept: the same command with --resume continues"
        if isinstance(error, KeyboardInterrupt):
            raise InterruptedEdit("interrupted", kept) from error
        error.hint = f"{error.hint}; {kept}" if error.hint else kept
        raise
    finally:
        folder.close()


def is_whole(made: Plan, path: Path) -> bool:
    """Whether there is nothing to resume because an earlier try of the very same edit was stopped when it was done.

    Raises:
        UsageError: the output is whole, but of another edit, and may not be replaced.
    """
    request = made.request
    output = Path(request.output)
    before = published(output) if request.resume else None
    if before is None:
        return False
    changes = changes_of(before.job, job_of(request, path, made.descriptor, made.choice, made.batch))
    if not changes:
        return True
    if is_staged(request):
        output.unlink(missing_ok=True)  # ours, and of no use any more
    elif not request.overwrite:
        raise UsageError(
            f"{output} exists, and is of another edit: {'; '.join(changes)}",
            "-y replaces it; or choose another name with -o",
        )
    return False


def whole_already(made: Plan, reporter: Reporter) -> EditSummary:
    """An edit for which `is_whole` holds: only its folder is left to remove, or the output to send to a store."""
    request = made.request
    output = Path(request.output)
    before = published(output)
    frames = (before.frames if before is not None else 0) or media.probe(output).video.frames or 0
    if not is_staged(request):
        remove_published(output)
    reporter.message("info", f"{request.output} was whole already")
    summary = summarize(made, frames, 0.0, cached=False, resumed=frames)
    reporter.done(asdict(summary))
    return summary
