"""How progress is told: as events, as lines, or as a bar on a terminal.

Promises that messages appear above the bar, that the cursor comes back after an error, and that a narrow terminal
shows the numbers rather than the bar.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from movie_cli.cli.errors import one_line
from movie_cli.cli.output import EventReporter, LineReporter, OutputOptions

NARROW = 70
VERY_NARROW = 36
TITLE_COLUMNS = 30


class CountColumn(ProgressColumn):
    """Frames or jobs done, of how many if that is known."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """Text such as 12/300 frames."""
        total = "" if task.total is None else f"/{int(task.total)}"
        return Text(f"{int(task.completed)}{total} {self._unit}s")


class SpeedColumn(ProgressColumn):
    """Frames a second of late."""

    def render(self, task: Task) -> Text:
        """Text such as 11.8 fps, nothing before there is a speed."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} fps", style="progress.data.speed")


class BarReporter(LineReporter):
    """Progress as a bar, messages above it."""

    def __init__(self, options: OutputOptions, unit: str = "frame") -> None:
        super().__init__(options, lines=False, unit=unit)
        width = self._console.width
        columns: list[ProgressColumn] = [CountColumn(unit), *([SpeedColumn()] if unit == "frame" else [])]
        if width >= VERY_NARROW:
            columns.append(TimeRemainingColumn(compact=True))
        if width >= NARROW:
            columns = [TextColumn("{task.description}", markup=False), BarColumn(), *columns]
        self._progress = Progress(*columns, console=self._console, refresh_per_second=5)
        self._task: TaskID | None = None

    def start(self, total_frames: int | None, title: str) -> None:
        """Draw the bar."""
        title = one_line(title)
        if len(title) > TITLE_COLUMNS:
            title = title[: TITLE_COLUMNS - 1] + "…"
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(title, total=total_frames)
        self._progress.start()

    def advance(self, frames: float) -> None:
        """Move the bar."""
        if self._task is not None:
            self._progress.advance(self._task, frames)

    def done(self, summary: Mapping[str, object]) -> None:
        """Say what was made and how fast, below the bar."""
        self._progress.stop()
        super().done(summary)

    def __exit__(self, *exception: object) -> None:
        """Leave the bar as it stands and give the cursor back."""
        self._progress.stop()


def make_reporter(options: OutputOptions, unit: str = "frame") -> LineReporter:
    """The reporter that the options and the terminal call for; `unit` is what it counts."""
    if options.json:
        return EventReporter(options, lines=options.progress != "none")
    if options.progress == "none" or options.quiet:
        return LineReporter(options, lines=False)
    if options.progress == "auto" and Console(stderr=True).is_terminal and os.environ.get("TERM") != "dumb":
        return BarReporter(options, unit)
    return LineReporter(options, unit=unit)
