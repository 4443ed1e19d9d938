"""`hotdog-ft runs`: what was trained, what came out, and room for more."""

from __future__ import annotations

import csv
import json
import math
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from hotdog_ft.cli.options import common_options, progress
from hotdog_ft.cli.words import WORDS
from hotdog_ft.config import RUNS, option_name
from hotdog_ft.errors import ConfigError, RunError
from hotdog_ft.files import printable

if TYPE_CHECKING:
    from hotdog_ft.recipes.past_runs import PastRun

ACCURACIES = ("train_acc", "val_acc", "test_acc")
COMPARED = ("state", "epochs", "loss", "train acc", "val acc", "test acc", "seconds")
SORTS = ("begun", "loss", "val-acc", "test-acc", "seconds", "size")


@click.group(invoke_without_command=True)
@click.pass_context
def runs(context: click.Context) -> None:
    """List the runs, compare some of them, or remove what is no longer needed.

    Without a command they are listed, as by `runs list`.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_runs)


@runs.command("list")
@click.argument("place", type=WORDS, default=str(RUNS), metavar="[DIR]")
@click.option("--sort", type=click.Choice(SORTS), default="begun", show_default=True, help="The newest or best first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with every setting.")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values, with a header.")
@common_options
def list_runs(place: str = str(RUNS), sort: str = "begun", as_json: bool = False, as_csv: bool = False) -> None:
    """List the runs in DIR, those of its comparisons, sweeps and searches among them.

    A run is finished, running, or broken off; `train --resume RUN` goes on with one that was. Accuracies and loss are
    those of the epoch whose model was kept.
    """
    if as_json and as_csv:
        raise ConfigError("--json and --csv exclude each other.", hint="Choose one of them.")

    from hotdog_ft.recipes.past_runs import find_runs

    found = _sorted(find_runs(place), sort)
    if as_json:
        for run in found:
            click.echo(json.dumps(run.to_dict()))
    elif as_csv:
        _write_csv(found)
    elif found:
        _write_table(found)
    else:
        click.echo(f"{place}: there are no runs.", err=True)


@runs.command()
@click.argument("folders", type=WORDS, nargs=-1, required=True, metavar="RUN RUN...")
@click.option("--evaluate", is_flag=True, help="Have the models answer the first one's test photos, or --data's.")
@click.option("--data", type=WORDS, metavar="hotdog|demo|DIR|ZIP", help="Photos for --evaluate, of the same classes.")
@common_options
def compare(folders: tuple[str, ...], evaluate: bool, data: str | None) -> None:
    """Show side by side in which settings runs differ, and what came out.

    With --evaluate all models answer the same photos now, and each is set against the first one photo by photo: the
    difference of the accuracies with its 95 % interval, and McNemar's exact test.
    """
    if len(folders) < 2:
        raise ConfigError("RUN: there is one, and two are needed.", hint="Name another run to compare it with.")
    if data and not evaluate:
        raise ConfigError("--data: belongs to --evaluate.", hint="Use it as --evaluate --data DIR.")

    from hotdog_ft.recipes.past_runs import differences, read_run

    found = [read_run(folder) for folder in folders]
    if unreadable := [run.folder for run in found if run.config is None]:
        raise RunError(f"{unreadable[0]}: what it was told can't be read.", hint="Compare other runs.")
    columns = [["", *map(option_name, told := differences(found)), *COMPARED]]
    for number, run in enumerate(found):
        results = [_number(run.kept.get(name)) for name in ("loss", *ACCURACIES)]
        settings = [_said(values[number]) for values in told.values()]
        name = printable(run.folder.name)
        columns.append([name, *settings, run.state, str(len(run.epochs)), *results, f"{run.seconds:.0f}"])
    _write_columns([list(row) for row in zip(*columns)], left=1)
    if evaluate:
        assert found[0].config
        _write_evaluations(folders, data or found[0].config.data)


@runs.command()
@click.argument("folders", type=WORDS, nargs=-1, metavar="[RUN]...")
@click.option("--broken-off", is_flag=True, help="All that were broken off.")
@click.option("--keep", type=click.IntRange(0), metavar="N", help="All finished ones but the N newest.")
@click.option("--checkpoints", is_flag=True, help="Of finished runs, only what --resume would go on from.")
@click.option(
    "--in", "place", type=WORDS, default=str(RUNS), show_default=True, metavar="DIR", help="Where the runs are."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@common_options
def clean(
    folders: tuple[str, ...],
    broken_off: bool,
    keep: int | None,
    checkpoints: bool,
    place: str,
    dry_run: bool,
    yes: bool,
) -> None:
    """Remove runs, or the checkpoints of finished ones, after asking.

    A run that is running stays, and so does the one that runs/latest points to, unless it is named.
    """
    from hotdog_ft.recipes.past_runs import FINISHED, RUNNING, find_runs, read_run, removable, remove

    if not (folders or broken_off or checkpoints or keep is not None):
        raise ConfigError(
            "There is nothing to remove unless you say what.",
            hint="Name runs, or give --broken-off, --keep N or --checkpoints; --dry-run shows what that would remove.",
        )
    named = [read_run(folder) for folder in folders]
    for run in named:
        if run.state == RUNNING:
            raise RunError(f"{run.folder}: another process is at work in it.", hint="Let it finish, or end it first.")
    found = find_runs(place) if broken_off or checkpoints or keep is not None else []
    going = named + removable(found, broken_off, keep)
    places = {run.folder: run.size for run in going}
    for run in found:
        if checkpoints and run.state == FINISHED and run.folder not in places and run.checkpoint.is_dir():
            places[run.checkpoint] = sum(path.stat().st_size for path in run.checkpoint.iterdir())
    if not places:
        click.echo("There is nothing of that kind.", err=True)
        return
    for folder, size in places.items():
        click.echo(f"{_bytes(size):>9}  {printable(str(folder))}")
    total = f"{len(places)} {'folder' if len(places) == 1 else 'folders'}, {_bytes(sum(places.values()))}"
    if dry_run:
        click.echo(f"Would be removed: {total}.", err=True)
        return
    if not yes:
        _ask(total)
    for folder in places:
        remove(folder)
    click.echo(f"Removed: {total}.", err=True)


def _ask(total: str) -> None:
    """Raise unless the user agrees."""
    if not sys.stdin.isatty():
        raise ConfigError("Nobody is there to be asked.", hint="Give --yes to remove all of that.")
    if not click.confirm(f"Remove {total}?", err=True):
        raise click.exceptions.Exit(1)


def _sorted(found: list[PastRun], sort: str) -> list[PastRun]:
    """The best first, those without the figure last; the newest first among equals."""
    if sort == "begun":
        return found
    if sort in ("seconds", "size"):
        return sorted(found, key=lambda run: getattr(run, sort), reverse=True)
    name, sign = sort.replace("-", "_"), 1 if sort == "loss" else -1
    return sorted(found, key=lambda run: math.inf if run.kept.get(name) is None else sign * run.kept[name])


def _write_table(found: Sequence[PastRun]) -> None:
    rows = [["run", "state", "network", "method", "epochs", *COMPARED[2:], "size"]]
    for run in found:
        told = ["", "", ""]
        if run.config:
            told = [run.config.model, run.config.method, f"{len(run.epochs)}/{_planned(run)}"]
        results = [_number(run.kept.get(name)) for name in ("loss", *ACCURACIES)]
        folder = printable(str(run.folder))
        rows.append([folder, run.state, *told, *results, f"{run.seconds:.0f}", _bytes(run.size)])
    _write_columns(rows, left=4)


def _planned(run: PastRun) -> int:
    """How many epochs there are when it is finished; lp-ft's probe is one, too."""
    assert run.config
    if run.config.method == "probe" or run.config.epochs == 0:
        return 1
    return run.config.epochs + (run.config.method == "lp-ft")


def _write_csv(found: Sequence[PastRun]) -> None:
    writer = csv.writer(sys.stdout)
    names = ("loss", *ACCURACIES)
    writer.writerow(["run", "state", "begun", "model", "method", "epochs", *names, "seconds", "bytes"])
    for run in found:
        begun = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(run.begun))
        told = [run.config.model, run.config.method] if run.config else ["", ""]
        values = [run.kept.get(name) for name in names]
        folder = printable(str(run.folder))
        writer.writerow([folder, run.state, begun, *told, len(run.epochs), *values, run.seconds, run.size])


def _write_evaluations(folders: Sequence[str], data: str) -> None:
    """What each model says of the same photos, and what it has over the first one."""
    from hotdog_ft.recipes.evaluate import evaluate_run
    from hotdog_ft.stats import paired_difference

    click.echo()
    found = [evaluate_run(folder, data, progress=progress()).evaluation for folder in folders]
    for folder, each in zip(folders, found):
        low, high = each.interval
        accuracy = f"{each.accuracy:.3f} ({low:.3f} to {high:.3f}), {each.right} of {each.total}"
        click.echo(f"{printable(folder)}: accuracy {accuracy}")
        if each is not found[0]:
            d = paired_difference(each.outcome.right, found[0].outcome.right)
            click.echo(
                f"  less {printable(folders[0])}: {d.difference:+.3f} ({d.low:+.3f} to {d.high:+.3f}); "
                f"{d.only_first} right only here, {d.only_second} only there: McNemar's exact p = {d.p_value:.2g}"
            )


def _write_columns(rows: Sequence[Sequence[str]], left: int) -> None:
    """Rows of equal length. left: how many columns stand to the left; numbers stand to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:left], widths)]
        cells += [cell.rjust(width) for cell, width in zip(row[left:], widths[left:])]
        click.echo("  ".join(cells).rstrip())


def _said(value: Any) -> str:
    """A setting as one would type it; - where it is left open."""
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
