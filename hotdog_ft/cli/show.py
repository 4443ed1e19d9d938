"""`hotdog-ft show`: a look at the data set."""

from __future__ import annotations

import click

from hotdog_ft.cli.options import common_options, progress
from hotdog_ft.cli.words import WORDS
from hotdog_ft.config import TrainConfig


@click.command()
@click.option(
    "--data",
    envvar="HOTDOG_FT_DATA",
    default="hotdog",
    show_default=True,
    type=WORDS,
    metavar="hotdog|demo|DIR|ZIP",
    help="The photos to look at.",
)
@click.option("--augmented", is_flag=True, help="Show what training sees: random parts, half of them mirrored.")
@click.option(
    "--model",
    envvar="HOTDOG_FT_MODEL",
    default=TrainConfig.model,
    show_default=True,
    metavar="NAME",
    help="The network, for --augmented.",
)
@click.option(
    "--seed",
    envvar="HOTDOG_FT_SEED",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of what is random in --augmented.",
)
@click.option("--out", type=WORDS, default="show.png", show_default=True, metavar="FILE", help="The picture to write.")
@common_options
def show(data: str, augmented: bool, model: str, seed: int, out: str) -> None:
    """Draw the first 8 photos of the first class and the last 8 of the second."""
    from hotdog_ft.recipes.show import show_photos

    click.echo(show_photos(data, out, augmented, model, seed, progress()))
