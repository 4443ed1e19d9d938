"""Write a run's model in another form, and say what that costs: `export --format int8`."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hotdog_ft.backend import cores, mx
from hotdog_ft.data.download import Progress
from hotdog_ft.data.folder import Split
from hotdog_ft.data.labelled import open_labelled
from hotdog_ft.data.loader import PhotoLoader
from hotdog_ft.errors import RunError
from hotdog_ft.inference.int8 import quantize
from hotdog_ft.inference.outcome import Outcome, answer, logits_of
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.fused import FusedNetwork
from hotdog_ft.recipes.evaluate import own_photos
from hotdog_ft.runs import check_vacant, find_model, load_model, save_quantized
from hotdog_ft.stats import PairedDifference, paired_difference

CALIBRATING_PHOTOS = 256
TURNS = 5
"""How often each network's speed is measured, in turns."""


@dataclass(frozen=True)
class Exported:
    """What was written, and both networks' answers to the same test photos."""

    folder: Path
    calibrated_on: int
    """Training photos."""
    float32: Outcome
    int8: Outcome
    speedup: float
    """How many photos the integers answer in the time of one, in batches of `batch_size`."""

    @property
    def difference(self) -> PairedDifference:
        """Of the integers less the original."""
        return paired_difference(self.int8.right, self.float32.right)


def export_int8(
    run: str | Path = "runs/latest",
    out: str | Path | None = None,
    data: str | None = None,
    batch_size: int = 32,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write the model in 8-bit integers, calibrated on training photos and compared on the test photos.

    out: the new model folder; `int8` in the run's folder unless given. data: with train/ and test/, of the model's
    classes; the run's own unless given. Raises: ConfigError, DataError, DownloadError, RunError.
    """
    model, cpu = find_model(run), mx.cpu()
    folder = Path(out) if out else (model.parent if model.name == "model" else model) / "int8"
    check_vacant(folder)
    classifier = load_model(model, [cpu])
    if isinstance(classifier.net, mx.gluon.SymbolBlock):
        raise RunError(f"{model}: is in 8-bit integers already.", hint="Give --run the run that it was made from.")
    train, test = (photos_of(model, classifier.classes, data, part, progress) for part in ("train", "test"))
    before = answer(classifier, test, cpu, batch_size, workers, progress)  # first, since it says of NaN what they are
    X = _some(train, classifier, workers or cores())
    net = quantize(classifier, X)
    save_quantized(folder, net, model)

    exported = load_model(folder, [cpu])  # what was written is what is judged
    for each in (classifier, exported):
        each.hybridize(static_alloc=True, static_shape=True)
    after = answer(exported, test, cpu, batch_size, workers, progress)
    speedup = _speedup(classifier, exported, np.resize(X, (batch_size, *X.shape[1:])))
    return Exported(folder, len(X), before, after, speedup)


def photos_of(model: Path, classes: tuple[str, ...], data: str | None, part: str, progress: Progress | None) -> Split:
    """A part of the data that the user named, or else of the run's own. Raises: ConfigError, DataError, RunError."""
    if data is None:
        return own_photos(model, classes, part, progress)[1]
    return open_labelled(data, classes, part, progress)[0]


def _some(split: Split, classifier: Classifier, workers: int) -> np.ndarray:
    """CALIBRATING_PHOTOS of a split, as a test shows them: uint8, shape (photos, height, width, 3)."""
    chosen = np.random.default_rng(0).permutation(len(split))[:CALIBRATING_PHOTOS]
    loader = PhotoLoader(split.take(np.sort(chosen)), classifier.preprocess.for_test, CALIBRATING_PHOTOS, workers)
    return next(loader.epoch()).X


def _speedup(first: Classifier, second: Classifier, X: np.ndarray) -> float:
    """How many times as fast the second answers, by the median of turns."""
    times: dict[FusedNetwork, list[float]] = {FusedNetwork(each, mx.cpu()): [] for each in (first, second)}
    for turn in range(TURNS + 1):
        for network, seconds in times.items():
            start = time.perf_counter()
            logits_of(network, X).wait_to_read()
            if turn:  # the first warms up
                seconds.append(time.perf_counter() - start)
    plain, integers = (statistics.median(seconds) for seconds in times.values())
    return plain / integers
