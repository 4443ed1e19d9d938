"""`hotdog-ft export`: a run's model in another form."""

from __future__ import annotations

import click

from hotdog_ft.cli.options import common_options, progress, run_option


@click.command()
@run_option
@click.option(
    "--format",
    "_format",
    type=click.Choice(["int8"]),
    default="int8",
    show_default=True,
    metavar="int8",
    help="int8: 8-bit integers, for CPUs; a model folder that predict, evaluate and the Python API use as any other.",
)
@click.option("--out", metavar="DIR", help="The new model folder.  [default: int8 in the run's folder]")
@click.option(
    "--data",
    metavar="hotdog|demo|DIR|ZIP",
    help="Photos with train/, to calibrate by, and test/, to judge by.  [default: the run's own data]",
)
@click.option(
    "--batch-size",
    envvar="HOTDOG_FT_BATCH_SIZE",
    type=click.IntRange(1),
    default=32,
    show_default=True,
    metavar="INTEGER",
    help="Photos computed at once, to judge accuracy and speed.",
)
@common_options
def export(run_folder: str, _format: str, out: str | None, data: str | None, batch_size: int) -> None:
    """Write a run's model in another form, and say what that costs in accuracy.

    int8: the range of each layer's values is taken from up to 256 training photos; both models then answer the same
    test photos. Printed are both accuracies, their paired difference, and how much faster the integers are here.
    """
    from hotdog_ft.recipes.export import export_int8
    from hotdog_ft.stats import wilson_interval

    exported = export_int8(run_folder, out, data, batch_size, progress=progress())
    for name, outcome in (("float32", exported.float32), ("int8", exported.int8)):
        right, total = int(outcome.right.sum()), len(outcome.right)
        low, high = wilson_interval(right, total)
        click.echo(f"{name:8} accuracy {right / total:.3f}, 95 % interval {low:.3f} to {high:.3f} ({right} of {total})")
    d = exported.difference
    click.echo(
        f"int8 less float32: {d.difference:+.3f} ({d.low:+.3f} to {d.high:+.3f}); right only in int8: {d.only_first}, "
        f"only in float32: {d.only_second} (McNemar's exact p = {d.p_value:.2g})"
    )
    click.echo(
        f"Calibrated on {exported.calibrated_on} training photos; {exported.speedup:.1f} times as fast here, in "
        f"batches of {batch_size}."
    )
    click.echo(f"The model is in {exported.folder}.", err=True)
