"""`hotdog-ft export`: a run's model in another form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hotdog_ft.cli.options import common_options, progress, run_option
from hotdog_ft.cli.words import WORDS
from hotdog_ft.errors import ConfigError

if TYPE_CHECKING:
    from hotdog_ft.recipes.export import Exported
    from hotdog_ft.recipes.export_elsewhere import Written


@click.command()
@run_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["onnx", "symbol", "int8"]),
    default="int8",
    show_default=True,
    metavar="onnx|symbol|int8",
    help=(
        "onnx: one file, photos in and probabilities out, for ONNX Runtime in any language and in browsers. "
        "symbol: Gluon's, a symbol and its parameters, for plain MXNet. int8: 8-bit integers, for CPUs; a model folder "
        "that predict, evaluate and the Python API use as any other."
    ),
)
@click.option(
    "--out",
    type=WORDS,
    metavar="PATH",
    help="The new file or folder.  [default: model.onnx, symbol or int8 in the run's folder]",
)
@click.option(
    "--check",
    type=WORDS,
    metavar="PATH",
    help="Write nothing: check what onnx or symbol has written, against the run's model.",
)
@click.option(
    "--data",
    type=WORDS,
    metavar="hotdog|demo|DIR|ZIP",
    help="Photos with test/, to judge by, and for int8 train/, to calibrate by.  [default: the run's own data]",
)
@click.option(
    "--batch-size",
    envvar="HOTDOG_FT_BATCH_SIZE",
    type=click.IntRange(1),
    default=32,
    show_default=True,
    metavar="INTEGER",
    help="Photos computed at once.",
)
@common_options
def export(run_folder: str, form: str, out: str | None, check: str | None, data: str | None, batch_size: int) -> None:
    """Write a run's model in another form, and say how its answers compare.

    onnx, symbol: up to 200 test photos are answered by both, and what was written stays only if no probability differs
    by more than 0.0001. Large JPEGs, which predict decodes at a part of their size, are also compared with that.

    int8: the range of each layer's values is taken from up to 256 training photos; both models then answer the same
    test photos. Printed are both accuracies, their paired difference, and how much faster the integers are here.
    """
    if check is not None and out is not None:
        raise ConfigError("--out: nothing is written with --check.", hint="Leave one of the two out.")
    if form == "int8" and check is None:
        from hotdog_ft.recipes.export import export_int8

        _print_int8(export_int8(run_folder, out, data, batch_size, progress=progress()), batch_size)
        return
    from hotdog_ft.recipes.export_elsewhere import check_exported, export_elsewhere

    if check is not None:
        _print_parity(check_exported(check, run_folder, data, batch_size, progress=progress()))
    else:
        written = export_elsewhere(form, run_folder, out, data, batch_size, progress=progress())
        _print_parity(written)
        click.echo(f"The model is in {written.path}.", err=True)


def _print_parity(written: Written) -> None:
    whole, reduced = written.parity.decoded, written.parity.reduced
    click.echo(
        f"{whole.photos} test photos: probabilities differ by at most {whole.largest:.1e}; "
        f"the same class for {whole.same}"
    )
    if reduced.photos:
        click.echo(
            f"{reduced.photos} of them are large, and predict decodes them at a part of their size: "
            f"from its probabilities these differ by {reduced.mean:.1e} on average, at most {reduced.largest:.1e}; "
            f"the same class for {reduced.same}"
        )


def _print_int8(exported: Exported, batch_size: int) -> None:
    from hotdog_ft.stats import wilson_interval

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
