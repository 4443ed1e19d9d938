"""What a classifier says of every photo of a labelled split: what all judgements of it rest on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hotdog_ft.backend import cores, memory_for, mx, nd
from hotdog_ft.data.download import Progress
from hotdog_ft.data.folder import Split
from hotdog_ft.data.loader import PhotoLoader, photo_bar
from hotdog_ft.errors import RunError
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.fused import FusedNetwork
from hotdog_ft.models.photo_input import photos_on


@dataclass(frozen=True)
class Outcome:
    """Answers to the photos that could be read, in the split's order."""

    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: np.ndarray
    """What the photos show: int32, shape (photos,)."""
    logits: np.ndarray
    """float32, shape (photos, classes)."""

    @property
    def right(self) -> np.ndarray:
        """Whether each answer is right: bool, shape (photos,)."""
        return self.logits.argmax(axis=1) == self.labels

    @property
    def accuracy(self) -> float:
        """The part of the answers that is right."""
        return float(self.right.mean())

    def probabilities(self, temperature: float = 1.0) -> np.ndarray:
        """float64, shape (photos, classes). temperature: what the logits are divided by (Guo et al., 2017)."""
        scaled = self.logits.astype(np.float64) / temperature
        exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)


def logits_of(network: FusedNetwork, X: np.ndarray, mirror: bool = False) -> nd.NDArray:
    """Logits, float32, shape (batch, classes), not yet waited for.

    X: uint8, shape (batch, height, width, 3). mirror: the mean of a photo's logits and its mirror image's.
    """
    logits = network(photos_on(network.device, X))
    if not mirror:
        return logits
    logits = logits.copy()  # with static memory, the second call writes where the first one's result is
    return (logits + network(photos_on(network.device, X[:, :, ::-1]))) / 2


def answer(
    classifier: Classifier,
    split: Split,
    device: mx.Context,
    batch_size: int = 32,
    workers: int | None = None,
    progress: Progress | None = None,
    mirror: bool = False,
    strict: bool = False,
) -> Outcome:
    """Classify every photo. Those that can't be read are told and left out.

    mirror: use the mean of the logits of a photo and of its mirror image. Raises: DataError, when none can be read;
    ImageError, with `strict`, for the first of them; RunError, when the answers are no numbers; OutOfMemoryError.
    """
    network = FusedNetwork(classifier, device)
    loader = PhotoLoader(split, classifier.preprocess.for_test, batch_size, workers or cores(), strict=strict)
    parts = []
    with memory_for(batch_size), photo_bar(progress, "photos", len(split)) as bar:
        for batch in loader.epoch():
            parts.append(logits_of(network, batch.X, mirror).asnumpy())
            if bar is not None:
                bar.update(len(batch.X))
    photos = split.take(loader.good)
    outcome = Outcome(classifier.classes, photos.paths, photos.labels, np.concatenate(parts))
    if not np.isfinite(outcome.logits).all():
        raise RunError("The model's outputs are no numbers.", hint="Its training has diverged: train again.")
    return outcome
