"""The book's comparison: fine-tuned against from scratch, the same photos and seeds, each at its own learning rate."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hotdog_ft import training
from hotdog_ft.config import SCRATCH_DEFAULTS, TrainConfig
from hotdog_ft.data.download import Progress
from hotdog_ft.data.folder import Split
from hotdog_ft.data.sources import open_source
from hotdog_ft.errors import ConfigError
from hotdog_ft.files import replacing, write_text
from hotdog_ft.inference.outcome import answer
from hotdog_ft.recipes.experiment import Experiment, Point, look_at_data
from hotdog_ft.report.comparison import draw_comparison
from hotdog_ft.runs import load_model
from hotdog_ft.stats import PairedDifference, mean_interval, paired_difference, wilson_interval

NAMES = {"finetune": "fine-tuned", "scratch": "from scratch", "freeze": "frozen features", "probe": "probe"}
"""The ways to train that can be compared, as people call them."""


@dataclass(frozen=True)
class Comparison:
    """What came out, for each way to train one Point a seed, in the seeds' order."""

    folder: Path
    seeds: tuple[int, ...]
    points: dict[str, list[Point]]

    def mean_difference(self, way: str, other: str) -> tuple[float, float, float] | None:
        """Over the seeds of which both finished, with Student's interval; None when that is but one."""
        values = [d.difference for d in self.differences(way, other) if d]
        if len(values) < 2:
            return None
        mean, low, high = mean_interval(values)
        return mean, max(-1.0, low), min(1.0, high)

    def differences(self, way: str, other: str) -> list[PairedDifference | None]:
        """Of each seed's two networks on the same test photos; None where one diverged."""
        return [difference(a, b) for a, b in zip(self.points[way], self.points[other])]


def compare(
    config: TrainConfig,
    seeds: int = 3,
    scratch_lr: float = SCRATCH_DEFAULTS["lr"],
    also: Sequence[str] = (),
    on_point: Callable[[str, Point], None] | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Train each way with each seed, from config.seed on; write compare.json, compare.csv and compare.png.

    on_point: called with a line that names the training, and what it came to.
    Raises: what fine_tune raises, but for DivergedError: that is a result.
    """
    ways = ways_to_train(config, scratch_lr, also)
    fingerprint = look_at_data(config, progress)
    experiment = Experiment.open("compare", config, fingerprint, progress=progress, scratch_lr=scratch_lr)
    numbers = tuple(range(config.seed, config.seed + seeds))
    points: dict[str, list[Point]] = {way: [] for way in ways}
    with experiment.at_work():
        for seed in numbers:
            for way, its_config in ways.items():
                seeded = dataclasses.replace(its_config, seed=seed)
                point = experiment.train(
                    f"{way}-seed-{seed}",
                    seeded,
                    progress=progress,
                    after=lambda run, seeded=seeded: right_answers(run, seeded, progress),  # type: ignore[misc]
                )
                points[way].append(point)
                if on_point:
                    on_point(f"{NAMES[way]}, seed {seed}", point)
        result = Comparison(experiment.folder, numbers, points)
        _write(result)
    return result


def ways_to_train(config: TrainConfig, scratch_lr: float, also: Sequence[str] = ()) -> dict[str, TrainConfig]:
    """The configuration of each way. Raises: ConfigError."""
    if config.weights == "none":
        raise ConfigError(
            "--weights: none leaves nothing to fine-tune from, to compare with training from scratch.",
            hint="Give --weights imagenet, or a file.",
        )
    ways = {"finetune": config, "scratch": from_scratch(config, scratch_lr)}
    further = {
        "freeze": dataclasses.replace(config, freeze_features=True, method="finetune"),
        "probe": dataclasses.replace(config, method="probe"),
    }
    for way in also:
        if way not in further:
            raise ConfigError(
                f"--also: {way!r} is no way to train that compare knows.", hint="Use --also freeze, probe, or both."
            )
        if further[way] == config:
            raise ConfigError(f"--also: the fine-tuning is {way} already.", hint="Leave one of them out.")
        ways[way] = further[way]
    return ways


def from_scratch(config: TrainConfig, lr: float) -> TrainConfig:
    """The same training from random values, in which all layers learn, equally fast."""
    return dataclasses.replace(
        config,
        **{**SCRATCH_DEFAULTS, "lr": lr},
        method="finetune",
        output_init="xavier",
        freeze_features=False,
        freeze_batch_norm=False,
    )


def right_answers(run: Path, config: TrainConfig, progress: Progress | None = None) -> str:
    """Which test photos the run's network gets right: `Point.right`."""
    device = training.find_devices(config.devices)[0]
    test = open_source(config.data, config.seed, config.val_split).test
    return judge(run, test, device, config, progress)


def judge(run: Path, test: Split, device, config: TrainConfig, progress: Progress | None = None) -> str:
    """`1`, `0` or `-` for each photo of the split."""
    outcome = answer(load_model(run, [device]), test, device, config.batch_size, config.workers, progress)
    right = dict(zip(outcome.paths, outcome.right))
    return "".join("-" if path not in right else str(int(right[path])) for path in test.paths)


def difference(first: Point, second: Point) -> PairedDifference | None:
    """Of two finished trainings, on the test photos that both could read; None when one diverged."""
    if not first.right or not second.right:
        return None
    pairs = [(a == "1", b == "1") for a, b in zip(first.right, second.right) if "-" not in (a, b)]
    return paired_difference(*np.array(pairs, bool).T)


def accuracy(point: Point) -> tuple[float, float, float]:
    """Test accuracy of a finished training and its Wilson interval."""
    right = (point.right or "").replace("-", "")
    return (right.count("1") / len(right), *wilson_interval(right.count("1"), len(right)))


def _write(result: Comparison) -> None:
    """compare.json, compare.csv, compare.png."""
    rows = [
        {
            "training": way,
            "seed": seed,
            "diverged_at": point.diverged_at,
            **({"epochs": len(point.results), **finished_row(point)} if point.diverged_at is None else {}),
        }
        for way, points in result.points.items()
        for seed, point in zip(result.seeds, points)
    ]
    others = [way for way in result.points if way != "finetune"]
    pairs = []
    for other in others:
        by_seed = result.differences("finetune", other)
        mean = result.mean_difference("finetune", other)
        pairs.append(
            {
                "first": "finetune",
                "second": other,
                "by_seed": [
                    {"seed": seed, **dataclasses.asdict(d)} if d else {"seed": seed, "diverged": True}
                    for seed, d in zip(result.seeds, by_seed)
                ],
                "mean_over_seeds": dict(zip(("mean", "low", "high"), mean)) if mean else None,
            }
        )
    described = {"seeds": list(result.seeds), "trainings": rows, "differences": pairs}
    write_text(result.folder / "compare.json", json.dumps(described, indent=2) + "\n")
    write_text(result.folder / "compare.csv", as_csv(rows))
    with replacing(result.folder / "compare.png") as path:
        draw_comparison({NAMES[way]: [p.results for p in points] for way, points in result.points.items()}, path)


def finished_row(point: Point) -> dict[str, float | None]:
    """The figures of a training that did not diverge."""
    kept = point.result
    acc, low, high = accuracy(point) if point.right else (kept.test_acc, None, None)
    return {
        "loss": kept.loss,
        "train_acc": kept.train_acc,
        "val_acc": kept.val_acc,
        "test_acc": acc,
        "test_acc_low": low,
        "test_acc_high": high,
        "examples_per_sec": kept.examples_per_sec,
        "seconds": point.seconds,
    }


def as_csv(rows: Sequence[dict]) -> str:
    """Rows with a header; what a row lacks is left empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
