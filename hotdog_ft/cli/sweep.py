"""`hotdog-ft sweep`: what one setting does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hotdog_ft.cli.options import (
    NOT_OF_SEVERAL,
    common_options,
    print_point,
    progress,
    read_config,
    seeds_option,
    training_options,
)
from hotdog_ft.config import option_name
from hotdog_ft.errors import ConfigError

if TYPE_CHECKING:
    from hotdog_ft.recipes.sweep import Sweep, Value

DEFAULTS: dict[str, Any] = {"val_split": 0.2}
SWEPT = (
    *("lr", "output_lr_mult", "wd", "momentum", "label_smoothing", "mixup", "ema"),
    *("batch_size", "accumulate", "epochs", "image_size"),
)
"""What can be given several values."""


@click.command()
@training_options(DEFAULTS, without=NOT_OF_SEVERAL)
@seeds_option(1)
@common_options
def sweep(seeds: int, **values: Any) -> None:
    """Train once for each value of one option, as in --lr 0.001,0.01,0.1,1 and show what the option does.

    One of the options that take a number (but --seed, --workers and --val-split) takes several, with commas between
    them. Values are judged on a part of train/ (or the data's own val/): the test accuracy is shown, and
    chooses nothing. A training that diverges is a result. sweep.csv and sweep.png are in the folder. Run again with the
    same --out, more values or more --seeds, it goes on where it was, and trains nothing twice.
    """
    option, texts = _find_swept(values)
    configs = [read_config({**values, option: text}, DEFAULTS) for text in texts]
    if len({getattr(config, option) for config in configs}) < len(configs):
        raise ConfigError(f"{option_name(option)}: names a value twice.", hint="Use --seeds to train a value again.")

    from hotdog_ft.recipes.sweep import sweep as recipe

    result = recipe(configs, option, seeds, on_point=print_point, progress=progress())
    _print_table(result)
    click.echo(f"The picture: {result.folder / 'sweep.png'}", err=True)


def _find_swept(values: dict[str, Any]) -> tuple[str, list[str]]:
    """The option that was given a list, and the list. Raises: ConfigError."""
    lists = [name for name in SWEPT if "," in str(values[name] or "")]
    if len(lists) != 1:
        given = " and ".join(map(option_name, lists)) or "no option"
        raise ConfigError(
            f"{given}: one option with several values is needed.", hint="Give one a list, as in --lr 0.001,0.01,0.1,1."
        )
    return lists[0], [text.strip() for text in values[lists[0]].split(",") if text.strip()]


def _print_table(result: Sweep) -> None:
    """A line a value, what was best, and how it was judged."""
    click.echo(
        f"{result.option:>14}  {'val acc':>7}  {'95 % interval':14}  {'test acc':>8}  {'train acc':>9}  {'loss':>6}  "
        f"{'seconds':>8}"
    )
    for value in result.values:
        click.echo(f"{value.value:>14}  {_figures(value)}")
    best, seeds = result.best, len(result.seeds)
    click.echo()
    if best is None:
        click.echo("At every value a seed diverged.")
    else:
        click.echo(
            f"Best on the validation photos: {result.option} {best.value}, val acc {best.mean('val_acc'):.3f}; its "
            f"test acc is {best.mean('test_acc'):.3f}."
        )
    if seeds > 1:
        click.echo(f"Means of {seeds} seeds; the interval is Student's for the mean, over the seeds.")
    else:
        click.echo(f"One seed; the interval is Wilson's, for {result.values[0].judges} validation photos.")
    click.echo(
        "The test photos chose nothing. The best of several looks a little better on what it was chosen by than it is."
    )


def _figures(value: Value) -> str:
    epochs = sorted(set(value.diverged))
    said = f"epoch{'s' if len(epochs) > 1 else ''} {', '.join(map(str, epochs))}"
    if not value.finished:
        return f"diverged at {said}"
    low, high = value.interval()
    interval = "-" if (low, high) == (0.0, 1.0) else f"{low:.3f} to {high:.3f}"
    seconds = sum(point.seconds for point in value.finished) / len(value.finished)
    mean = value.mean("loss")
    loss = f"{mean:.3f}" if mean < 100 else f"{mean:.1g}"
    line = (
        f"{value.mean('val_acc'):7.3f}  {interval:14}  {value.mean('test_acc'):8.3f}  {value.mean('train_acc'):9.3f}  "
        f"{loss:>6}  {seconds:8.1f}"
    )
    if value.diverged:
        line += f"  {len(value.diverged)} of {len(value.points)} diverged at {said}, not among these"
    return line
