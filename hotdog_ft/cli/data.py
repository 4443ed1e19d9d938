"""`hotdog-ft data`: data sets in the cache."""

from __future__ import annotations

import click

from hotdog_ft.cli.options import common_options, progress


@click.group(invoke_without_command=True)
@click.pass_context
def data(context: click.Context) -> None:
    """Fetch a data set ahead of time."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@data.command()
@click.argument("name", type=click.Choice(["hotdog", "demo"]), default="hotdog", metavar="[hotdog|demo]")
@common_options
def fetch(name: str) -> None:
    """Bring a data set into the cache, for a machine that goes offline. Prints its folder."""
    from hotdog_ft.data.sources import local_folder

    click.echo(local_folder(name, progress()))
