"""`hotdog-ft completion`: what a shell needs to complete commands, options and their values."""

from __future__ import annotations

import click

from hotdog_ft.cli.options import common_options

VARIABLE = "_HOTDOG_FT_COMPLETE"
"""By which Click's scripts ask for completions."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="bash|zsh|fish")
@common_options
def completion(shell: str) -> None:
    """Print what a shell needs to complete commands, options, networks and files.

    For bash, put `eval "$(hotdog-ft completion bash)"` into ~/.bashrc; for zsh, the same with zsh into ~/.zshrc, behind
    compinit; for fish, `hotdog-ft completion fish | source` into ~/.config/fish/config.fish. hotdog-ft must be on the
    PATH.
    """
    from click.shell_completion import get_completion_class

    from hotdog_ft.cli import cli

    kind = get_completion_class(shell)
    assert kind
    click.echo(kind(cli, {}, "hotdog-ft", VARIABLE).source())
