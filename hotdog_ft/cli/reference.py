"""The command line as Markdown, made from the commands: `python -m hotdog_ft.cli.reference > docs/cli.md`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from hotdog_ft.cli import cli

INTRODUCTION = """# The command line

Made from the commands themselves by `python -m hotdog_ft.cli.reference > docs/cli.md`; a test fails when it differs.

Training's settings come from, each winning over the one before: defaults, the file that `--config` names, the
environment (`HOTDOG_FT_LR`, `HOTDOG_FT_BATCH_SIZE`, …), and options. Results go to standard output, progress and
warnings to standard error. The exit status is 0; 1 when something failed, for `predict` if a photo could not be read;
2 for wrong usage or configuration; 130 when interrupted, 143 when terminated. An error is two lines, `Error:` with what
is wrong and `Hint:` with what to do.
"""


def reference() -> str:
    """docs/cli.md's content."""
    # As the program itself makes it: Click keeps the help option, -h and --help, that a command is first asked for.
    context = click.Context(cli, info_name="hotdog-ft", **cli.context_settings)
    sections = (section(context, command) for context, command in walk(context))
    return "\n".join([INTRODUCTION, *sections])


def walk(parent: click.Context) -> Iterator[tuple[click.Context, click.Command]]:
    """Every command that does something, with its context, subcommands instead of their group."""
    group = parent.command
    assert isinstance(group, click.Group)
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=parent)
        if isinstance(command, click.Group):
            yield from walk(context)
        else:
            yield context, command


def section(context: click.Context, command: click.Command) -> str:
    """One command: what it does, how it is called, its options."""
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    options = [param for param in command.params if isinstance(param, click.Option)]
    records = [record for option in options if (record := option.get_help_record(context))]
    rows = [f"| `{_cell(names)}` | {_plain(_cell(text))} |" for names, text in records]
    description = inspect.cleandoc(command.help or "")
    return "\n".join(
        [
            f"## {context.command_path}",
            "",
            description,
            "",
            f"    {usage}",
            "",
            "| option | meaning |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _plain(text: str) -> str:
    """Brackets would be the beginning of a link."""
    return text.replace("[", "\\[").replace("]", "\\]")


if __name__ == "__main__":
    click.echo(reference(), nl=False)
