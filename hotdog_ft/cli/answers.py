"""Answers as people and other programs read them: a table, JSON lines, CSV; each is written out at once."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from hotdog_ft.cli.terminal import in_colour
from hotdog_ft.files import printable

if TYPE_CHECKING:
    from hotdog_ft.inference.predictor import Prediction

Write = Callable[["Prediction"], None]

SURE, FAIRLY_SURE = 0.9, 0.6
"""Probabilities from which on an answer is printed in green, and in yellow; below, in red."""

WIDEST_LABEL = 24
"""Columns that a label is given in the table; longer ones shift what follows."""


def json_answers(top: int | None) -> Write:
    """One object a line. top: how many probabilities, the largest first; None: all, in the network's order."""

    def write(prediction: Prediction) -> None:
        if prediction.error is not None:
            record: dict = {"path": prediction.path, "error": prediction.error}
        else:
            record = {
                "path": prediction.path,
                "label": prediction.label,
                "probability": prediction.probability,
                "probabilities": dict(most_probable(prediction, top)) if top else prediction.probabilities,
            }
            if prediction.explanation_path is not None:
                record["explanation"] = prediction.explanation_path
        click.echo(json.dumps(record))

    return write


def csv_answers(classes: Sequence[str], top: int | None, explained: bool = False) -> Write:
    """A header and a row a photo.

    top: as many labels with probabilities, in place of a column a class. explained: a column for the explanations.
    """
    writer = csv.writer(sys.stdout)
    if top:
        ranks = range(2, min(top, len(classes)) + 1)
        columns = [f"{name}_{rank}" for rank in ranks for name in ("label", "probability")]
    else:
        columns = list(map(printable, classes))
    writer.writerow(["path", "label", "probability", *columns, *(["explanation"] if explained else []), "error"])
    sys.stdout.flush()

    def write(prediction: Prediction) -> None:
        values: list[object] = [""] * (2 + len(columns))
        if prediction.probabilities is not None:
            values = [printable(prediction.label or ""), prediction.probability]
            if top:
                for label, probability in most_probable(prediction, top)[1:]:
                    values += [printable(label), probability]
            else:
                values += prediction.probabilities.values()
        if explained:
            values.append(printable(prediction.explanation_path or ""))
        writer.writerow([printable(prediction.path), *values, printable(prediction.error or "")])
        sys.stdout.flush()

    return write


def table_answers(classes: Sequence[str], top: int | None) -> Write:
    """A line a photo; what can't be read goes to stderr. top: as many labels, the most probable first."""
    colour = in_colour(sys.stdout)
    width = min(WIDEST_LABEL, max(len(printable(name)) for name in classes))

    def answer(label: str, probability: float, rest: bool = False) -> str:
        percent, name = f"{probability:7.2%}", f"{printable(label):{width}}"
        if rest:
            return click.style(f"{percent}  {name}", dim=True)
        shade = "green" if probability >= SURE else "yellow" if probability >= FAIRLY_SURE else "red"
        return f"{click.style(percent, fg=shade)}  {click.style(name, bold=True)}"

    def write(prediction: Prediction) -> None:
        if prediction.label is None or prediction.probability is None:
            error = click.style("Error:", fg="red", bold=True)
            click.echo(f"{error} {printable(prediction.error or '')}", err=True, color=in_colour(sys.stderr))
            return
        rest = most_probable(prediction, top)[1:] if top else []
        answers = [answer(prediction.label, prediction.probability), *(answer(*other, rest=True) for other in rest)]
        click.echo("  ".join([*answers, printable(prediction.path)]), color=colour)

    return write


def most_probable(prediction: Prediction, count: int) -> list[tuple[str, float]]:
    """The `count` most probable classes, or all where there are fewer, each with its probability, the largest first."""
    assert prediction.probabilities is not None
    return sorted(prediction.probabilities.items(), key=lambda answer: -answer[1])[:count]


ORDERS: dict[str, str] = {
    "confidence": "the most probable answers first",
    "doubt": "the least probable first",
    "label": "by class, in the network's order, within it the most probable first",
    "path": "by path",
}
"""What answers can be sorted by."""


def order(by: str, classes: Sequence[str]) -> Callable[[Prediction], tuple]:
    """The key to sort answers by, one of ORDERS. What couldn't be read comes last; what is equal stays in order."""
    place = {label: i for i, label in enumerate(classes)}

    def key(prediction: Prediction) -> tuple:
        if by == "path":
            return (prediction.error is not None, prediction.path)
        if prediction.label is None or prediction.probability is None:
            return (True,)
        if by == "label":
            return (False, place.get(prediction.label, len(place)), -prediction.probability)
        return (False, prediction.probability if by == "doubt" else -prediction.probability)

    return key
