"""Options that commands share, and those of training, which are built from TrainConfig's fields."""

from __future__ import annotations

import dataclasses
import logging
import sys
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hotdog_ft.cli.words import WORDS
from hotdog_ft.config import (
    LARGEST_AUTO,
    Help,
    TrainConfig,
    asks_for_auto,
    begun_with,
    check_goes_on,
    field_annotations,
    option_name,
)
from hotdog_ft.errors import ConfigError
from hotdog_ft.files import printable

if TYPE_CHECKING:
    from hotdog_ft.recipes.experiment import Point

log = logging.getLogger("hotdog_ft")

NOT_OF_SEVERAL = ("checkpoint_every", "kvstore", "scale_lr")
"""Training options that commands which train several times don't have: each training is one process's, and short."""

_METAVARS = {float: "NUMBER", int: "INTEGER", str: "TEXT"}


def common_options(command: Callable) -> Callable:
    """`--quiet` and `--debug`, of every command."""
    command = click.option(
        "--debug",
        envvar="HOTDOG_FT_DEBUG",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_set_debug,
        help="Show tracebacks.",
    )(command)
    return click.option(
        "--quiet",
        envvar="HOTDOG_FT_QUIET",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_set_quiet,
        help="Results and errors only: no progress, no warnings.",
    )(command)


def run_option(command: Callable) -> Callable:
    """`--run`, of the commands that use a model."""
    return click.option(
        "--run",
        "run_folder",
        envvar="HOTDOG_FT_RUN",
        default="runs/latest",
        show_default=True,
        type=WORDS,
        metavar="RUN",
        help="The run's folder, or a model folder.",
    )(command)


def computing_options(command: Callable) -> Callable:
    """`--batch-size`, `--workers` and `--devices`, of the commands that use a model."""
    command = click.option(
        "--devices",
        envvar="HOTDOG_FT_DEVICES",
        default="auto",
        show_default=True,
        type=WORDS,
        metavar="auto|cpu|gpu:I",
        help="What to compute on.",
    )(command)
    command = click.option(
        "--workers",
        envvar="HOTDOG_FT_WORKERS",
        type=click.IntRange(1),
        metavar="INTEGER",
        help="Threads that read photos.  [default: one a core]",
    )(command)
    return click.option(
        "--batch-size",
        envvar="HOTDOG_FT_BATCH_SIZE",
        type=click.IntRange(1),
        default=32,
        show_default=True,
        metavar="INTEGER",
        help="Photos computed at once.",
    )(command)


def unknown_option(command: Callable) -> Callable:
    """`--unknown-below`, of the commands that say what photos show."""
    return click.option(
        "--unknown-below",
        envvar="HOTDOG_FT_UNKNOWN_BELOW",
        type=float,
        default=0.0,
        callback=_check_unknown_below,
        metavar="P",
        help="Answer `unknown` where no class is as probable as this, as in 0.8.",
    )(command)


def _check_unknown_below(ctx: click.Context, param: click.Parameter, value: float) -> float:
    """Raises: ConfigError, for what is no probability."""
    if not 0 <= value <= 1:
        raise ConfigError(
            f"--unknown-below: should be from 0 to 1 (given: {value:g}).", hint="Give a probability, as in 0.8."
        )
    return value


def tta_option(command: Callable) -> Callable:
    """`--tta`, of the commands that answer."""
    return click.option(
        "--tta",
        envvar="HOTDOG_FT_TTA",
        type=click.Choice(["none", "flip"]),
        default="none",
        show_default=True,
        metavar="none|flip",
        help="Look at each photo's mirror image too, and answer by the mean of both.",
    )(command)


def training_options(defaults: Mapping[str, Any], without: tuple[str, ...] = ()) -> Callable[[Callable], Callable]:
    """`--config` and an option for each field of TrainConfig but `without`. defaults: this command's own, by field.

    Values stay text here: TrainConfig checks them, all at once and wherever they come from.
    """

    def add(command: Callable) -> Callable:
        for name, hint in reversed(field_annotations().items()):
            if name in without:
                continue
            command = _option(name, hint, {**TrainConfig().__dict__, **defaults}[name])(command)
        return click.option(
            "--config",
            type=WORDS,
            envvar="HOTDOG_FT_CONFIG",
            metavar="FILE",
            help="YAML with these settings, as in `batch_size: 32`; options win over it.",
        )(command)

    return add


def read_config(
    values: dict[str, Any],
    defaults: Mapping[str, Any],
    find_batch_size: Callable[[TrainConfig], int] | None = None,
) -> TrainConfig:
    """The checked configuration from the options that were given. Raises ConfigError, without waiting for MXNet.

    find_batch_size: what `--batch-size auto` stands for with these settings; without it auto is refused.
    """
    file = values.pop("config")
    given = {name: value for name, value in values.items() if value is not None}
    if find_batch_size is None or not asks_for_auto(given, file=file, defaults=defaults):
        return _checked(TrainConfig.from_sources(given, file=file, defaults=defaults))
    config = _checked(TrainConfig.from_sources({**given, "batch_size": LARGEST_AUTO}, file=file, defaults=defaults))
    return dataclasses.replace(config, batch_size=find_batch_size(config))


def _checked(config: TrainConfig) -> TrainConfig:
    """The configuration, if network, weights and data that it names are known. Raises: ConfigError."""
    from hotdog_ft.data.sources import check_exists as check_data
    from hotdog_ft.models.table import check_weights, find_network

    find_network(config.model)
    check_weights(config.weights)
    check_data(config.data)
    return config


def resume_option(command: Callable) -> Callable:
    """`--resume`, of the commands that train one network."""
    return click.option(
        "--resume",
        envvar="HOTDOG_FT_RESUME",
        type=WORDS,
        metavar="RUN",
        help="Go on with a run that was broken off, with the settings it has; --epochs may be more than before.",
    )(command)


def read_resumed(values: dict[str, Any], folder: Path) -> TrainConfig:
    """The checked configuration of a run to go on with. values: options, which must say the same as before.

    What `--batch-size auto` found then, it stands for now. Raises: ConfigError, RunError.
    """
    begun = begun_with(folder)
    config = read_config(values, dataclasses.asdict(begun), lambda _: begun.batch_size)
    if config.out and Path(config.out).resolve() != folder.resolve():
        raise ConfigError("--out: a run that is resumed stays where it is.", hint="Leave one of the two out.")
    check_goes_on(config, begun, folder)
    return config


def read_begun_or_new(
    values: dict[str, Any],
    defaults: Mapping[str, Any],
    find_batch_size: Callable[[TrainConfig], int] | None = None,
) -> tuple[TrainConfig, Path | None]:
    """The checked configuration of a training, and the folder of the run that it is to go on with, if any.

    values: of all options, `resume` among them. find_batch_size: as in read_config. Raises: ConfigError, RunError.
    """
    resume = values.pop("resume")
    if not resume:
        return read_config(values, defaults, find_batch_size), None
    return read_resumed(values, Path(resume)), Path(resume)


def seeds_option(default: int) -> Callable[[Callable], Callable]:
    """`--seeds`: how many times to train, each with a seed of its own."""
    return click.option(
        "--seeds",
        type=click.IntRange(1, 1000),
        default=default,
        show_default=True,
        help="Train this many times, with the seeds from --seed on.",
    )


def print_point(name: str, point: Point) -> None:
    """A line on stderr for a finished training, unless --quiet."""
    if log.getEffectiveLevel() >= logging.ERROR:
        return
    if point.diverged_at is not None:
        click.echo(f"{name}: diverged at epoch {point.diverged_at}", err=True)
    else:
        click.echo(f"{name}: {point.result.line()} ({point.seconds:.1f} s)", err=True)


def progress() -> Callable[..., Any] | None:
    """tqdm on a terminal, unless --quiet; else None."""
    if not sys.stderr.isatty() or log.getEffectiveLevel() >= logging.ERROR:
        return None
    from functools import partial

    from tqdm import tqdm

    return partial(tqdm, file=sys.stderr, leave=False, dynamic_ncols=True)


def _option(name: str, hint: Any, default: Any) -> Callable[[Callable], Callable]:
    """The click option of one field; None when it isn't given."""
    plain, *metadata = typing.get_args(hint)
    described = next(item for item in metadata if isinstance(item, Help))
    if plain is bool:
        flag = f"{option_name(name)}/--no-{name.replace('_', '-')}"
        return click.option(flag, name, default=None, help=described.text)
    types = [t for t in typing.get_args(plain) if t is not type(None)] if default is None else [plain]
    text = described.text if default is None else f"{described.text}  [default: {_shown(default)}]"
    if typing.get_origin(plain) is typing.Literal:
        metavar = "|".join(typing.get_args(plain))
    else:
        metavar = described.metavar or _METAVARS[types[0]]
    return click.option(option_name(name), name, type=WORDS, metavar=metavar, help=text)


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _set_debug(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        log.setLevel(logging.DEBUG)


def _set_quiet(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Also the place where warnings get their way to stderr, since every command has this option."""
    if not log.handlers:
        log.addHandler(_WarningHandler())
        log.propagate = False
    if value and log.level != logging.DEBUG:
        log.setLevel(logging.ERROR)
    elif log.level != logging.DEBUG:
        log.setLevel(logging.INFO)


class _WarningHandler(logging.Handler):
    """Log records as lines on stderr, above a progress bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm = sys.modules.get("tqdm")
        text = printable(f"{record.levelname.capitalize()}: {record.getMessage()}")
        if tqdm and sys.stderr.isatty():
            tqdm.tqdm.write(text, file=sys.stderr)
        else:
            click.echo(text, err=True)
