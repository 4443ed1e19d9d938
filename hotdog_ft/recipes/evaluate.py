"""Judge a run's model on labelled photos: its own test part, or any folder or ZIP."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hotdog_ft.config import TrainConfig
from hotdog_ft.data.download import Progress
from hotdog_ft.data.folder import Split
from hotdog_ft.data.labelled import match_classes, open_labelled
from hotdog_ft.data.sources import open_source
from hotdog_ft.errors import DataError, RunError
from hotdog_ft.inference.evaluate import Evaluation, evaluate
from hotdog_ft.inference.outcome import answer
from hotdog_ft.runs import find_model, load_model
from hotdog_ft.training import find_devices

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluated:
    """What was judged, on what, and what came out."""

    run: str
    data: str
    part: str
    """train, val, test, or all: a folder without parts."""
    mirror: bool
    skipped: int
    """Photos that couldn't be read."""
    evaluation: Evaluation

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        about = {"run": self.run, "data": self.data, "split": self.part, "tta": "flip" if self.mirror else "none"}
        return {**about, "skipped": self.skipped, **self.evaluation.to_dict()}


def evaluate_run(
    run: str | Path = "runs/latest",
    data: str | None = None,
    part: str | None = None,
    devices: str = "auto",
    batch_size: int = 32,
    workers: int | None = None,
    mirror: bool = False,
    progress: Progress | None = None,
) -> Evaluated:
    """Judge the model of a run's folder or a model folder.

    data: hotdog, demo, a folder or a ZIP; the run's own unless given. part: train, val or test; test unless given, or
    all of a folder without parts. mirror: answer by the mean of a photo and its mirror image.
    Raises: ConfigError, DataError, DeviceError, DownloadError, RunError.
    """
    folder = find_model(run)
    device = find_devices(devices)[0]
    classifier = load_model(run, [device])
    classifier.hybridize(static_alloc=True, static_shape=True)
    if data is None:
        data, split, part = own_photos(folder, classifier.classes, part or "test", progress)
    else:
        split, part = open_labelled(data, classifier.classes, part, progress)
        if part == "all" and _was_trained_on(folder, data):
            log.warning(
                "%s: the model was trained on a part of these photos. Leave --data out to judge it by its test part.",
                data,
            )
    outcome = answer(classifier, split, device, batch_size, workers, progress, mirror)
    found = evaluate(outcome, classifier.temperature)
    return Evaluated(str(run), data, part, mirror, len(split) - found.total, found)


def own_photos(model: Path, classes: tuple[str, ...], part: str, progress: Progress | None) -> tuple[str, Split, str]:
    """The data that a run was trained on, as it was then split: its name, the part's photos, and the part."""
    path = model.parent / "config.yaml"
    if not path.is_file():
        raise RunError(f"{model}: is a model without its run, which names no photos.", hint="Name some with --data.")
    config = TrainConfig.from_sources({}, path, environment={})
    if config.data not in ("hotdog", "demo") and not Path(config.data).exists():
        raise DataError(
            f"{config.data}: the photos that {model.parent} was trained on are not there.",
            hint="Name some with --data, or go to the folder where the training was started.",
        )
    folder = open_source(config.data, config.seed, config.val_split, progress)
    split = {"train": folder.train, "val": folder.validation, "test": folder.test}[part]
    if split is None:
        raise DataError(
            f"--split val: {model.parent} was trained without a validation part.",
            hint="Choose test, or train again with --val-split.",
        )
    described = json.loads((model / "model.json").read_text(encoding="utf-8"))
    if described.get("data_fingerprint") not in (None, "", folder.fingerprint()):
        log.warning(
            "%s: other photos than when the model was trained; some that it was trained on may be in %s.",
            config.data,
            part,
        )
    numbers = match_classes(folder.classes, classes, config.data)
    return config.data, Split(split.paths, np.array(numbers, dtype=np.int32)[split.labels]), part


def _was_trained_on(model: Path, data: str) -> bool:
    """Whether `data` is what the run was trained on, as far as can be told."""
    path = model.parent / "config.yaml"
    if not path.is_file() or not Path(data).exists():
        return False
    own = Path(TrainConfig.from_sources({}, path, environment={}).data)
    return own.exists() and own.samefile(data)
