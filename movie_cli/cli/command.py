"""What all commands are: their help, where their defaults come from, and what is said of words that lack quotes.

Help has options grouped by theme, commands by purpose, and examples at the end. Defaults come from the environment and
the settings file: flag > `MOVIE_*` > `config.toml`; every value is checked as if it had been typed, a complaint names
the variable or the file it comes from, and a misspelt key is told of with the nearest one. Which options may be set is
marked at the options themselves; one file serves all commands, and each takes what it has an option for.
"""

from __future__ import annotations

import difflib
import inspect
import os
import re
import shlex
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from movie_cli.errors import UsageError, did_you_mean
from movie_cli.files import config_file
from movie_cli.presets import TABLE

PREFIX = "MOVIE_"
GENERAL = "General"
_OTHER_VARIABLES = frozenset({"MOVIE_HOME", "MOVIE_DEBUG"})


class ThemedOption(click.Option):
    """An option with the heading it stands under. `setting` says that environment and settings file may set it."""

    def __init__(self, *names: Any, theme: str = GENERAL, setting: bool = False, **rest: Any) -> None:
        super().__init__(*names, **rest)
        self.theme = theme
        self.setting = setting


def defaults_for(command: click.Command, program: click.Command) -> dict[str, Any]:
    """The values that the settings give to the options of `command` of `program`, by parameter name.

    Raises:
        UsageError: the settings file cannot be read, has an unknown key, or some value is wrong.
    """
    options = _settable(command)
    defaults = _from_file(config_file(), options, program)
    for name, option in options.items():
        variable = PREFIX + name.upper()
        if os.environ.get(variable, ""):
            defaults[name] = _convert(option, os.environ[variable], variable)
    _warn_of_misspelt(program)
    return defaults


def _settable(command: click.Command) -> dict[str, ThemedOption]:
    return {
        option.name: option
        for option in command.params
        if isinstance(option, ThemedOption) and option.setting and option.name
    }


def _from_file(path: Path, options: Mapping[str, ThemedOption], program: click.Command) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"the settings file {path} cannot be read: {error}", "correct it or move it away") from error
    defaults = {}
    for key, value in values.items():
        name = key.replace("-", "_")
        if key == TABLE:
            continue  # see `movie_cli.looks`
        if name not in options:
            known = _of_all_commands(program)
            if name not in known:
                raise UsageError(f"{path}: there is no setting {key}", _nearest(key, known))
            continue
        if isinstance(value, bool):
            value = str(value).lower()  # noqa: PLW2901  (one spelling for what TOML and the environment say)
        elif not isinstance(value, (str, int, float)):
            raise UsageError(f"{path}: {key} is neither text, number nor true or false", f'write {key} = "..."')
        defaults[name] = _convert(options[name], str(value), f"{path}: {key}")
    return defaults


def _of_all_commands(program: click.Command) -> set[str]:
    """The names of all settings of the program."""
    found: set[str] = set()
    waiting: list[click.Command] = [program]
    while waiting:
        command = waiting.pop()
        found |= _settable(command).keys()
        waiting += command.commands.values() if isinstance(command, click.Group) else []
    return found


def _nearest(key: str, known: Iterable[str]) -> str:
    names = [name.replace("_", "-") for name in known]
    return did_you_mean(key.replace("_", "-"), names, f"there are {', '.join(sorted(names))}")


def _convert(option: ThemedOption, text: str, origin: str) -> Any:
    kind = click.BOOL if option.is_flag else option.type
    try:
        return kind.convert(text, option, None)
    except click.BadParameter as error:
        raise UsageError(f"{origin}: {error.message}", f"it sets {option.opts[0]}") from error


def _warn_of_misspelt(program: click.Command) -> None:
    """Variables with our prefix may be another program's, so only near misses are told of."""
    ours = [variable for variable in sorted(os.environ) if variable.startswith(PREFIX)]
    known = {PREFIX + name.upper() for name in _of_all_commands(program)} | _OTHER_VARIABLES if ours else set()
    for variable in ours:
        if variable not in known:
            near = difflib.get_close_matches(variable, known, n=1, cutoff=0.85)
            if near:
                click.echo(f"warning: {variable} is not a setting; did you mean {near[0]}?", err=True)


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

NAME_COLUMNS = 30
"""Longer option names put their text on the next line."""


def themed(theme: str) -> Callable[..., Decorator]:
    """`click.option` for one theme; these may be set by the environment and the settings file unless told otherwise."""

    def option(*names: str, setting: bool = True, **rest: Any) -> Decorator:
        return click.option(*names, cls=ThemedOption, theme=theme, setting=setting, **rest)

    return option


def with_options(function: Callable[..., Any], options: Sequence[Decorator]) -> Callable[..., Any]:
    """Give a command's function its options, in the order of the help."""
    for option in reversed(options):
        function = option(function)
    return function


class Command(click.Command):
    """A command whose help groups the options and ends with examples, and whose defaults come from the settings."""

    def __init__(self, *names: Any, examples: Sequence[str] = (), **rest: Any) -> None:
        super().__init__(*names, **rest)
        # Of its own: click keeps the help option that a command was first asked for, with or without a parent.
        self.context_settings.setdefault("help_option_names", ["-h", "--help"])
        self.examples = examples

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Let environment and settings file fill in what the command line leaves open."""
        # Help must come up whatever the settings file holds.
        if any(isinstance(param, ThemedOption) and param.setting for param in self.params) and not _asks_help(args):
            program = self if parent is None else parent.find_root().command
            extra["default_map"] = defaults_for(self, program)
        return super().make_context(info_name, args, parent, **extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Tell an instruction without quotes from words too many.

        Raises:
            UsageError: it has no quotes, or the shell has made many names of one.
        """
        names = [param.name for param in self.get_params(ctx) if isinstance(param, click.Argument)]
        if names[1:] == ["instruction"] and not (ctx.resilient_parsing or _asks_help(args)):
            given, beyond, _ = self.make_parser(ctx).parse_args(args=list(args))
            if beyond:
                words = [str(given[name]) for name in names if name is not None]
                raise too_many(ctx.command_path, args, [*words, *beyond])
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Arguments first, as people type them."""
        pieces = super().collect_usage_pieces(ctx)
        return pieces[1:] + pieces[:1] if self.options_metavar else pieces

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section a theme, in the order in which the themes first appear, the general one last."""
        themes: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                themes.setdefault(getattr(param, "theme", GENERAL), []).append(record)
        themes[GENERAL] = themes.pop(GENERAL, [])
        column = min(max(len(name) for records in themes.values() for name, _ in records), NAME_COLUMNS)
        for theme, records in themes.items():
            with formatter.section(theme):
                formatter.write_dl([(name.ljust(column), text) for name, text in records], col_max=NAME_COLUMNS + 2)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples as they are typed, never wrapped."""
        write_examples(formatter, self.examples)


class Group(click.Group):
    """A group of commands; with `sections` (heading to names) the list is grouped."""

    def __init__(
        self,
        *names: Any,
        sections: Mapping[str, Sequence[str]] | None = None,
        examples: Sequence[str] = (),
        **rest: Any,
    ) -> None:
        rest = {"options_metavar": "", "subcommand_metavar": "COMMAND ..."} | rest
        super().__init__(*names, **rest)
        self.sections = sections
        self.examples = examples

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write examples and commands before the few options, as people look for them first."""
        write_examples(formatter, self.examples)
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, section by section."""
        sections = self.sections or {"Commands": self.list_commands(ctx)}
        width = max(len(name) for names in sections.values() for name in names)
        for heading, names in sections.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), self.commands[name].get_short_help_str(100)) for name in names])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or name the nearest one.

        Raises:
            click.UsageError: there is no such command.
        """
        name = str(args[0])
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            raise UnknownCommand(name, near[0] if near else "", ctx)
        return super().resolve_command(ctx, args)


class UnknownCommand(click.UsageError):
    """There is no command of this name; `near` is one that was perhaps meant."""

    def __init__(self, name: str, near: str, ctx: click.Context) -> None:
        super().__init__(f"there is no command {name}", ctx)
        self.near = near


def write_examples(formatter: click.HelpFormatter, examples: Sequence[str]) -> None:
    """Write a section of command lines."""
    if examples:
        with formatter.section("Examples"):
            for example in examples:
                formatter.write(" " * formatter.current_indent + inspect.cleandoc(example) + "\n")


def _asks_help(args: Sequence[str]) -> bool:
    before = args[: args.index("--")] if "--" in args else args
    return "-h" in before or "--help" in before


_NUMBERED = re.compile(r"(.*?)(\d+)(\.(?:png|jpe?g|webp|tiff?|bmp))", re.IGNORECASE | re.DOTALL)
_SPECIAL = re.compile(r'["$`\\!]')


def too_many(command: str, typed: Sequence[str], words: Sequence[str]) -> UsageError:
    """What to say of a command line with more words than a source and an instruction.

    `command` is the command as it is typed, `typed` all that follows it, `words` what is no option or one's value.
    """
    rest = list(typed)
    for word in words:
        rest.remove(word)
    pattern, count = _pattern_of(words)
    source, said = (pattern, words[count:]) if count else (words[0], words[1:])
    line = " ".join(
        [command, shlex.quote(source) if not count else f'"{source}"', _quoted(" ".join(said)), *rest_of(rest)]
    )
    if count:
        return UsageError(
            f"{words[0]} and {count - 1} more pictures are one source", f"name them by their pattern: {line}"
        )
    return UsageError(f"the instruction is {len(said)} words without quotes", f"put it in quotes: {line}")


def rest_of(typed: Sequence[str]) -> list[str]:
    """What else was typed, without what only ends the options."""
    return [shlex.quote(word) for word in typed if word != "--"]


def _quoted(text: str) -> str:
    return shlex.quote(text) if _SPECIAL.search(text) else f'"{text or "INSTRUCTION"}"'


def _pattern_of(words: Sequence[str]) -> tuple[str, int]:
    """The pattern of the numbered pictures that the words begin with, and how many these are; 0 where they are none."""
    first = _NUMBERED.fullmatch(words[0])
    if first is None:
        return "", 0
    digits = []
    for word in words:
        found = _NUMBERED.fullmatch(word)
        if found is None or (found[1], found[3]) != (first[1], first[3]):
            break
        digits.append(found[2])
    widths = {len(each) for each in digits}
    place = f"%0{widths.pop()}d" if len(widths) == 1 and len(digits[0]) > 1 else "%d"
    return (first[1].replace("%", "%%") + place + first[3], len(digits)) if len(digits) > 1 else ("", 0)
