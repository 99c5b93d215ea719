"""What a command shows: progress and messages on stderr, results and events on stdout.

Stdout carries nothing but what was asked for: text, NDJSON events with a `type`, or the video itself. A bar is drawn on
a terminal only, with messages above it; on a narrow one it shows the numbers rather than the bar. `NO_COLOR` holds.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from movie_cli.cli.command import themed
from movie_cli.cli.errors import one_line
from movie_cli.editing.request import Reporter

Level = Literal["info", "warning"]
EVENT_SECONDS = 0.5
LINE_SECONDS = 5.0


@dataclass(frozen=True)
class OutputOptions:
    """How much is shown, and in what form."""

    progress: str = "auto"
    json: bool = False
    quiet: bool = False
    verbose: bool = False


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json` to a command."""
    return themed("Messages")("--json", "as_json", is_flag=True, setting=False, help="NDJSON events on stdout.")(
        function
    )


def output_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of `OutputOptions` to a command, as `progress`, `as_json`, `quiet` and `verbose`."""
    option = themed("Messages")
    for decorate in (
        option("-v", "--verbose", is_flag=True, help="Also show what the libraries say."),
        option("-q", "--quiet", is_flag=True, help="Show warnings and errors only."),
        json_option,
        option(
            "--progress",
            type=click.Choice(["auto", "plain", "none"]),
            metavar="auto|plain|none",
            default="auto",
            help="A bar on terminals (auto), lines, or nothing.",
        ),
    ):
        function = decorate(function)
    return function


def shown_as(values: Mapping[str, Any]) -> OutputOptions:
    """What `output_options` were given as; libraries are quietened accordingly."""
    shown = OutputOptions(
        progress=values["progress"], json=values["as_json"], quiet=values["quiet"], verbose=values["verbose"]
    )
    quieten_libraries(shown.verbose)
    return shown


def emit(kind: str, **values: object) -> None:
    """Write one event: a line of JSON with `type` first. Values that JSON does not know become text."""
    click.echo(json.dumps({"type": kind, **values}, default=str))


def print_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """Write names and values in two columns on stdout. Values stay on one line, for grep and cut."""
    shown = [(name, one_line(str(value))) for name, value in pairs]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        click.echo(f"{name.ljust(width)}  {value}".rstrip())


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table on stdout: fitted to a terminal, one line a row elsewhere."""
    table = Table(*headings, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(table)
        return
    wide = Console(highlight=False, width=10_000)
    with wide.capture() as capture:
        wide.print(table)
    for line in capture.get().splitlines():
        click.echo(line.rstrip())


def human_bytes(number: int) -> str:
    """Bytes as people read them, in powers of 1000."""
    value, units = float(number), ["bytes", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} {units[0]}" if units[0] == "bytes" else f"{value:.1f} {units[0]}"


def quieten_libraries(verbose: bool) -> None:
    """Keep libraries from writing to stderr on their own, unless that was asked for. Call before importing them."""
    if verbose:
        logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(name)s: %(message)s")
        return
    for variable in ("TRANSFORMERS_VERBOSITY", "DIFFUSERS_VERBOSITY"):
        os.environ.setdefault(variable, "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("SVT_LOG", "1")  # errors only: it greets on stderr for every encoder that is opened
    if os.environ.get("MOVIE_DEBUG") != "1":
        warnings.simplefilter("ignore")


class LineReporter(Reporter):
    """Messages, and now and then a line of progress. As a context manager it leaves the terminal as it found it."""

    def __init__(self, options: OutputOptions, lines: bool = True, unit: str = "frame") -> None:
        self._options = options
        self._lines = lines and not options.quiet
        self._unit = unit
        self._console = Console(stderr=True, highlight=False, markup=False)
        self._total: int | None = None
        self._frames: float = 0
        self._started = self._shown = time.monotonic()

    def message(self, level: Level, text: str) -> None:
        """Say one sentence; `info` is left out with -q."""
        if level == "warning":
            self._print(f"warning: {one_line(text)}", "yellow")
        elif not self._options.quiet:
            self._print(one_line(text))

    def start(self, total_frames: int | None, title: str) -> None:
        """Begin to count."""
        self._total, self._frames = total_frames, 0
        self._started = self._shown = time.monotonic()
        if self._lines:
            self._print(f"{one_line(title)}: {_count(total_frames, self._unit)}")

    def advance(self, frames: float) -> None:
        """Count, and write a line when some seconds have passed."""
        self._frames += frames
        self.tick()

    def tick(self, note: str = "") -> None:
        """Write a line of progress, with a note at its end, when some seconds have passed since the last."""
        now = time.monotonic()
        if self._lines and now - self._shown >= LINE_SECONDS:
            self._shown = now
            self._print(self._progress_line() + (f", {note}" if note else ""))

    def done(self, summary: Mapping[str, object]) -> None:
        """Say what was made and how fast."""
        if not self._options.quiet:
            self._print(_summary_line(summary))

    def _progress_line(self) -> str:
        speed, left = self._speed()
        count = int(self._frames)
        parts = [
            f"{count} of {_count(self._total, self._unit)}" if self._total is not None else _count(count, self._unit)
        ]
        if self._unit == "frame":
            parts.append(f"{speed:.1f} fps")
        if left is not None:
            parts.append(f"{_clock(left)} left")
        return ", ".join(parts)

    def _speed(self) -> tuple[float, float | None]:
        """Frames a second so far, and seconds left where the total is known."""
        speed = self._frames / max(time.monotonic() - self._started, 1e-6)
        left = (self._total - self._frames) / speed if self._total and self._frames else None
        return speed, None if left is None else max(left, 0.0)

    def _print(self, text: str, style: str = "") -> None:
        # Words are kept whole on a terminal; elsewhere a sentence is a line.
        self._console.print(text, style=style, soft_wrap=not self._console.is_terminal)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing is held here."""


class EventReporter(LineReporter):
    """The same as events on stdout: `message`, `start`, `progress`, `done`."""

    def message(self, level: Level, text: str) -> None:
        """Emit the sentence."""
        if level == "warning" or not self._options.quiet:
            emit("message", level=level, text=text)

    def start(self, total_frames: int | None, title: str) -> None:
        """Emit the beginning."""
        self._total, self._frames = total_frames, 0
        self._started = self._shown = time.monotonic()
        emit("start", total_frames=total_frames, title=title)

    def advance(self, frames: float) -> None:
        """Emit progress, at most twice a second."""
        self._frames += frames
        now = time.monotonic()
        if self._lines and now - self._shown >= EVENT_SECONDS:
            self._shown = now
            speed, left = self._speed()
            rounded = None if left is None else round(left, 1)
            emit(
                "progress",
                frames=self._frames,
                total_frames=self._total,
                fps=round(speed, 2),
                seconds_left=rounded,
            )

    def done(self, summary: Mapping[str, object]) -> None:
        """Emit the summary."""
        emit("done", **summary)


def _count(number: int | None, unit: str = "frame") -> str:
    if number is None:
        return f"an unknown number of {unit}s"
    return f"1 {unit}" if number == 1 else f"{number} {unit}s"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _summary_line(summary: Mapping[str, object]) -> str:
    frames, seconds = summary.get("frames"), summary.get("seconds")
    line = str(summary.get("output", "done"))
    if line == "-":
        line = "standard output"
    if isinstance(frames, int):
        line += f": {_count(frames)}"
        if isinstance(seconds, (int, float)) and seconds > 0:
            line += f" in {seconds:.1f} s, {frames / seconds:.1f} fps"
    return one_line(line)


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
