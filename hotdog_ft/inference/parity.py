"""Whether a model that was written for other programs answers as it did here, photo by photo."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from hotdog_ft.data.download import Progress
from hotdog_ft.data.loader import in_order, photo_bar
from hotdog_ft.data.photo import open_photo, read_photo
from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.errors import DataError, ImageError
from hotdog_ft.inference.predictor import Predictor

log = logging.getLogger(__name__)


class Answering(Protocol):
    """A model that was written for other programs."""

    @property
    def description(self) -> Mapping[str, Any]:
        """What it says of itself."""

    def answer(self, photo: np.ndarray) -> np.ndarray:
        """A photo's probabilities: uint8 RGB, shape (height, width, 3) -> float32, shape (classes,)."""


@dataclass(frozen=True)
class Agreement:
    """How two models' answers to the same photos compare."""

    photos: int
    largest: float
    """The largest difference between two probabilities of the same photo and class."""
    mean: float
    """Of the photos' largest differences."""
    same: int
    """Photos to which both give the same class."""

    @classmethod
    def of(cls, found: np.ndarray, expected: np.ndarray) -> Agreement:
        """found, expected: probabilities, shape (photos, classes)."""
        differences = np.abs(found - expected).max(axis=1)
        same = found.argmax(axis=1) == expected.argmax(axis=1)
        mean = float(differences.mean()) if len(found) else 0.0
        return cls(len(found), float(differences.max(initial=0)), mean, int(same.sum()))


@dataclass(frozen=True)
class Parity:
    """A written model against the one that it was made from."""

    decoded: Agreement
    """On photos whose pixels both got, decoded in full."""
    reduced: Agreement
    """On those of them that `predict` decodes at a part of their size, since they are large: it got them so."""


class _Read(NamedTuple):
    whole: np.ndarray
    prepared: np.ndarray
    reduced: np.ndarray | None
    """As `predict` prepares the photo, where that differs."""


def compare(
    exported: Answering, predictor: Predictor, paths: Sequence[Path], progress: Progress | None = None
) -> Parity:
    """Have both answer these photos. Those that can't be read are told and left out.

    Raises: DataError, when none can be read.
    """
    preprocess, workers = predictor.classifier.preprocess, predictor.workers
    found, prepared, reduced, is_reduced = [], [], [], []
    with photo_bar(progress, "photos", len(paths)) as bar:
        for photo in in_order(lambda path: _read(path, preprocess), paths, workers, lead=2 * workers):
            if isinstance(photo, ImageError):
                log.warning("Skipped: %s", photo.message)
            else:
                found.append(exported.answer(photo.whole))
                prepared.append(photo.prepared)
                is_reduced.append(photo.reduced is not None)
                if photo.reduced is not None:
                    reduced.append(photo.reduced)
            if bar is not None:
                bar.update(1)
    if not found:
        raise DataError("Not one of the photos to check by can be read.", hint="Name others with --data.")
    answers = np.stack(found)
    return Parity(
        Agreement.of(answers, _probabilities(predictor, prepared)),
        Agreement.of(answers[is_reduced], _probabilities(predictor, reduced)),
    )


def _read(path: Path, preprocess: Preprocess) -> _Read | ImageError:
    try:
        whole = read_photo(path)
        prepared, predicted = preprocess.for_test(whole), preprocess.for_test(open_photo(path))
    except ImageError as error:
        return error
    return _Read(whole, prepared, None if np.array_equal(prepared, predicted) else predicted)


def _probabilities(predictor: Predictor, images: list[np.ndarray]) -> np.ndarray:
    """float32, shape (photos, classes)."""
    size = predictor.batch_size
    batches = [np.stack(images[i : i + size]) for i in range(0, len(images), size)]
    none = np.empty((0, len(predictor.classifier.classes)), np.float32)
    return np.concatenate([none, *map(predictor.predict_images, batches)])
