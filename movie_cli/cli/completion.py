"""`movie completion SHELL`: what a shell needs to complete commands, options and files."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from movie_cli.cli.errors import COMPLETION
from movie_cli.cli.help import Command

SHELLS = ("bash", "zsh", "fish")
EXAMPLES = (
    'eval "$(movie completion bash)"            # in ~/.bashrc',
    'eval "$(movie completion zsh)"             # in ~/.zshrc, after compinit',
    "movie completion fish > ~/.config/fish/completions/movie.fish",
)


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("shell", metavar="|".join(SHELLS), type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, /, shell: str) -> None:
    """Print the completion script of a shell."""
    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(ctx.find_root().command, {}, "movie", COMPLETION).source()
    click.echo(script)
