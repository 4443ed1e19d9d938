"""`hotdog-ft tune`: search for the best setting of fine-tuning and of training from scratch."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import click

from hotdog_ft.cli.options import NOT_OF_SEVERAL, common_options, progress, read_config, training_options

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from hotdog_ft.recipes.tune import Tuning

DEFAULTS: dict[str, Any] = {"val_split": 0.2}


@click.command()
@training_options(DEFAULTS, without=NOT_OF_SEVERAL)
@click.option(
    "--trials", type=click.IntRange(1, 100_000), default=20, show_default=True, help="Settings to try, for each way."
)
@click.option(
    "--storage",
    envvar="HOTDOG_FT_STORAGE",
    metavar="URL",
    help="A database to share the trials among machines, as postgresql://…  [default: a file in the run's folder]",
)
@click.option("--study", default="hotdog-ft", show_default=True, metavar="NAME", help="What it is called there.")
@common_options
def tune(trials: int, storage: str | None, study: str, **values: Any) -> None:
    """Search for the best setting of fine-tuning and of training from scratch, in the same number of trials.

    Each trial chooses a learning rate, how much faster the output layer learns, weight decay, momentum, batch size (up
    to --batch-size), schedule and, for fine-tuning, whether to freeze the features. The first is the setting as given.
    A trial is judged on a part of train/ (or the data's own val/), never on test/, and stopped early when it does worse
    than half of the others did. Then each way is trained once more with its best setting, on all of train/, and judged
    by test/.

    finetune.yaml and scratch.yaml in the folder are the best settings for --config; tune.csv has every trial. Run again
    with the same --out, it goes on where it was, and tries nothing twice; with --storage, machines that run the same
    command with the same --study share the trials. Needs the extra `tune`.
    """
    config = read_config(values, DEFAULTS)

    from hotdog_ft.recipes.tune import tune as recipe

    quiet = logging.getLogger("hotdog_ft").getEffectiveLevel() >= logging.ERROR
    result = recipe(config, trials, storage, study, on_trial=None if quiet else _print_trial, progress=progress())
    _print(result)
    click.echo(f"The picture: {result.folder / 'tune.png'}", err=True)


def _print_trial(way: str, trial: FrozenTrial) -> None:
    """A line on stderr for a finished trial."""
    if "diverged_at" in trial.user_attrs:
        outcome = f"diverged at epoch {trial.user_attrs['diverged_at']}"
    elif trial.value is None or trial.state.name == "PRUNED":
        outcome = (
            f"stopped after epoch {trial.last_step}, val acc {trial.intermediate_values[trial.last_step or 0]:.3f}"
        )
    else:
        outcome = f"val acc {trial.value:.3f}"
    click.echo(f"{way}, trial {trial.number}: {outcome} ({_setting(trial)})", err=True)


def _setting(trial: FrozenTrial) -> str:
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in trial.params.items()
    )


def _print(result: Tuning) -> None:
    """What each search came to, the best settings, and what may be said of the two."""
    from hotdog_ft.recipes.compare import NAMES, accuracy

    click.echo(
        f"{'training':14}  {'trials':>6}  {'stopped':>7}  {'diverged':>8}  {'best val acc':>12}  {'test acc':>8}  "
        "95 % interval"
    )
    for way, found in result.found.items():
        pruned = sum(trial.state.name == "PRUNED" for trial in found.trials) - found.diverged
        line = f"{NAMES[way]:14}  {len(found.trials):6}  {pruned:7}  {found.diverged:8}  "
        if found.best is None or found.point is None:
            line += "no trial was finished"
        elif found.point.diverged_at is not None:
            line += f"{found.best.value:12.3f}  diverged at epoch {found.point.diverged_at} on all of train/"
        else:
            acc, low, high = accuracy(found.point)
            line += f"{found.best.value:12.3f}  {acc:8.3f}  {low:.3f} to {high:.3f}"
        click.echo(line)
    click.echo()
    for way, found in result.found.items():
        if found.best:
            click.echo(f"{NAMES[way]}: {_setting(found.best)}")
            click.echo(f"  as --config {result.folder / way}.yaml")
    if d := result.difference:
        click.echo(
            f"\nfine-tuned less from scratch, in test accuracy: {d.difference:+.3f} ({d.low:+.3f} to {d.high:+.3f}); "
            f"of {d.total} photos {d.only_first} are right only fine-tuned, {d.only_second} only from scratch: "
            f"McNemar's exact p = {d.p_value:.2g}"
        )
        click.echo("These are two networks, of one seed each: `hotdog-ft compare` says what another seed would change.")
    click.echo(f"Chosen by {result.judges} validation photos, on which the best of many looks better than it is.")
    click.echo("Tested once, after training again on all of train/.")
