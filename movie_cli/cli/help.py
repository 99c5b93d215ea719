"""How help looks: options grouped by theme, commands by purpose, examples at the end."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from movie_cli.cli.settings import GENERAL, ThemedOption, defaults_for
from movie_cli.cli.unquoted import too_many

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
