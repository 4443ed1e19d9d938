"""`hotdog-ft scratch`: the same network from random values, for comparison."""

from __future__ import annotations

from typing import Any

import click

from hotdog_ft.cli.options import common_options, resume_option, training_options
from hotdog_ft.cli.train import run_training
from hotdog_ft.config import SCRATCH_DEFAULTS


@click.command()
@training_options(SCRATCH_DEFAULTS)
@resume_option
@common_options
def scratch(**values: Any) -> None:
    """Train the same network from random values, for comparison.

    All layers start from Xavier's random values and learn equally fast, at a larger learning rate.
    """
    run_training("scratch", values, SCRATCH_DEFAULTS)
