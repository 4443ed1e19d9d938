"""`hotdog-ft predict`: say what photos show."""

from __future__ import annotations

import csv
import glob
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hotdog_ft.cli.options import common_options, computing_options, run_option, tta_option
from hotdog_ft.errors import ConfigError
from hotdog_ft.files import printable

if TYPE_CHECKING:
    from hotdog_ft.inference.predictor import Prediction


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@run_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values, with a header.")
@computing_options(int)
@click.option(
    "--unknown-below",
    envvar="HOTDOG_FT_UNKNOWN_BELOW",
    type=float,
    default=0.0,
    metavar="P",
    help="Answer `unknown` where no class is as probable as this, as in 0.8.",
)
@tta_option
@common_options
def predict(
    paths: tuple[str, ...],
    run_folder: str,
    as_json: bool,
    as_csv: bool,
    batch_size: int,
    workers: int | None,
    devices: str,
    unknown_below: float,
    tta: str,
) -> int:
    """Say what photos show.

    PATH is a photo, a folder of photos, a pattern such as 'photos/*.jpg', or - to read paths from standard input, one a
    line. Answers come in that order. The exit status is 1 if a photo could not be read.
    """
    if as_json and as_csv:
        raise ConfigError("--json and --csv exclude each other.", hint="Choose one of them.")
    for option, value in (("--batch-size", batch_size), ("--workers", workers)):
        if value is not None and value < 1:
            raise ConfigError(f"{option}: should be at least 1 (given: {value}).", hint="Leave it out for the default.")

    if not 0 <= unknown_below <= 1:
        raise ConfigError(
            f"--unknown-below: should be from 0 to 1 (given: {unknown_below:g}).", hint="Give a probability, as in 0.8."
        )

    from hotdog_ft.inference.predictor import load

    predictor = load(run_folder, devices, batch_size, workers, unknown_below, mirror=tta == "flip")
    write = _json_writer() if as_json else _csv_writer(predictor.classifier.classes) if as_csv else _table_writer()
    failed = False
    for prediction in predictor.predict(expand(paths)):
        failed |= prediction.error is not None
        write(prediction)
    return 1 if failed else 0


def expand(paths: tuple[str, ...]) -> Iterator[str]:
    """Folders as their photos, patterns as what they match, `-` as the lines of standard input.

    What holds or matches nothing comes out as it is: reading it fails, and costs none of the others.
    """
    from hotdog_ft.data.folder import find_photos

    for path in paths:
        if path == "-":
            # As bytes: a path need not be valid text.
            yield from (os.fsdecode(line.rstrip(b"\r\n")) for line in sys.stdin.buffer if line.strip())
        elif os.path.isdir(path):
            yield from [str(photo) for photo in find_photos(Path(path))] or [path]
        elif not os.path.lexists(path) and glob.has_magic(path):
            yield from sorted(glob.glob(path, recursive=True)) or [path]
        else:
            yield path


def _json_writer():
    def write(prediction: Prediction) -> None:
        if prediction.error is not None:
            record: dict = {"path": prediction.path, "error": prediction.error}
        else:
            record = {
                "path": prediction.path,
                "label": prediction.label,
                "probability": prediction.probability,
                "probabilities": prediction.probabilities,
            }
        click.echo(json.dumps(record))

    return write


def _csv_writer(classes: tuple[str, ...]):
    writer = csv.writer(sys.stdout)
    writer.writerow(["path", "label", "probability", *map(printable, classes), "error"])

    def write(prediction: Prediction) -> None:
        probabilities = (prediction.probabilities or {}).values() or [""] * len(classes)
        values = [printable(prediction.label or ""), "" if prediction.probability is None else prediction.probability]
        writer.writerow([printable(prediction.path), *values, *probabilities, printable(prediction.error or "")])

    return write


def _table_writer():
    def write(prediction: Prediction) -> None:
        if prediction.error is not None:
            click.echo(f"Error: {printable(prediction.error)}", err=True)
        else:
            click.echo(
                f"{prediction.probability:7.2%}  {printable(prediction.label or '')}  {printable(prediction.path)}"
            )

    return write
