"""Follow a run in TensorBoard or MLflow: local files in the run's folder, unless MLFLOW_TRACKING_URI says otherwise."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hotdog_ft.errors import ConfigError
from hotdog_ft.training.trainer import EpochResult

Track = Callable[[EpochResult], None]
PACKAGES = {"tensorboard": "tensorboardX", "mlflow": "mlflow"}
TAGS = {
    "loss": "loss/train",
    "train_acc": "accuracy/train",
    "val_acc": "accuracy/val",
    "test_acc": "accuracy/test",
    "lr": "lr",
    "examples_per_sec": "examples_per_sec",
}
"""An EpochResult's values, and what they are called elsewhere."""


def check_tracker(name: str) -> None:
    """Raise ConfigError when what `name` (none, tensorboard, mlflow) needs is not installed. Imports nothing."""
    if name != "none" and importlib.util.find_spec(PACKAGES[name]) is None:
        raise ConfigError(
            f"--track {name}: {PACKAGES[name]} is not installed.", hint=f"Run: pip install 'hotdog-ft[{name}]'."
        )


@contextlib.contextmanager
def tracking(name: str, folder: Path, settings: Mapping[str, Any]) -> Iterator[Track]:
    """Give a function that tells an epoch's result to `name`: none, tensorboard or mlflow.

    folder: the run's. settings: the run's configuration, of which MLflow and TensorBoard keep a copy.
    """
    opened = {"none": _nowhere, "tensorboard": _tensorboard, "mlflow": _mlflow}[name]
    with opened(folder, settings) as track:
        yield track


@contextlib.contextmanager
def _nowhere(folder: Path, settings: Mapping[str, Any]) -> Iterator[Track]:
    yield lambda result: None


@contextlib.contextmanager
def _tensorboard(folder: Path, settings: Mapping[str, Any]) -> Iterator[Track]:
    from tensorboardX import SummaryWriter

    def track(result: EpochResult) -> None:
        for name, value in _measured(result).items():
            writer.add_scalar(TAGS[name], value, result.epoch)
        writer.flush()

    writer = SummaryWriter(str(folder / "tensorboard"))
    try:
        lines = [f"    {name}: {value}" for name, value in settings.items()]  # indented: Markdown's code
        writer.add_text("config", "\n".join(lines))
        yield track
    finally:
        writer.close()


@contextlib.contextmanager
def _mlflow(folder: Path, settings: Mapping[str, Any]) -> Iterator[Track]:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault(
        "MLFLOW_ALLOW_FILE_STORE", "true"
    )  # which newer versions ask for; a database needs SQLAlchemy
    import mlflow

    def track(result: EpochResult) -> None:
        mlflow.log_metrics({TAGS[name]: value for name, value in _measured(result).items()}, step=result.epoch)

    if "MLFLOW_TRACKING_URI" not in os.environ:
        mlflow.set_tracking_uri((folder / "mlflow").absolute().as_uri())
    with mlflow.start_run(run_name=folder.name):
        mlflow.log_params(dict(settings))
        yield track


def _measured(result: EpochResult) -> dict[str, float]:
    values = dataclasses.asdict(result)
    return {name: values[name] for name in TAGS if values[name] is not None}
