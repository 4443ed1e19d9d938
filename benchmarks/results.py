"""What was measured, as JSON with every turn and as Markdown with medians, spreads and ratios."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.turns import Comparison, Figure, Measured
from hotdog_ft.files import write_text


@dataclass
class Results:
    """Everything that one call of scripts/bench has measured so far."""

    machine: Mapping[str, str]
    versions: dict[str, str]
    options: Mapping[str, object]
    comparisons: list[tuple[Comparison, list[Measured]]] = field(default_factory=list)

    def add(self, comparison: Comparison, measured: list[Measured]) -> None:
        """A finished comparison."""
        self.comparisons.append((comparison, measured))
        for each in measured:
            for turn in each.turns:
                self.versions.update(turn.pop("versions", {}))

    def write(self, folder: Path) -> None:
        """bench.json and bench.md, each whole or as it was before."""
        write_text(folder / "bench.json", json.dumps(self.as_json(), indent=2) + "\n")
        write_text(folder / "bench.md", self.as_markdown())

    def as_json(self) -> dict:
        """Plain values, with every turn of every contender."""
        comparisons = [
            {
                "title": comparison.title,
                "figure": dataclasses.asdict(comparison.figure),
                "subject": comparison.subject,
                "contenders": [
                    {
                        "name": each.contender.name,
                        "command": list(each.contender.command.arguments),
                        "photos": each.contender.size,
                        "failure": each.failure,
                        "turns": each.turns,
                    }
                    for each in measured
                ],
            }
            for comparison, measured in self.comparisons
        ]
        about = {"machine": self.machine, "versions": self.versions, "options": self.options}
        return {**about, "comparisons": comparisons}

    def as_markdown(self) -> str:
        """A table for each comparison, below a line on the machine."""
        about = {**self.machine, **self.versions}
        head = "Measured by `scripts/bench`: " + ", ".join(f"{name} {value}" for name, value in about.items()) + ".\n"
        return "\n".join([head, *(table(*each) for each in self.comparisons)])


def table(comparison: Comparison, measured: Sequence[Measured]) -> str:
    """A comparison's heading, table and notes."""
    figure, subject = comparison.figure, next((m for m in measured if m.contender.name == comparison.subject), None)
    columns = [f"{figure.title}, {figure.unit} (median)", "lowest to highest", "turns"]
    columns += [f"{also.title}, {also.unit}".removesuffix(", ") for also in comparison.also]
    if subject:
        columns += [f"{subject.contender.name} : it (medians)", "neighbouring turns (median, range)"]
    lines = [f"## {comparison.title}", "", _row(["", *columns]), "|" + "---|" * (len(columns) + 1)]
    for each in measured:
        if not each.turns:
            lines.append(_row([each.contender.name, f"not measured: {each.failure}", *[""] * (len(columns) - 1)]))
            continue
        values = each.values(figure)
        cells = [_number(statistics.median(values)), f"{_number(min(values))} to {_number(max(values))}"]
        cells.append(f"{len(values)}" + (f", then: {each.failure}" if each.failure else ""))
        cells += [_median(each, also) for also in comparison.also]
        if subject:
            cells += _ratios(subject, each, figure)
        lines.append(_row([each.contender.name, *cells]))
    fits = [_fit(measured, each) for each in (figure, *comparison.also)] if measured[0].contender.size else []
    for note in (*comparison.notes, *filter(None, fits)):
        lines += ["", note]
    return "\n".join(lines) + "\n"


def _ratios(subject: Measured, other: Measured, figure: Figure) -> list[str]:
    """The subject's figure by the other's: of the medians, and round by round, since neighbours share the machine."""
    if subject is other or not subject.turns:
        return ["", ""]
    ours, theirs = subject.values(figure), other.values(figure)
    by_round = [a / b for a, b in zip(ours, theirs)]
    of_medians = statistics.median(ours) / statistics.median(theirs)
    spread = f"{_number(statistics.median(by_round))} ({_number(min(by_round))} to {_number(max(by_round))})"
    return [_number(of_medians), spread]


def _fit(measured: Sequence[Measured], figure: Figure) -> str:
    """How a figure grows with the number of photos: the straight line through the medians, and how well it fits."""
    points = [(m.contender.size, statistics.median(m.values(figure))) for m in measured if m.turns]
    if len(points) < 3:
        return ""
    sizes, values = np.array(points).T
    slope, start = np.polyfit(sizes, values, 1)
    spread = ((values - values.mean()) ** 2).sum()
    explained = 1 - ((values - start - slope * sizes) ** 2).sum() / spread if spread else 1.0
    return (
        f"Linear fit of {figure.title}: {start:.3g} {figure.unit} and {slope * 1000:.3g} {figure.unit} for each 1,000 "
        f"photos, R² = {explained:.4f}."
    )


def _median(measured: Measured, figure: Figure) -> str:
    values = measured.values(figure)
    return _number(statistics.median(values)) if values else ""


def _number(value: float) -> str:
    """Three digits that say something: 0.0123, 1.23, 12.3, 123, 1230."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
