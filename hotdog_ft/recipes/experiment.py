"""Trainings that belong together: their folder, which of them are finished, and going on after any interruption.

    config.yaml      what was asked for, as --config reads it
    experiment.json  the same, and what else every training depends on: asking for something else is refused
    points.jsonl     a line for each finished training
    NAME/            the run's folder of the training of that name

Every file is written beside its place and renamed. A training that was interrupted is begun anew, a finished one never.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from hotdog_ft.config import TrainConfig, option_name
from hotdog_ft.data.check import warn_about
from hotdog_ft.data.download import Progress
from hotdog_ft.data.sources import open_source
from hotdog_ft.errors import ConfigError, DivergedError, InterruptedRunError, RunError
from hotdog_ft.files import held, write_text
from hotdog_ft.models.weights import find_weights
from hotdog_ft.recipes.fine_tune import fine_tune
from hotdog_ft.runs import Run, next_epoch
from hotdog_ft.training import EpochResult, find_devices

SETTINGS = "experiment.json"
POINTS = "points.jsonl"
COSTS_TIME_ONLY = ("out", "kvstore", "workers", "cache", "checkpoint_every")
"""What may differ when an experiment is taken up again: no result depends on it."""


@dataclass(frozen=True)
class Point:
    """What one training came to."""

    name: str
    results: tuple[EpochResult, ...]
    diverged_at: Optional[int] = None
    """The epoch in which the loss ceased to be a number; None if it never did."""
    right: Optional[str] = None
    """For each test photo: 1 if the finished network gets it right, 0 if not, - if it can't be read."""
    kept: int = -1
    """The position in `results` of the epoch whose model was kept."""

    @property
    def result(self) -> EpochResult:
        """The kept epoch's, of a training that did not diverge."""
        return self.results[self.kept]

    @property
    def seconds(self) -> float:
        """All whole epochs, with their evaluation."""
        return sum(result.seconds for result in self.results)

    @classmethod
    def from_json(cls, line: str) -> Point:
        """What `to_json` wrote."""
        values = json.loads(line)
        return cls(**{**values, "results": tuple(EpochResult(**result) for result in values["results"])})

    def to_json(self) -> str:
        """One line."""
        return json.dumps(dataclasses.asdict(self))


class Experiment:
    """A folder of trainings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.points: dict[str, Point] = {}
        """The finished trainings by name, read when work begins."""

    @classmethod
    def open(
        cls,
        command: str,
        config: TrainConfig,
        data_fingerprint: str,
        kind: str | None = None,
        free: tuple[str, ...] = (),
        progress: Progress | None = None,
        **depends: Any,
    ) -> Experiment:
        """Begin an experiment, or take up the one in `config.out`.

        kind: what the experiment is called, if not as the command. free: settings that differ from training to
        training. depends: what else they all depend on.
        Raises: ConfigError, when the one in the folder was begun with other settings; RunError; and, before a folder is
        made, what would end every training: DeviceError, DownloadError, WeightsError.
        """
        shared = dataclasses.asdict(config)
        for name in (*COSTS_TIME_ONLY, *free):
            del shared[name]
        settings = {"kind": kind or command, "data_fingerprint": data_fingerprint, **depends, **shared}
        out = Path(config.out) if config.out else None
        if out and (out / SETTINGS).is_file():
            check_same(settings, _read_settings(out / SETTINGS), out)
            return cls(out)
        find_devices(config.devices)
        find_weights(config.model, config.weights, progress)
        if out:
            _clear_false_start(out)
        folder = Run.create(command, config).folder
        write_text(folder / SETTINGS, json.dumps(settings, indent=2) + "\n")
        return cls(folder)

    def train(
        self,
        name: str,
        config: TrainConfig,
        on_epoch: Callable[[EpochResult], None] | None = None,
        progress: Progress | None = None,
        after: Callable[[Path], str] | None = None,
        keep_run: bool = True,
    ) -> Point:
        """The training of this name: from the folder if it is finished, else done now. Divergence is a result.

        after: called with the finished run's folder, gives `Point.right`. keep_run: else its folder is removed.
        """
        if name not in self.points:
            folder = self.folder / name
            point = train_once(name, config, folder, on_epoch, progress)
            if after and point.diverged_at is None:
                point = dataclasses.replace(point, right=after(folder))
            self.points[name] = point
            if not keep_run:
                shutil.rmtree(folder, ignore_errors=True)
            write_text(self.folder / POINTS, "".join(point.to_json() + "\n" for point in self.points.values()))
        return self.points[name]

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Hold the folder alone for the block, and say after Ctrl-C what is kept and how to go on.

        Raises: RunError, when another process holds it; InterruptedRunError.
        """
        with held(self.folder, hint="Wait for it, or name another folder with --out."):
            self.points = _read_points(self.folder / POINTS)
            try:
                yield
            except (KeyboardInterrupt, InterruptedRunError):
                raise InterruptedRunError(
                    f"Interrupted. What was finished is kept in {self.folder}.",
                    hint=f"Run the same command with --out {self.folder} to go on from there.",
                ) from None


def train_once(
    name: str,
    config: TrainConfig,
    folder: Path,
    on_epoch: Callable[[EpochResult], None] | None = None,
    progress: Progress | None = None,
    test: bool = True,
) -> Point:
    """Train into `folder`. test: as in fine_tune."""
    shutil.rmtree(folder, ignore_errors=True)  # what a killed one left
    results: list[EpochResult] = []

    def keep(result: EpochResult) -> None:
        results.append(result)
        if on_epoch:
            on_epoch(result)

    try:
        run = fine_tune(
            dataclasses.replace(config, out=str(folder)),
            on_epoch=keep,
            progress=progress,
            test=test,
            check=False,
            resumable=False,
        )
    except DivergedError:
        return Point(name, tuple(results), diverged_at=next_epoch(results))
    return Point(name, tuple(run.results), kept=run.kept)


def look_at_data(config: TrainConfig, progress: Progress | None = None) -> str:
    """Warn of what is wrong with the data, once for all trainings. Returns its fingerprint. Raises: DataError."""
    data = open_source(config.data, config.seed, config.val_split, progress)
    warn_about(data, config.data)
    return data.fingerprint()


def judged_apart(config: TrainConfig, command: str, progress: Progress | None = None) -> tuple[TrainConfig, int]:
    """The configuration with photos to choose by: the data's own val/, else a part of train/. Returns their number too.

    Raises: ConfigError, when there would be none but test/.
    """
    data = open_source(config.data, config.seed, 0.0, progress)
    if data.validation:
        return dataclasses.replace(config, val_split=0.0), len(data.validation)
    if not config.val_split:
        raise ConfigError(
            f"--val-split: 0 leaves {command} nothing to choose by but the test photos.",
            hint="Hold a part of train/ out, as in --val-split 0.2: what is chosen on test/ looks better than it is.",
        )
    held_out = data.hold_out(config.val_split, config.seed).validation
    assert held_out
    return config, len(held_out)


def _read_points(path: Path) -> dict[str, Point]:
    """The finished trainings by name. Raises: RunError."""
    if not path.is_file():
        return {}
    try:
        points = [Point.from_json(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path}: not what hotdog-ft wrote ({error}).", hint="Name another folder with --out."
        ) from error
    return {point.name: point for point in points}


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        return dict(settings)
    except (ValueError, TypeError) as error:
        raise RunError(
            f"{path}: not what hotdog-ft wrote ({error}).", hint="Name another folder with --out."
        ) from error


def check_same(settings: Mapping[str, Any], begun: Mapping[str, Any], where: object) -> None:
    """Raises ConfigError, naming the first setting that differs."""
    defaults = dataclasses.asdict(TrainConfig())
    for name, value in settings.items():
        before = begun.get(name, defaults.get(name))
        if value == before:
            continue
        hint = "Give the settings it was begun with, or name another folder with --out."
        if name == "data_fingerprint":
            raise ConfigError(f"--data: other photos than {where} was begun with.", hint=hint)
        if name == "kind":
            raise ConfigError(f"--out: {where} was begun as a {before}, this is a {value}.", hint=hint)
        raise ConfigError(f"{option_name(name)}: {value}, but {where} was begun with {before}.", hint=hint)


def _clear_false_start(folder: Path) -> None:
    """Empty a folder in which a killed process has left nothing but the beginnings of an experiment."""
    if not folder.is_dir():
        return
    paths = list(folder.iterdir())
    if all(path.name == "config.yaml" or path.name.startswith((".config-", ".experiment-")) for path in paths):
        for path in paths:
            path.unlink()
