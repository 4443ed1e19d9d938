"""`hotdog-ft compare`: fine-tuned against from scratch."""

from __future__ import annotations

from collections.abc import Sequence
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
from hotdog_ft.config import SCRATCH_DEFAULTS

if TYPE_CHECKING:
    from hotdog_ft.recipes.compare import Comparison
    from hotdog_ft.recipes.experiment import Point

HEADER = f"{'training':16} {'seed':>5}  {'loss':>6}  {'train acc':>9}  {'test acc':>8}  {'95 % interval':14}  " + (
    f"{'examples/s':>10}  {'seconds':>8}"
)


def _check_lr(context: click.Context, param: click.Parameter, value: float) -> float:
    if not 0 < value <= 1e6:
        raise click.BadParameter("should be greater than 0, and at most 1e6")
    return value


@click.command()
@training_options({}, without=NOT_OF_SEVERAL)
@click.option(
    "--scratch-lr",
    type=float,
    callback=_check_lr,
    default=SCRATCH_DEFAULTS["lr"],
    show_default=True,
    metavar="NUMBER",
    help="Learning rate of the training from scratch; --lr is the fine-tuning's.",
)
@seeds_option(3)
@click.option(
    "--also",
    default="",
    metavar="freeze,probe",
    help="Further ways: fine-tune with frozen features; fit the output layer to features that are computed once.",
)
@common_options
def compare(scratch_lr: float, seeds: int, also: str, **values: Any) -> None:
    """Compare fine-tuning with training from scratch: the same photos, the same seeds, each at its own learning rate.

    Prints a table and the paired differences on the test photos; compare.json, compare.csv and a picture of the curves
    are in the folder. Run again with the same --out, it goes on where it was, and trains nothing twice.
    """
    config = read_config(values, {})

    from hotdog_ft.recipes import compare as recipe

    ways = [way.strip() for way in also.split(",") if way.strip()]
    result = recipe.compare(config, seeds, scratch_lr, ways, on_point=print_point, progress=progress())
    click.echo(HEADER)
    for way, points in result.points.items():
        for line in _rows(recipe.NAMES[way], result.seeds, points):
            click.echo(line)
    for other in list(result.points)[1:]:
        click.echo()
        _print_differences(result, other)
    _print_what_is_tested(result)
    click.echo(f"The curves: {result.folder / 'compare.png'}", err=True)


def _rows(name: str, seeds: tuple[int, ...], points: list[Point]) -> list[str]:
    """A line a seed, and one with the means of those that did not diverge."""
    import numpy as np

    from hotdog_ft.recipes.compare import accuracy

    lines, figures = [], []
    for seed, point in zip(seeds, points):
        if point.diverged_at is not None:
            lines.append(f"{name:16} {seed:>5}  diverged at epoch {point.diverged_at}")
            continue
        acc, low, high = accuracy(point)
        kept = point.result
        figures.append((kept.loss, kept.train_acc, acc, kept.examples_per_sec, point.seconds))
        lines.append(_row(name, str(seed), figures[-1], f"{low:.3f} to {high:.3f}"))
    if len(figures) > 1:
        mean = np.mean(figures, axis=0).tolist()
        diverged = len(points) - len(figures)
        lines.append(_row(name, "mean", mean, f"without {diverged}" if diverged else ""))
    return lines


def _row(name: str, seed: str, figures: Sequence[float], interval: str) -> str:
    loss, train_acc, test_acc, speed, seconds = figures
    return (
        f"{name:16} {seed:>5}  {loss:6.3f}  {train_acc:9.3f}  {test_acc:8.3f}  {interval:14}  "
        f"{speed:10.1f}  {seconds:8.1f}"
    )


def _print_differences(result: Comparison, other: str) -> None:
    """The paired differences seed by seed, their mean, and what is tested."""
    from hotdog_ft.recipes.compare import NAMES

    differences = result.differences("finetune", other)
    click.echo(f"{NAMES['finetune']} less {NAMES[other]}, in test accuracy on the same photos:")
    for seed, d in zip(result.seeds, differences):
        if d is None:
            click.echo(f"  seed {seed}: one of the two diverged")
            continue
        click.echo(
            f"  seed {seed}: {d.difference:+.3f} ({d.low:+.3f} to {d.high:+.3f}); of {d.total} photos {d.only_first} "
            f"are right only fine-tuned, {d.only_second} only {NAMES[other]}: McNemar's exact p = {d.p_value:.2g}"
        )
    if over_seeds := result.mean_difference("finetune", other):
        mean, low, high = over_seeds
        click.echo(
            f"  mean of {sum(d is not None for d in differences)} seeds: {mean:+.3f} ({low:+.3f} to {high:+.3f})"
        )


def _print_what_is_tested(result: Comparison) -> None:
    click.echo(
        "\nMcNemar's test asks of one seed's two networks whether they err equally often, but for chance in which"
    )
    click.echo("photos were taken for the test.")
    if len(result.seeds) > 1:
        click.echo(
            "The seeds share test photos, so their tests are not independent and are not pooled; the interval of"
        )
        click.echo("the mean is Student's over the seeds: what another seed would change, not what other photos would.")
    click.echo("Intervals are 95 % intervals.")
    if "probe" in result.points:
        click.echo("The probe's features are computed once: after its first seed, its time is that of fitting to them.")
