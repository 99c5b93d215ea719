"""The man page and the command reference, made from the help.

    python -m tools.manual man > docs/movie.1
    python -m tools.manual markdown > docs/commands.md

Promises that both say what `--help` says: nothing about a command is written here.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence

import click

import movie_cli
from movie_cli.cli.root import movie

EXIT_CODES = (
    (0, "done"),
    (1, "a failure of movie's own"),
    (2, "the command line cannot be meant"),
    (3, "the source cannot be read"),
    (4, "the model is missing or damaged"),
    (5, "the device is missing or out of memory"),
    (6, "some jobs of a batch failed"),
    (7, "the output cannot be written"),
    (130, "interrupted"),
)
VARIABLES = (
    ("MOVIE_HOME", "folder of settings, models and cached latents, in place of the platform's own"),
    ("MOVIE_DEBUG", "1 shows tracebacks"),
    ("MOVIE_TEXT_SCALE and so on", "defaults of the options that config.toml may also set"),
    ("HF_HUB_OFFLINE", "1 fetches nothing"),
    ("NO_COLOR", "switches colour off"),
)
WIDTH = 100


def commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command with its full name and a context to ask for help, groups before what is in them."""

    def below(
        name: str, command: click.Command, parent: click.Context | None
    ) -> Iterator[tuple[str, click.Command, click.Context]]:
        context = click.Context(
            command,
            parent=parent,
            info_name=name.rsplit(maxsplit=1)[-1],
            max_content_width=WIDTH,
            terminal_width=WIDTH,
            help_option_names=["-h", "--help"],
        )
        yield name, command, context
        if isinstance(command, click.Group):
            for child in command.list_commands(context):
                found = command.get_command(context, child)
                assert found is not None
                yield from below(f"{name} {child}", found, context)

    yield from below("movie", movie, None)


def to_markdown() -> str:
    """The reference: each command's help, as it is shown 100 columns wide."""
    lines = ["# Commands", "", "Made by `python -m tools.manual markdown > docs/commands.md`.", ""]
    for name, command, context in commands():
        lines += [f"## {name}", "", "```", command.get_help(context).rstrip(), "```", ""]
    lines += ["## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES]
    lines += ["", "## Environment", "", "| variable | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in VARIABLES]
    return "\n".join(lines) + "\n"


def to_man() -> str:
    """The man page, in the macros of man(7)."""
    page = [f'.TH MOVIE 1 "" "movie {movie_cli.__version__}" "User Commands"', ".SH NAME"]
    page += [f"movie \\- {_roff(_first_sentence(movie))}", ".SH SYNOPSIS", ".B movie", r"\fICOMMAND\fR ..."]
    page += [".SH DESCRIPTION", *_paragraphs(movie), ".SH COMMANDS"]
    for name, command, context in commands():
        if isinstance(command, click.Group):
            if command is not movie:
                page += [f".SS {_roff(name)}", *_paragraphs(command)]
            continue
        usage = " ".join(command.collect_usage_pieces(context))
        page += [f".SS {_roff(f'{name} {usage}')}", *_paragraphs(command)]
        for param in command.get_params(context):
            record = param.get_help_record(context)
            if record is not None and isinstance(param, click.Option):
                page += [".TP", rf"\fB{_roff(record[0])}\fR", _roff(record[1])]
        page += _examples(getattr(command, "examples", ()))
    page += [".SH EXIT STATUS"]
    for code, meaning in EXIT_CODES:
        page += [".TP", rf"\fB{code}\fR", _roff(meaning)]
    page += [".SH ENVIRONMENT"]
    for variable, meaning in VARIABLES:
        page += [".TP", rf"\fB{_roff(variable)}\fR", _roff(meaning)]
    page += [".SH FILES", ".TP", r"\fI~/.config/movie/config.toml\fR", _roff("settings and presets")]
    return "\n".join(page) + "\n"


def _paragraphs(command: click.Command) -> list[str]:
    text = inspect.cleandoc(command.help or "")
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    return [line for paragraph in paragraphs for line in (".PP", _roff(paragraph))]


def _first_sentence(command: click.Command) -> str:
    return inspect.cleandoc(command.help or "").split("\n")[0].rstrip(".")


def _examples(examples: Sequence[str]) -> list[str]:
    if not examples:
        return []
    return [".PP", "Examples:", ".PP", ".nf", *(f".RS 4\n{_roff(example)}\n.RE" for example in examples), ".fi"]


def _roff(text: str) -> str:
    """Text in which nothing is taken for a request: backslashes, hyphens that are typed, a leading dot or quote."""
    plain = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{plain}" if plain.startswith((".", "'")) else plain


def main() -> int:
    """The command."""
    makers = {"man": to_man, "markdown": to_markdown}
    if len(sys.argv) != 2 or sys.argv[1] not in makers:
        sys.stderr.write("usage: python -m tools.manual man|markdown\n")
        return 2
    sys.stdout.write(makers[sys.argv[1]]())
    return 0


if __name__ == "__main__":
    sys.exit(main())
