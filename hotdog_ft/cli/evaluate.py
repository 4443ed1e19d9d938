"""`hotdog-ft evaluate`: how good a model is, and how sure that is."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hotdog_ft.cli.options import common_options, computing_options, progress, run_option, tta_option
from hotdog_ft.cli.words import WORDS
from hotdog_ft.errors import ConfigError
from hotdog_ft.files import printable

if TYPE_CHECKING:
    from hotdog_ft.inference.evaluate import Evaluation
    from hotdog_ft.inference.metrics import Answer
    from hotdog_ft.recipes.evaluate import Evaluated

WIDEST = 10
"""Classes, up to which the whole confusion matrix is printed."""
LISTED = 5


@click.command()
@run_option
@click.option(
    "--data",
    type=WORDS,
    metavar="hotdog|demo|DIR|ZIP",
    help="Photos in class folders, named as the model's classes.  [default: the run's own data]",
)
@click.option(
    "--split",
    "part",
    type=click.Choice(["test", "val", "train"]),
    metavar="test|val|train",
    help="The part to judge by.  [default: test; a folder without parts is taken whole]",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option("--csv", "csv_file", type=WORDS, metavar="FILE", help="Write a line for each photo to this file.")
@click.option(
    "--out", metavar="DIR", help="Write confusion.png, reliability.png, mistakes.png and unsure.png to this folder."
)
@computing_options
@tta_option
@common_options
def evaluate(
    run_folder: str,
    data: str | None,
    part: str | None,
    as_json: bool,
    csv_file: str | None,
    out: str | None,
    batch_size: int,
    workers: int | None,
    devices: str,
    tta: str,
) -> None:
    """Judge a model by labelled photos.

    Accuracy with its 95 % interval, scores of each class, the confusion matrix, how far its probabilities can be
    trusted, its worst mistakes and its least sure answers. docs/evaluation.md says how each is computed and read.
    """
    _check_places(csv_file, out)

    from hotdog_ft.recipes.evaluate import evaluate_run

    found = evaluate_run(run_folder, data, part, devices, batch_size, workers, tta == "flip", progress())
    if csv_file is not None:
        _write_csv(found.evaluation, Path(csv_file))
    if out is not None:
        from hotdog_ft.report.evaluation import draw_evaluation

        draw_evaluation(found.evaluation, Path(out))
    if as_json:
        click.echo(json.dumps(found.to_dict()))
    else:
        for line in _text(found):
            click.echo(line)


def _check_places(csv_file: str | None, out: str | None) -> None:
    """Before the work, whether its results can be written. Raises: ConfigError, OSError."""
    if csv_file is not None:
        if os.path.isdir(csv_file):
            raise ConfigError(f"--csv: {csv_file} is a folder.", hint="Name a file.")
        os.makedirs(os.path.dirname(csv_file) or ".", exist_ok=True)
    if out is not None:
        if os.path.exists(out) and not os.path.isdir(out):
            raise ConfigError(f"--out: {out} is a file.", hint="Name a folder.")
        os.makedirs(out, exist_ok=True)


def _text(found: Evaluated) -> Iterator[str]:
    """The result for people, line by line."""
    values = found.evaluation
    part = "all photos" if found.part == "all" else found.part
    skipped = f", {found.skipped} that can't be read left out" if found.skipped else ""
    mirrored = ", each with its mirror image" if found.mirror else ""
    yield printable(f"{found.run} on {found.data}, {part}: {_photos(values.total)}{skipped}{mirrored}")
    low, high = values.interval
    yield f"accuracy {values.accuracy:.3f}, 95 % interval {low:.3f} to {high:.3f} ({values.right} of {values.total})"
    yield from _calibration(values)
    yield ""
    yield from _classes(values)
    yield ""
    yield from _confusion(values)
    for title, answers in (("worst mistakes", values.worst_mistakes), ("least sure", values.least_sure)):
        if answers:
            yield ""
            yield f"{title} (of {_photos(values.total)})"
            yield from map(_line, answers[:LISTED])


def _photos(count: int) -> str:
    return f"{count} photo" if count == 1 else f"{count} photos"


def _calibration(values: Evaluation) -> Iterator[str]:
    plain, scaled = values.plain, values.scaled
    if scaled is None:
        yield f"log loss {plain.log_loss:.3f}, calibration error {plain.error:.3f}"
        yield "temperature 1: none was fitted (training had no validation photos, or no mistake among them)"
    else:
        yield f"log loss {scaled.log_loss:.3f}, calibration error {scaled.error:.3f}"
        yield (
            f"temperature {scaled.temperature:.3f}, fitted on photos apart from the test photos"
            f" (without it: log loss {plain.log_loss:.3f}, calibration error {plain.error:.3f})"
        )


def _classes(values: Evaluation) -> Iterator[str]:
    names = [printable(score.name) for score in values.scores]
    width = max(map(len, [*names, "class"]))
    yield f"{'class':{width}}  photos  precision  recall     F1    AUC"
    for name, score in zip(names, values.scores):
        yield (
            f"{name:{width}}  {score.support:6}  {_number(score.precision):>9}  {_number(score.recall):>6}"
            f"  {_number(score.f1):>5}  {_number(score.auc):>5}"
        )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _confusion(values: Evaluation) -> Iterator[str]:
    """The matrix, or of many classes the pairs that are confused most often."""
    names = [printable(score.name) for score in values.scores]
    counts = values.confusion
    if len(names) <= WIDEST:
        width = max(map(len, [*names, "shows"]))
        columns = [max(len(name), 6) for name in names]
        yield f"{'shows':{width}}  answers:"
        yield f"{'':{width}}  " + "  ".join(f"{name:>{n}}" for name, n in zip(names, columns))
        for name, row in zip(names, counts):
            yield f"{name:{width}}  " + "  ".join(f"{count:>{n}}" for count, n in zip(row, columns))
        return
    pairs = [(int(counts[i, j]), i, j) for i in range(len(names)) for j in range(len(names)) if i != j and counts[i, j]]
    yield "confused most often" if pairs else "no class is confused with another"
    for count, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair))[:WIDEST]:
        yield f"{count:6}  {names[i]} taken for {names[j]}"


def _line(answer: Answer) -> str:
    mark = "right" if answer.truth == answer.label else f"shows {answer.truth}"
    return f"{answer.probability:7.2%}  {printable(f'{answer.label}, {mark}')}  {printable(answer.path)}"


def _write_csv(values: Evaluation, path: Path) -> None:
    """A line for each photo: what it shows, the answer, and every class's probability."""
    from hotdog_ft.files import replacing

    outcome = values.outcome
    probabilities = outcome.probabilities(values.calibration.temperature)
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "shows", "label", "right", "probability", *map(printable, outcome.classes)])
        for i, photo in enumerate(outcome.paths):
            k = int(outcome.logits[i].argmax())
            shows, label = (printable(outcome.classes[n]) for n in (outcome.labels[i], k))
            right = int(outcome.labels[i] == k)
            writer.writerow([printable(str(photo)), shows, label, right, *probabilities[i, [k]], *probabilities[i]])
