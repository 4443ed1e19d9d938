"""`hotdog-ft data`: data sets in the cache."""

from __future__ import annotations

import click

from hotdog_ft.cli.options import common_options, progress


@click.group()
def data() -> None:
    """Fetch a data set ahead of time."""


@data.command()
@click.argument("name", type=click.Choice(["hotdog", "demo"]), default="hotdog")
@common_options
def fetch(name: str) -> None:
    """Bring a data set into the cache, for a machine that goes offline. Prints its folder."""
    from hotdog_ft.data.sources import local_folder

    click.echo(local_folder(name, progress()))
