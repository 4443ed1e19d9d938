"""A probe as a recipe: features computed once or taken from the cache, the output layer fitted to them in seconds."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from hotdog_ft.backend import mx, nd
from hotdog_ft.data.download import Progress
from hotdog_ft.data.folder import Split
from hotdog_ft.data.loader import PhotoLoader
from hotdog_ft.inference.metrics import log_loss
from hotdog_ft.inference.outcome import Outcome
from hotdog_ft.models import zoo
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.feature_cache import cached_features, feature_file
from hotdog_ft.models.features import Features, compute_features
from hotdog_ft.models.reading import SourceWeights
from hotdog_ft.training import EpochResult
from hotdog_ft.training.probe import Head, fit_head


class Prober:
    """Fits a network's output layer, and answers for the network from the features that it has seen.

    source: what the network starts from. root: the data set's folder.
    """

    def __init__(
        self, net: Classifier, source: SourceWeights, root: Path, device: mx.Context, progress: Progress | None = None
    ) -> None:
        self._net = net
        self._file = feature_file(net, source.sha256, root)
        self._device = device
        self._progress = progress
        self._seen: dict[PhotoLoader, Features] = {}
        self._head: Head | None = None

    def features(self, loader: PhotoLoader) -> Features:
        """Of a loader's photos, as in a test. The loader gets to know which of them are broken. Raises: DataError."""
        if loader not in self._seen:

            def compute(split: Split) -> Features:
                return compute_features(
                    self._net, split, self._device, loader.batch_size, loader.workers, self._progress
                )

            features = cached_features(self._file, loader.split, compute)
            loader.broken |= set(range(len(loader.split))).difference(features.good.tolist())
            self._seen[loader] = features
        return self._seen[loader]

    def fit(
        self,
        train_iter: PhotoLoader,
        val_iter: PhotoLoader | None,
        test_iter: PhotoLoader | None,
        class_weights: np.ndarray | None = None,
        seed: int = 0,
    ) -> EpochResult:
        """Fit the output layer to the training photos and their mirror images, and put it into the network.

        test_iter: None, if the test photos are not to be looked at yet. The EpochResult is that of epoch 1, on the
        photos as they are; its speed counts the computation of features. Raises: DataError, DivergedError.
        """
        start = time.perf_counter()
        features = self.features(train_iter)
        labels = train_iter.split.labels[features.good]
        has_bias = any(name.endswith("bias") for name in zoo.output_names(self._net.architecture))
        self._head = fit_head(features.values, labels, len(self._net.classes), class_weights, seed, has_bias)
        self._put_in(self._head)
        seconds = time.perf_counter() - start
        train = self.answers(train_iter)
        return EpochResult(
            epoch=1,
            loss=log_loss(train),
            train_acc=train.accuracy,
            val_acc=self.answers(val_iter).accuracy if val_iter else None,
            test_acc=self.answers(test_iter).accuracy if test_iter else None,
            examples_per_sec=len(labels) / seconds,
            seconds=time.perf_counter() - start,
            devices=str([self._device]),
            lr=0.0,
        )

    def answers(self, loader: PhotoLoader) -> Outcome:
        """What the network with the fitted output layer says of a loader's photos."""
        assert self._head
        features = self.features(loader)
        return self._outcome(loader, self._head.logits(features.values[:, 0]))

    def held_out_answers(self, train_iter: PhotoLoader) -> Outcome | None:
        """What regressions of the same strength say of training photos that they haven't seen."""
        if self._head is None or self._head.held_out is None:
            return None
        return self._outcome(train_iter, self._head.held_out)

    def _outcome(self, loader: PhotoLoader, logits: np.ndarray) -> Outcome:
        photos = loader.split.take(self.features(loader).good)
        return Outcome(self._net.classes, photos.paths, photos.labels, logits)

    def _put_in(self, head: Head) -> None:
        parameters = self._net.net._collect_params_with_prefix()
        for key in zoo.output_names(self._net.architecture):
            value = head.bias if key.endswith("bias") else head.weight
            parameters[key].set_data(nd.array(value.reshape(parameters[key].shape)))
