"""`hotdog-ft train`: fine-tune a pretrained network on a folder of photos."""

from __future__ import annotations

import os
import re
import signal
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from hotdog_ft.cli import drop_stdout
from hotdog_ft.cli.interrupts import stop_when_saved
from hotdog_ft.cli.options import (
    common_options,
    log,
    progress,
    read_begun_or_new,
    read_config,
    resume_option,
    training_options,
)
from hotdog_ft.config import TrainConfig
from hotdog_ft.errors import ConfigError, InterruptedRunError

if TYPE_CHECKING:
    from hotdog_ft.training import EpochResult

DEFAULTS: dict[str, Any] = {}


def _parse_time(context: click.Context, param: click.Parameter, text: str | None) -> float | None:
    """`90s`, `5m`, `1h30m` in seconds."""
    if text is None:
        return None
    number = r"(\d+(?:\.\d+)?)"
    parts = re.fullmatch(f"(?:{number}h)?(?:{number}m)?(?:{number}s)?", text.strip())
    seconds = sum(float(value or 0) * unit for value, unit in zip(parts.groups(), (3600, 60, 1))) if parts else 0
    if not seconds:
        raise click.BadParameter(f"{text!r} is no time such as 90s, 5m or 1h30m")
    return seconds


@click.command()
@training_options(DEFAULTS)
@click.option(
    "--budget",
    envvar="HOTDOG_FT_BUDGET",
    callback=_parse_time,
    metavar="TIME",
    help="Choose network (unless --model names it), method and epochs to fit into a time, as in 90s, 5m or 1h30m.",
)
@resume_option
@common_options
def train(budget: float | None, **values: Any) -> None:
    """Fine-tune a pretrained network on a data set.

    Without options this is the book's recipe: ResNet-18 with ImageNet weights on the hot dog data set, 5 epochs of
    stochastic gradient descent, the output layer learning ten times faster than the rest.
    """
    if budget and values["resume"]:
        raise ConfigError("--budget: a run that is resumed has its plan.", hint="Leave one of the two out.")
    run_training("train", values, _fit(budget, values) if budget else DEFAULTS)


def _fit(budget: float, values: dict[str, Any]) -> dict[str, Any]:
    """What to train with, other than told, to fit into so many seconds."""
    config = read_config(dict(values), DEFAULTS, _found_later)

    from hotdog_ft.recipes.budget import check_left_open, plan_within

    model = None if config.model == TrainConfig().model and values["model"] is None else config.model
    plan = plan_within(budget, config, model, progress())
    check_left_open(read_config(dict(values), plan.settings, _found_later), plan)
    log.info("%s", plan.describe())
    return plan.settings


def _found_later(config: TrainConfig) -> int:
    """For --batch-size auto, while the rest of the settings is being chosen."""
    return config.batch_size


def run_training(command: str, values: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Train as told, print a line an epoch, close with the book's two lines.

    As MXNet's parameter server, or its scheduler, serve instead.
    """
    if os.environ.get("DMLC_ROLE") in ("server", "scheduler"):
        serve_parameters()

    def find_batch_size(config: TrainConfig) -> int:
        _check(command, config)

        from hotdog_ft.recipes.batch_size import find_batch_size as find

        return find(config, progress())

    config, resume = read_begun_or_new(values, defaults, find_batch_size)
    _check(command, config)

    from hotdog_ft.recipes.fine_tune import fine_tune
    from hotdog_ft.training import StopRequest, join

    group = join(config.kvstore)
    first = group.rank == 0
    stop = StopRequest(alone=group.size == 1)
    with stop_when_saved(stop):
        try:
            run = fine_tune(
                config,
                command,
                on_epoch=_print_epoch if first else None,
                progress=progress() if first else None,
                check=first,
                resume=resume,
                stop=stop,
                group=group,
            )
        except InterruptedRunError as error:
            if first:
                raise
            raise click.exceptions.Exit(error.exit_status) from error  # the first one tells
    if first:
        click.echo(f"The run is in {run.folder}.", err=True)
        click.echo(run.summary())


def _check(command: str, config: TrainConfig) -> None:
    """Raise ConfigError for settings that contradict the command, or one another."""
    if command == "scratch" and config.weights != "none":
        raise ConfigError(
            f"--weights: scratch starts from random values, not from {config.weights}.",
            hint="Leave weights out, in a --config file too, or use `hotdog-ft train`.",
        )
    if command == "scratch" and config.method != "finetune":
        raise ConfigError(
            f"--method: {config.method} starts from pretrained layers, and scratch has none.",
            hint="Leave it out, or use `hotdog-ft train`.",
        )
    if config.weights == "none" and config.output_init == "imagenet":
        raise ConfigError(
            "--output-init: random values have none of ImageNet's rows.",
            hint="Leave it out, or use `hotdog-ft train` with --weights imagenet.",
        )


def serve_parameters() -> NoReturn:
    """Be what DMLC_ROLE says until the workers have finished; importing MXNet is all that it takes."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # Python's own handlers wait for MXNet, which doesn't return

    import hotdog_ft.backend  # noqa: F401

    sys.exit()


def _print_epoch(result: EpochResult) -> None:
    """A line for an epoch. That nobody reads it any more (`| head`) is no reason to stop training."""
    try:
        click.echo(f"epoch {result.epoch}: {result.line()} ({result.seconds:.1f} s)")
    except BrokenPipeError:
        drop_stdout()
