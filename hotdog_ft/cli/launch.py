"""`hotdog-ft launch`: one training in several processes on this machine."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType

import click

from hotdog_ft.cli import cli
from hotdog_ft.cli.interrupts import handled
from hotdog_ft.cli.options import common_options, read_begun_or_new
from hotdog_ft.config import SCRATCH_DEFAULTS, vacant_run_folder
from hotdog_ft.errors import ConfigError, LaunchError

TRAINING = ("train", "scratch")


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option(
    "-n",
    "--processes",
    type=click.IntRange(1, 256),
    required=True,
    help="How many train together, each on its part of every batch.",
)
@click.option(
    "--servers",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Parameter servers, which add up the gradients.",
)
@click.option(
    "--restarts",
    type=click.IntRange(0, 10_000),
    default=0,
    show_default=True,
    help="When a process dies, go on from the last checkpoint, so many times.",
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="train|scratch [OPTIONS]")
@common_options
def launch(processes: int, servers: int, restarts: int, command: tuple[str, ...]) -> None:
    """Train in several processes on this machine.

    They share each batch, and exchange gradients by MXNet's parameter server: the result is that of one process, but
    for BatchNorm, which sees parts of a batch. If one dies, all are ended, and it is named. Over several machines, see
    docs/scaling.md.

        hotdog-ft launch -n 2 --restarts 3 train --data photos
    """
    if not command or command[0] not in TRAINING:
        raise click.UsageError(f"Say what to launch, {' or '.join(TRAINING)}, behind launch's own options.")
    name, *options = command
    folder = _folder_of(name, options)

    from hotdog_ft.recipes.launch import Launch

    job = Launch(name, [*options, "--out", str(folder)], folder, processes, servers, restarts)

    def ask(number: int, frame: FrameType | None) -> None:
        job.ask(number)

    with handled((signal.SIGINT, signal.SIGTERM), ask):
        try:
            job.run()
        except LaunchError as error:
            if error.exit_status in (128 + signal.SIGINT, 128 + signal.SIGTERM):
                raise click.exceptions.Exit(error.exit_status) from error  # the first worker has told
            raise


def _folder_of(name: str, options: list[str]) -> Path:
    """The run's folder, after checking the options as the workers will. Raises: ConfigError, RunError, UsageError."""
    context = click.get_current_context()
    command = cli.get_command(context, name)
    assert command
    values = dict(command.make_context(name, list(options), parent=context).params)
    if values.pop("budget", None):
        raise ConfigError("--budget: the time of several processes isn't known.", hint="Leave it out.")
    config, resume = read_begun_or_new(values, SCRATCH_DEFAULTS if name == "scratch" else {})
    if config.kvstore not in ("auto", "dist_sync"):
        raise ConfigError(
            f"--kvstore {config.kvstore}: launch starts MXNet's parameter server.",
            hint="Leave it out; for Horovod, use horovodrun in place of launch.",
        )
    return resume or (Path(config.out) if config.out else vacant_run_folder(name, config.model))
