"""Targets that are not all or nothing: label smoothing, and mixup's blends of two photos."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import cv2
import numpy as np

from hotdog_ft.data.loader import Batch, PhotoLoader


class SoftLoader:
    """A loader's batches with targets: what the loss should compare with, float32, shape (batch, classes).

    smoothing: the part of each target that is spread evenly over all classes (Szegedy et al. 2016).
    mixup: blend each photo with another of its batch, and their targets alike, by a share from Beta(mixup, mixup), one
    a batch, as its authors do (Zhang et al. 2018); the larger share is the photo's own, so that its label stays.
    """

    def __init__(self, loader: PhotoLoader, num_classes: int, smoothing: float, mixup: float) -> None:
        self.loader = loader
        self.split = loader.split
        self._num_classes = num_classes
        self._smoothing = smoothing
        self._mixup = mixup

    def __len__(self) -> int:
        return len(self.loader)

    def epoch(self, epoch: int = 0, first: int = 0) -> Iterator[Batch]:
        """One pass, as the loader's. Raises: DataError."""
        for batch in self.loader.epoch(epoch, first):
            targets = np.eye(self._num_classes, dtype=np.float32)[batch.y]
            targets = (1 - self._smoothing) * targets + np.float32(self._smoothing / self._num_classes)
            X = batch.X
            if self._mixup and len(X):
                # By the batch's number, so that an epoch can be taken up in its midst.
                place = (epoch, len(self.split), batch.number, self.loader.part.index)
                rng = np.random.default_rng((self.loader.seed, *place))
                share = rng.beta(self._mixup, self._mixup)
                share = max(share, 1 - share)
                others = rng.permutation(len(X))
                X = cv2.addWeighted(X, share, X[others], 1 - share, 0)
                targets = np.float32(share) * targets + np.float32(1 - share) * targets[others]
            yield dataclasses.replace(batch, X=X, targets=targets)
