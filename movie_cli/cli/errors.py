"""From exceptions to what a person reads and a script gets: one line, a hint, an exit code.

Promises no traceback without `MOVIE_DEBUG=1`, and exit codes as documented: 0 done, 1 failure of ours, 2 usage,
3 source, 4 model, 5 device, 6 some jobs of a batch, 7 output, 130 interrupted. A reader that closes our pipe ends the
program quietly with 141, what the shell shows for other programs that end so.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import json
import os
import re
import shutil
import signal
import sys
import textwrap
import threading
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Any

import click

from movie_cli.cli.command import UnknownCommand
from movie_cli.errors import InterruptedEdit, MovieError, OutputError, UsageError, known_error

BROKEN_PIPE = 141
COMPLETION = "_MOVIE_COMPLETE"
"""The variable by which shells ask click for completions."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def run(command: click.Command, arguments: Sequence[str] | None = None) -> int:
    """Run `command` and return the exit code; errors are told on stderr, with `--json` also as an event on stdout."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    _prepare()
    try:
        if COMPLETION in os.environ:
            command.main(args=arguments, prog_name="movie", complete_var=COMPLETION)
        # Not `command.main`, which would print and exit by its own rules on an interrupt and on a broken pipe.
        with command.make_context("movie", arguments) as context:
            command.invoke(context)
        _flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except BrokenPipeError:
        _silence_stdout()
        return BROKEN_PIPE
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    except (Exception, KeyboardInterrupt) as error:
        told = translate(error)
        if os.environ.get("MOVIE_DEBUG") == "1":
            traceback.print_exception(error, file=sys.stderr)
        _tell(told, as_event=_wants_json(arguments))
        return told.exit_code
    return 0


def translate(error: BaseException) -> MovieError:
    """The error as a person should hear of it."""
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return InterruptedEdit("interrupted", "the same command starts again from the beginning")
    if isinstance(error, click.ClickException):
        return _usage(error)
    return known_error(error)


def _usage(error: click.ClickException) -> UsageError:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "movie"
    hint = f"`{path} --help` tells what it takes"
    message = error.format_message().rstrip(".")
    param = getattr(error, "param", None)
    if isinstance(error, click.NoSuchOption):
        message = f"there is no option {error.option_name}"
        known = {name.lstrip("-"): name for name in error.possibilities or ()}
        near = difflib.get_close_matches(error.option_name.lstrip("-"), known, n=1)
        hint = f"did you mean {known[near[0]]}?" if near else hint
    elif isinstance(error, click.MissingParameter) and param is not None:
        message = f"{param.opts[0] if isinstance(param, click.Option) else param.metavar} is missing"
        if param.name == "output":
            hint = "say where the edited video goes, for example -o out.mp4"
    elif isinstance(error, click.BadParameter) and param is not None:
        message = f"{'/'.join(param.opts)}: {error.message.rstrip('.')}"
        if param.default not in (None, (), False) and isinstance(param.default, (str, int, float)):
            hint = f"leave it out for the default, {param.default}"
    elif isinstance(error, UnknownCommand) and error.near:
        hint = f"did you mean {path} {error.near}?"
    if message[1:2].islower():
        message = message[0].lower() + message[1:]
    return UsageError(message, hint)


def _tell(error: MovieError, as_event: bool) -> None:
    message, hint = one_line(str(error)), one_line(error.hint)
    with contextlib.suppress(OSError, ValueError):  # nobody listens any more: the exit code still tells
        if as_event and not isinstance(sys.stdout, _Closed):
            event = {"type": "error", "message": message, "hint": hint, "exit_code": error.exit_code}
            click.echo(json.dumps(event))
        if isinstance(error, InterruptedEdit) and sys.stderr.isatty():
            click.echo(err=True)  # the terminal has just written ^C
        # Without NO_COLOR and on a terminal only: click strips the colour elsewhere.
        colour = None if "NO_COLOR" not in os.environ else False
        click.secho("error: ", fg="red", bold=True, nl=False, err=True, color=colour)
        click.echo(_wrapped(message, len("error: ")), err=True)
        if hint:
            click.secho("hint: ", fg="cyan", nl=False, err=True, color=colour)
            click.echo(_wrapped(hint, len("hint: ")), err=True)


def _wrapped(text: str, before: int) -> str:
    """The text for a line that begins with so many letters: on a terminal its words stay whole, else it is one line."""
    if not sys.stderr.isatty():
        return text
    width = max(20, shutil.get_terminal_size().columns)
    spaces = " " * before
    return textwrap.fill(
        text, width, initial_indent=spaces, break_long_words=False, break_on_hyphens=False
    ).removeprefix(spaces)


def one_line(text: str) -> str:
    """The text without line breaks and control characters, which file names and libraries' messages may hold."""
    return _CONTROL.sub(" ", text).strip()


def _wants_json(arguments: Sequence[str]) -> bool:
    # Looked up in what was typed: a command line that could not be parsed has no parsed options.
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return "--json" in arguments[:end]


def _prepare() -> None:
    """Make the streams able to print any file name, and let a termination clean up as Ctrl-C does."""
    _occupy_descriptors()
    if sys.stdout is None:
        sys.stdout = _Closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if threading.current_thread() is not threading.main_thread():
        return
    for name in ("SIGTERM", "SIGHUP"):
        number: Any = getattr(signal, name, None)
        # An ignored SIGHUP is nohup's wish.
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _interrupt)


def _occupy_descriptors() -> None:
    """Give closed standard streams to the null device, so that no file opened later takes their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


class _Closed(io.TextIOBase):
    """Standard output that was closed before the program began."""

    def write(self, text: str, /) -> int:
        """Refuse.

        Raises:
            OutputError: always.
        """
        raise OutputError("standard output is closed", "send it to a file or a pipe: > FILE")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _flush() -> None:
    sys.stdout.flush()


def _silence_stdout() -> None:
    """Keep the interpreter from complaining when it flushes the broken pipe at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
