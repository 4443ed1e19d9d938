"""`hotdog-ft scratch`: the same network from random values, for comparison."""

from __future__ import annotations

from typing import Any

import click

from hotdog_ft.cli.options import common_options, training_options
from hotdog_ft.cli.train import run_training

DEFAULTS: dict[str, Any] = {"weights": "none", "lr": 0.1, "output_lr_mult": 1.0}


@click.command()
@training_options(DEFAULTS)
@common_options
def scratch(**values: Any) -> None:
    """Train the same network from random values, for comparison.

    All layers start from Xavier's random values and learn equally fast, at a larger learning rate.
    """
    run_training("scratch", values, DEFAULTS)
