"""The runs that a folder holds: what each was told, how far it came, what came out, and which of them can go.

Nothing here needs MXNet: to list runs takes no longer than to read their small files.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from hotdog_ft.config import RUNS, TrainConfig
from hotdog_ft.errors import HotdogError, RunError
from hotdog_ft.files import held

FINISHED = "finished"
BROKEN_OFF = "broken off"
RUNNING = "running"
UNREADABLE = "unreadable"

_CONFIG = "config.yaml"
_EXPERIMENT = "experiment.json"
"""In the folder of a comparison, sweep or search, which holds runs and is none."""


@dataclass(frozen=True)
class PastRun:
    """A run as its folder tells of it."""

    folder: Path
    state: str
    begun: float
    """Seconds since 1970."""
    size: int
    """Bytes of all its files."""
    config: Optional[TrainConfig] = None
    """What it was told; None if that can't be read."""
    epochs: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    """What metrics.jsonl tells of each."""

    @property
    def kept(self) -> dict[str, Any]:
        """The epoch whose model was kept; empty before the first has ended."""
        if not self.epochs:
            return {}
        if self.config and self.config.keep == "best":
            return max(self.epochs, key=lambda epoch: epoch.get("val_acc") or 0)
        return self.epochs[-1]

    @property
    def seconds(self) -> float:
        """All epochs, with their evaluation."""
        return sum(epoch["seconds"] for epoch in self.epochs)

    @property
    def checkpoint(self) -> Path:
        """What it can go on from, if that is there."""
        return self.folder / "checkpoint"

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        about = {"run": str(self.folder), "state": self.state, "begun": self.begun, "bytes": self.size}
        config = dataclasses.asdict(self.config) if self.config else None
        return {**about, "seconds": self.seconds, "epochs": len(self.epochs), **self._results(), "config": config}

    def _results(self) -> dict[str, Any]:
        return {name: self.kept.get(name) for name in ("epoch", "loss", "train_acc", "val_acc", "test_acc")}


def find_runs(place: str | Path = RUNS) -> list[PastRun]:
    """The runs in a folder, and in its comparisons, sweeps and searches, the newest first. Raises: RunError."""
    place = Path(place)
    if not place.is_dir():
        raise RunError(f"{place}: there are no runs.", hint="Train first, or name the folder that holds runs.")
    found = [read_run(folder) for folder in _run_folders(place)]
    return sorted(found, key=lambda run: (run.begun, str(run.folder)), reverse=True)


def read_run(folder: str | Path) -> PastRun:
    """The run in this folder. Raises: RunError, when there is none."""
    folder = Path(folder)
    path = folder / _CONFIG
    if not path.is_file() or (folder / _EXPERIMENT).exists():
        what = "is no run's folder" if folder.is_dir() else "there is no such run"
        raise RunError(f"{folder}: {what}.", hint="`hotdog-ft runs` lists them.")
    run = PastRun(folder, UNREADABLE, path.stat().st_mtime, _size(folder))
    try:
        config = TrainConfig.from_sources({}, file=path, environment={})
        epochs = _epochs(folder / "metrics.jsonl")
    except HotdogError:
        return run
    state = RUNNING if is_held(folder) else FINISHED if _has_ended(folder, config, epochs) else BROKEN_OFF
    return dataclasses.replace(run, state=state, config=config, epochs=epochs)


def differences(runs: Sequence[PastRun]) -> dict[str, list[Any]]:
    """The settings in which runs differ: their values, in the runs' order. Where a run went is none of them."""
    settings = [dataclasses.asdict(run.config) if run.config else {} for run in runs]
    names = [name for name in settings[0] if name != "out"]
    values = {name: [each.get(name) for each in settings] for name in names}
    return {name: those for name, those in values.items() if any(value != those[0] for value in those)}


def removable(runs: Sequence[PastRun], broken_off: bool = False, keep: Optional[int] = None) -> list[PastRun]:
    """Those that can go. runs: the newest first. keep: how many of the finished ones stay.

    What is running, what runs/latest points to, and what can't be read, always stays.
    """
    latest = (RUNS / "latest").resolve()
    mine = [run for run in runs if run.folder.resolve() != latest]
    finished = [run for run in runs if run.state == FINISHED]
    surplus = finished[keep:] if keep is not None else []
    return [run for run in mine if (broken_off and run.state == BROKEN_OFF) or run in surplus]


def remove(folder: Path) -> None:
    """Remove a run's folder, or its checkpoint: at once, so that a half of it never looks like the whole.

    Raises: RunError, when another process is at work in it; OSError.
    """
    folder = folder.resolve()  # it may be named by runs/latest
    with held(folder, hint="Let it finish first."):
        temporary = folder.with_name(f".{folder.name[:64]}-removed-{os.getpid()}")
        folder.rename(temporary)
        shutil.rmtree(temporary)
    latest = RUNS / "latest"
    if latest.is_symlink() and not latest.exists():
        latest.unlink()


def is_held(folder: Path) -> bool:
    """Whether a process is at work in a run's folder."""
    try:
        with held(folder, hint=""):
            return False
    except RunError:
        return True


def _run_folders(place: Path) -> list[Path]:
    """Links, as runs/latest is one, don't count."""
    found = []
    for folder in sorted(each for each in place.iterdir() if each.is_dir() and not each.is_symlink()):
        if (folder / _EXPERIMENT).exists():
            found += _run_folders(folder)
        elif (folder / _CONFIG).is_file() and not folder.name.startswith("."):
            found.append(folder)
    return found


def _epochs(path: Path) -> tuple[dict[str, Any], ...]:
    if not path.is_file():
        return ()
    try:
        epochs = tuple(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
        for epoch in epochs:
            float(epoch["loss"] + epoch["seconds"] + epoch["epoch"])
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise RunError(f"{path}: not what hotdog-ft wrote ({error}).", hint="Remove the run.") from error
    return epochs


def _has_ended(folder: Path, config: TrainConfig, epochs: Sequence[dict[str, Any]]) -> bool:
    """Whether all that was asked for is there."""
    if not epochs or not (folder / "model" / "model.json").is_file():
        return False
    return config.method == "probe" or epochs[-1]["epoch"] >= config.epochs


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # one that has just been replaced
                total += os.lstat(os.path.join(place, name)).st_size
    return total
