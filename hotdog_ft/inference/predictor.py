"""Say what photos show: read ahead in threads, computed in batches, answered in order, one broken photo at a time."""

from __future__ import annotations

import functools
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional, Union, overload

import numpy as np

from hotdog_ft.backend import cores, memory_for, mx
from hotdog_ft.data.address import is_url
from hotdog_ft.data.photo import ARRAY, LARGEST, PhotoBytes, PhotoSource, open_photo
from hotdog_ft.data.stream import Pause, in_batches
from hotdog_ft.data.web_photo import fetch_photo
from hotdog_ft.errors import ConfigError, ImageError
from hotdog_ft.inference.explain import SHOWN, Explainer, overlay
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
    thumbnail: Optional[np.ndarray] = field(default=None, repr=False, compare=False)
    """The photo in small, where asked for: uint8 RGB, shape (height, width, 3)."""
    data: Optional[bytes] = field(default=None, repr=False, compare=False)
    """The bytes of a photo that isn't a file, where asked for."""
    explanation: Optional[np.ndarray] = field(default=None, repr=False, compare=False)
    """What the network saw, coloured where it looked, where asked for: uint8 RGB, shape (SHOWN, SHOWN, 3)."""
    explanation_path: Optional[str] = None
    """The file that it was written to, where it was."""


@dataclass(frozen=True)
class ReadPhoto:
    """What came of reading a photo: `image`, as preprocessed, or `error`. The rest as in Prediction."""

    path: str
    image: Optional[np.ndarray] = None
    error: Optional[ImageError] = None
    thumbnail: Optional[np.ndarray] = None
    data: Optional[bytes] = None
    shown: Optional[np.ndarray] = None
    """What the network sees of the photo, for people: uint8 RGB, shape (SHOWN, SHOWN, 3)."""


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

    @functools.cached_property
    def explainer(self) -> Explainer:
        """What tells where the network looked. Raises: RunError, when nothing can."""
        return Explainer(self.classifier, self._network.device)

    @overload
    def predict(  # type: ignore[overload-overlap]  # a str is an Iterable[str], too, but one photo
        self, photos: PhotoSource, thumbnail: int = 0, keep_data: bool = False, explain: bool = False
    ) -> Prediction: ...

    @overload
    def predict(
        self,
        photos: Iterable[Union[PhotoSource, Pause]],
        thumbnail: int = 0,
        keep_data: bool = False,
        explain: bool = False,
    ) -> Generator[Prediction, None, None]: ...

    def predict(
        self,
        photos: Union[PhotoSource, Iterable[Union[PhotoSource, Pause]]],
        thumbnail: int = 0,
        keep_data: bool = False,
        explain: bool = False,
    ) -> Union[Prediction, Generator[Prediction, None, None]]:
        """Of one photo its Prediction; of many one for each, in their order, each as soon as it can be.

        photos: one, or as many as there are: paths, addresses (http, https), bytes with a name, or arrays (uint8 RGB,
        shape (height, width, 3)). Where they come slowly, PAUSE among them has all before it answered. thumbnail: the
        longer side of the thumbnails, in pixels; 0 for none. keep_data: whether predictions have the bytes of what
        isn't a file. explain: whether they have an explanation, of the most probable class. Raises: ImageError, when
        the one photo can't be read; of many, that one has its `error` set; RunError, when nothing can be explained.
        """
        if isinstance(photos, (str, Path, PhotoBytes)) or (isinstance(photos, np.ndarray) and photos.ndim == 3):
            (prediction,) = self._answers([photos], thumbnail, keep_data, explain)
            if prediction.error is not None:
                raise ImageError(prediction.error, hint="Give another photo, or the right path.")
            return prediction
        return self._answers(photos, thumbnail, keep_data, explain)

    def _answers(
        self, photos: Iterable[Union[PhotoSource, Pause]], thumbnail: int, keep_data: bool, explain: bool
    ) -> Generator[Prediction, None, None]:
        unwanted = threading.Event()
        read = functools.partial(
            self.read, unwanted=unwanted, thumbnail=thumbnail, keep_data=keep_data, explain=explain
        )
        try:
            for batch in in_batches(read, photos, self.workers, self.batch_size):
                yield from self.judge(batch)
        finally:
            unwanted.set()

    def predict_images(self, X: np.ndarray) -> np.ndarray:
        """Class probabilities at the model's temperature, float32, shape (batch, classes).

        X: photos as preprocessed, uint8, shape (batch, image_size, image_size, 3). Raises: OutOfMemoryError.
        """
        with memory_for(len(X)):
            logits = logits_of(self._network, X, self.mirror)
            return (logits / (self.classifier.temperature or 1.0)).softmax(axis=1).asnumpy()

    def read(
        self,
        source: PhotoSource,
        unwanted: Optional[threading.Event] = None,
        thumbnail: int = 0,
        keep_data: bool = False,
        explain: bool = False,
        largest: int = LARGEST,
    ) -> ReadPhoto:
        """A photo made ready for `judge`, in any thread. The rest as in predict.

        unwanted: set when nobody waits for it any more. largest: the most pixels that it may have.
        """
        name = _name(source)
        preprocess = self.classifier.preprocess
        try:
            if isinstance(source, str) and is_url(source):
                source = fetch_photo(source, unwanted or threading.Event())
            photo = open_photo(source, largest)
            return ReadPhoto(
                name,
                preprocess.for_test(photo),
                thumbnail=photo.in_small(thumbnail) if thumbnail else None,
                data=source.data if keep_data and isinstance(source, PhotoBytes) else None,
                shown=preprocess.at(SHOWN).for_test(photo) if explain else None,
            )
        except ImageError as error:
            return ReadPhoto(name, error=error)

    def judge(self, photos: Sequence[ReadPhoto]) -> list[Prediction]:
        """The photos' predictions, computed at once, in their order. Raises: OutOfMemoryError; RunError, as predict.

        One thread at a time may call this.
        """
        answers = self._judged([photo for photo in photos if photo.image is not None])
        return [
            next(answers) if photo.error is None else Prediction(photo.path, error=photo.error.message)
            for photo in photos
        ]

    def _judged(self, photos: list[ReadPhoto]) -> Iterator[Prediction]:
        """The predictions for photos that could be read."""
        if not photos:
            return
        X = np.stack([photo.image for photo in photos if photo.image is not None])
        probabilities = self.predict_images(X)
        shown = [i for i, photo in enumerate(photos) if photo.shown is not None]
        speaking: dict[int, np.ndarray] = {}
        if shown:
            maps = self.explainer.explain(X[shown], probabilities[shown].argmax(axis=1))
            speaking = dict(zip(shown, maps))
        for i, photo in enumerate(photos):
            yield self._prediction(photo, probabilities[i], speaking.get(i))

    def _prediction(self, photo: ReadPhoto, probabilities: np.ndarray, speaking: np.ndarray | None) -> Prediction:
        named = {name: float(p) for name, p in zip(self.classifier.classes, probabilities)}
        label = max(named, key=lambda name: named[name])
        return Prediction(
            photo.path,
            label=UNKNOWN if named[label] < self.unknown_below else label,
            probability=named[label],
            probabilities=named,
            thumbnail=photo.thumbnail,
            data=photo.data,
            explanation=None if photo.shown is None or speaking is None else overlay(photo.shown, speaking),
        )


def _name(source: PhotoSource) -> str:
    if isinstance(source, np.ndarray):
        return ARRAY
    return source.name if isinstance(source, PhotoBytes) else str(source)
