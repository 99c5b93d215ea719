"""One video on a cluster, told of as an edit on this machine is."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from movie_cli.batch.jobs import Job, Result
from movie_cli.batch.ray_engine import RayEngine
from movie_cli.editing.request import EditRequest, Reporter
from movie_cli.errors import InterruptedEdit


class _AsReporter:
    """Tells a reporter of the one job there is."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self.result: Result | None = None

    def started(self, job: Job, total_frames: int | None) -> None:
        self._reporter.start(total_frames, Path(job.request.source).name)

    def message(self, job: Job, level: Literal["info", "warning"], text: str) -> None:
        self._reporter.message(level, text)

    def advanced(self, job: Job, frames: int) -> None:
        self._reporter.advance(frames)

    def ended(self, job: Job, result: Result) -> None:
        self.result = result


def edit_on_cluster(request: EditRequest, reporter: Reporter, address: str | None, workers: int | None) -> None:
    """Edit a video on a Ray cluster, its segments side by side.

    Raises:
        MovieError: whatever went wrong, as `edit_video`.
        InterruptedEdit: Ctrl-C or a termination; finished segments are kept.
    """
    told = _AsReporter(reporter)
    try:
        RayEngine(address, workers, torch.get_num_threads()).run(
            [Job(1, request.source, request)], told, fail_fast=True
        )
    except KeyboardInterrupt as error:
        raise InterruptedEdit("interrupted", "the same command with --resume continues what is done") from error
    assert told.result is not None
    if told.result.outcome != "done":
        raise told.result.error()
    reporter.done(told.result.facts)
