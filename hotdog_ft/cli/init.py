"""`hotdog-ft init`: a configuration file to begin with."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from hotdog_ft.cli.options import common_options, read_config, training_options
from hotdog_ft.cli.words import WORDS
from hotdog_ft.config import TrainConfig


@click.command()
@click.argument("file", type=WORDS, default="hotdog-ft.yaml", metavar="[FILE]")
@training_options({}, without=("out",))
@common_options
def init(file: str, **values: Any) -> None:
    """Write a configuration file with every setting and what it means, for `train --config FILE`.

    What is given here as an option is set in it; everything else stands there as a comment. FILE is hotdog-ft.yaml
    unless named. Beside it goes a JSON Schema, by which editors that know YAML complete and check the settings.
    """
    given = {name for name, value in values.items() if value is not None and name != "config"}
    config = read_config(values, {})
    changed = {name for name, value in dataclasses.asdict(config).items() if value != getattr(TrainConfig(), name)}

    from hotdog_ft.recipes.init import write_config

    schema = write_config(Path(file), config, {"data", *given, *changed})
    click.echo(f"Written: {file}, and {schema.name} for editors.", err=True)
    click.echo(f"hotdog-ft train --config {file}")
