"""Take the user's file as a network's ImageNet weights, and show that it works: what it sees in a real photo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hotdog_ft.backend import mx, nd
from hotdog_ft.data.photo import read_photo
from hotdog_ft.errors import WeightsError
from hotdog_ft.models.finetune import source_model
from hotdog_ft.models.imported import save_imported
from hotdog_ft.models.reading import SourceWeights, read_file

SAMPLE_PHOTO = "china.jpg"
"""A pagoda of the Summer Palace in Beijing, which comes with scikit-learn."""


@dataclass(frozen=True)
class Imported:
    """Weights that were imported, and what they see."""

    path: Path
    weights: SourceWeights
    photo: str
    top: list[tuple[str, float]]
    """The five most probable classes of the photo, with their probabilities."""


def import_weights(name: str, path: str | Path, photo: str | Path | None = None) -> Imported:
    """Check that a file holds the network's ImageNet weights, try them on a photo, and keep them as such.

    photo: a file, or None for one of scikit-learn's. Raises: ConfigError, WeightsError, ImageError, OSError.
    """
    weights = read_file(name, Path(path))
    if weights.classes is None:
        raise WeightsError(
            f"{path}: its output layer has {weights.units} units, not ImageNet's 1000.",
            hint=f"To start a training from it: hotdog-ft train --model {name} --weights {path}",
        )
    top = top_classes(name, weights, _sample_photo() if photo is None else read_photo(photo))
    return Imported(save_imported(name, weights), weights, str(photo or f"scikit-learn's {SAMPLE_PHOTO}"), top)


def top_classes(name: str, weights: SourceWeights, image: np.ndarray, count: int = 5) -> list[tuple[str, float]]:
    """The most probable classes of a photo, uint8 RGB (any, any, 3), and their probabilities. Raises: WeightsError."""
    device = mx.cpu()
    classifier = source_model(name, weights, [device])
    X = nd.array(classifier.preprocess.for_test(image)[None], ctx=device, dtype="uint8")
    probabilities = classifier(X).softmax(axis=1).asnumpy()[0]
    if not np.isfinite(probabilities).all():
        raise WeightsError(f"{weights.origin}: its outputs are no numbers.", hint="Fetch or export the file again.")
    best = probabilities.argsort()[::-1][:count]
    return [(classifier.classes[row], float(probabilities[row])) for row in best]


def _sample_photo() -> np.ndarray:
    from sklearn.datasets import load_sample_image

    return load_sample_image(SAMPLE_PHOTO)
