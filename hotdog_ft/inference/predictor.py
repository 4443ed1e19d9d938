"""Say what photos show: read ahead in threads, computed in batches, answered in order, one broken photo at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hotdog_ft.backend import cores, memory_for, mx
from hotdog_ft.data.loader import in_order
from hotdog_ft.data.photo import open_photo
from hotdog_ft.errors import ConfigError, HotdogError, ImageError
from hotdog_ft.inference.outcome import logits_of
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.fused import FusedNetwork
from hotdog_ft.runs import find_model, load_model
from hotdog_ft.training import find_devices


@dataclass(frozen=True)
class Prediction:
    """What a photo shows, or why it can't be told."""

    path: str
    label: str | None = None
    """The most probable class, or `unknown`."""
    probability: float | None = None
    """The most probable class's, between 0 and 1."""
    probabilities: dict[str, float] | None = None
    """Every class's, in the network's order; they sum to 1."""
    error: str | None = None


UNKNOWN = "unknown"
"""The answer where no class is probable enough."""


def load(
    run: str | Path = "runs/latest",
    devices: str = "auto",
    batch_size: int = 32,
    workers: int | None = None,
    unknown_below: float = 0.0,
    mirror: bool = False,
) -> Predictor:
    """The Predictor of a run's folder or a model folder. It computes on the first of `devices`.

    unknown_below, mirror: as in Predictor. Raises: RunError, ConfigError, DeviceError.
    """
    find_model(run)  # before looking for devices: this is the likelier mistake
    device = find_devices(devices)[0]
    return Predictor(load_model(run, [device]), device, batch_size, workers, unknown_below, mirror)


class Predictor:
    """A classifier ready to answer. Reads photos with `workers` threads and computes `batch_size` at once.

    unknown_below: the answer is `unknown` where the most probable class is less probable than this. mirror: answer by
    the mean of the logits of a photo and of its mirror image. Raises: ConfigError, when a class is called `unknown`.
    """

    def __init__(
        self,
        classifier: Classifier,
        device: mx.Context,
        batch_size: int = 32,
        workers: int | None = None,
        unknown_below: float = 0.0,
        mirror: bool = False,
    ) -> None:
        if unknown_below and UNKNOWN in classifier.classes:
            raise ConfigError(
                f"--unknown-below: the model has a class {UNKNOWN!r} of its own.",
                hint="Leave it out, and judge by the probabilities.",
            )
        self.classifier = classifier
        self.unknown_below = unknown_below
        self.mirror = mirror
        self.batch_size = batch_size
        self.workers = workers or cores()
        classifier.hybridize(static_alloc=True, static_shape=True)
        self._network = FusedNetwork(classifier, device)

    def predict(self, paths: Iterable[str | Path]) -> Iterator[Prediction]:
        """One Prediction for each path, in the paths' order; one that can't be read has its `error` set."""
        inputs = in_order(self._read, paths, self.workers, lead=2 * self.batch_size)
        while batch := list(itertools.islice(inputs, self.batch_size)):
            good = [image for _, image in batch if not isinstance(image, HotdogError)]
            probabilities = iter(self.predict_images(np.stack(good)) if good else ())
            for path, image in batch:
                if isinstance(image, HotdogError):
                    yield Prediction(path, error=image.message)
                else:
                    yield self._prediction(path, next(probabilities))

    def predict_images(self, X: np.ndarray) -> np.ndarray:
        """Class probabilities at the model's temperature, float32, shape (batch, classes).

        X: photos as preprocessed, uint8, shape (batch, image_size, image_size, 3). Raises: OutOfMemoryError.
        """
        with memory_for(len(X)):
            logits = logits_of(self._network, X, self.mirror)
            return (logits / (self.classifier.temperature or 1.0)).softmax(axis=1).asnumpy()

    def _read(self, path: str | Path) -> tuple[str, np.ndarray | ImageError]:
        try:
            return str(path), self.classifier.preprocess.for_test(open_photo(path))
        except ImageError as error:
            return str(path), error

    def _prediction(self, path: str, probabilities: np.ndarray) -> Prediction:
        named = {name: float(p) for name, p in zip(self.classifier.classes, probabilities)}
        label = max(named, key=lambda name: named[name])
        shown = UNKNOWN if named[label] < self.unknown_below else label
        return Prediction(path, shown, named[label], named)
