"""What a network sees in a photo before its output layer decides: the features, as vectors, each computed once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hotdog_ft.backend import gluon, mx
from hotdog_ft.data.download import Progress
from hotdog_ft.data.folder import Split
from hotdog_ft.data.loader import PhotoLoader, photo_bar
from hotdog_ft.models import zoo
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.fused import FusedNetwork
from hotdog_ft.models.photo_input import photos_on


@dataclass(frozen=True)
class Features:
    """Of a split's photos, without those that can't be read."""

    good: np.ndarray
    """The photos' positions in the split: int64, shape (photos,)."""
    values: np.ndarray
    """float32, shape (photos, 2, features): of the photo, and of its mirror image."""


def feature_net(classifier: Classifier) -> Classifier:
    """The classifier without its output layer, on the same parameters.

    Output: float32, shape (batch, features): what the output layer is multiplied with. Where that is a convolution on a
    map, the map's mean: both are linear.
    """
    parameters = classifier.net._collect_params_with_prefix()
    weight = parameters[zoo.output_names(classifier.architecture)[0]].name
    size = classifier.preprocess.image_size
    photos = mx.sym.var("data", dtype="float32")
    seen = _input_of(classifier.net(photos), weight)
    _, (shape,), _ = seen.infer_shape(data=(1, 3, size, size))
    if len(shape) == 4:
        seen = seen.mean(axis=(2, 3))
    net = gluon.SymbolBlock([seen], [photos], params=classifier.net.collect_params())
    features = Classifier(classifier.architecture, net, classifier.preprocess, classifier.classes)
    features.normalize = classifier.normalize
    return features


def compute_features(
    classifier: Classifier,
    split: Split,
    device: mx.Context,
    batch_size: int,
    workers: int,
    progress: Progress | None = None,
) -> Features:
    """Look at every photo, as in a test, and at its mirror image. Raises: DataError, when none can be read."""
    net = feature_net(classifier)
    net.hybridize(static_alloc=True, static_shape=True)
    network = FusedNetwork(net, device)
    loader = PhotoLoader(split, classifier.preprocess.for_test, batch_size, workers)
    parts = []
    with photo_bar(progress, "features", len(split)) as bar:
        for batch in loader.epoch():
            views = [network(photos_on(device, X)).asnumpy() for X in (batch.X, batch.X[:, :, ::-1])]
            parts.append(np.stack(views, axis=1))
            if bar is not None:
                bar.update(len(batch.X))
    return Features(loader.good, np.concatenate(parts))


def _input_of(output: mx.sym.Symbol, weight: str) -> mx.sym.Symbol:
    """What goes into the layer that has this weight."""
    for node in output.get_internals():
        inputs = node.get_children()
        if inputs is not None and weight in [each.name for each in inputs]:
            return inputs[0]
    raise AssertionError(f"{weight} is in no layer of its own network")
