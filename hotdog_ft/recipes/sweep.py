"""The book's first exercise: what one setting does. A training for each value and seed, judged apart from test/."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np

from hotdog_ft.config import TrainConfig, option_name
from hotdog_ft.data.download import Progress
from hotdog_ft.errors import ConfigError
from hotdog_ft.files import replacing, write_text
from hotdog_ft.recipes.compare import as_csv, finished_row
from hotdog_ft.recipes.experiment import Experiment, Point, judged_apart, look_at_data
from hotdog_ft.report.comparison import draw_sweep
from hotdog_ft.stats import mean_interval, wilson_interval


@dataclass(frozen=True)
class Value:
    """One value of the setting, and its trainings, one a seed."""

    value: Any
    points: tuple[Point, ...]
    judges: int
    """How many photos val_acc was measured on."""

    @property
    def finished(self) -> list[Point]:
        """Those that did not diverge."""
        return [point for point in self.points if point.diverged_at is None]

    @property
    def diverged(self) -> list[int]:
        """The epochs in which the others did."""
        return [point.diverged_at for point in self.points if point.diverged_at is not None]

    def mean(self, name: str) -> float:
        """The mean over the seeds that did not diverge, of a field of EpochResult."""
        return float(np.mean([getattr(point.result, name) for point in self.finished]))

    def interval(self) -> tuple[float, float]:
        """Of the validation accuracy: Student's over the seeds, or Wilson's over the photos when there is one seed."""
        accuracies = [point.result.val_acc or 0.0 for point in self.finished]
        if len(accuracies) == 1:
            return wilson_interval(round(accuracies[0] * self.judges), self.judges)
        _, low, high = mean_interval(accuracies)
        return max(low, 0.0), min(high, 1.0)


@dataclass(frozen=True)
class Sweep:
    """What came out, in the order of the values asked for."""

    folder: Path
    option: str
    seeds: tuple[int, ...]
    values: tuple[Value, ...]

    @property
    def best(self) -> Optional[Value]:
        """The highest mean validation accuracy, of the values at which no seed diverged."""
        whole = [value for value in self.values if not value.diverged]
        return max(whole, key=lambda value: value.mean("val_acc"), default=None)


def sweep(
    configs: Sequence[TrainConfig],
    option: str,
    seeds: int = 1,
    on_point: Callable[[str, Point], None] | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Train with each configuration, which differ in `option` alone, and each seed from theirs on.

    Writes sweep.csv and sweep.png. on_point: called with a line that names the training, and what it came to.
    Raises: what fine_tune raises, but for DivergedError: that is a result; ConfigError, for what a probe doesn't use.
    """
    if configs[0].method == "probe" and option not in ("image_size", "batch_size"):
        raise ConfigError(
            f"{option_name(option)}: a probe doesn't use it, so there is nothing to see.",
            hint="Use --method finetune or lp-ft, or sweep --image-size.",
        )
    first, judges = judged_apart(configs[0], "sweep", progress)
    configs = [dataclasses.replace(config, val_split=first.val_split) for config in configs]
    fingerprint = look_at_data(first, progress)
    experiment = Experiment.open(
        "sweep", first, fingerprint, kind=f"sweep of {option}", free=(option,), progress=progress
    )
    numbers = tuple(range(first.seed, first.seed + seeds))
    values = []
    with experiment.at_work():
        for config in configs:
            value = getattr(config, option)
            points = []
            for seed in numbers:
                point = experiment.train(
                    f"{option}-{value}-seed-{seed}",
                    dataclasses.replace(config, seed=seed),
                    progress=progress,
                    keep_run=False,
                )
                points.append(point)
                if on_point:
                    on_point(f"{option} {value}, seed {seed}", point)
            values.append(Value(value, tuple(points), judges))
        result = Sweep(experiment.folder, option, numbers, tuple(values))
        _write(result)
    return result


def _write(result: Sweep) -> None:
    """sweep.csv and sweep.png."""
    rows: list[dict] = []
    for value in result.values:
        for seed, point in zip(result.seeds, value.points):
            row: dict = {result.option: value.value, "seed": seed, "diverged_at": point.diverged_at}
            if point.diverged_at is None:
                figures = finished_row(point)
                row.update({name: figure for name, figure in figures.items() if not name.startswith("test_acc_")})
            rows.append(row)
    write_text(result.folder / "sweep.csv", as_csv(rows))
    drawn = {float(value.value): [_accuracies(point) for point in value.points] for value in result.values}
    with replacing(result.folder / "sweep.png") as path:
        draw_sweep(result.option.replace("_", " "), drawn, path)


def _accuracies(point: Point) -> tuple[float, float] | None:
    """On the validation and the test photos; None when it diverged."""
    if point.diverged_at is not None or point.result.val_acc is None or point.result.test_acc is None:
        return None
    return point.result.val_acc, point.result.test_acc
