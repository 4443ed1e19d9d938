"""Photos on their way from the loader into a network's first layer."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from hotdog_ft.backend import memory_of, mx, nd
from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.graph import Forward, where_the_input_is

IN_FLIGHT = 2
"""Batches: one that the network is reading, and one that is being prepared."""


def photos_on(device: mx.Context, X: np.ndarray) -> nd.NDArray:
    """Photos on a device, as they are. X: uint8, shape (batch, height, width, 3)."""
    if device.device_type != "cpu":
        return nd.array(X, ctx=device, dtype="uint8")
    photos = nd.empty(X.shape, ctx=device, dtype="uint8")
    memory_of(photos)[:] = X  # nd.array would copy them twice
    return photos


def normalized_first(
    classifier: Classifier, behind: Callable[[mx.Context], Forward], devices: list[mx.Context]
) -> Forward:
    """The classifier on CPUs. behind: what computes its `net`, which stands behind the normalisation, on a device."""

    def whole(device: mx.Context) -> Forward:
        normalize, operator = NormalizePhotoByPhoto(classifier.preprocess), behind(device)
        return lambda X: operator(normalize(X))

    return where_the_input_is({device: whole(device) for device in devices})


class NormalizePhotoByPhoto:
    """What classifier.Normalize computes, on a CPU, while a photo is in the processor's cache.

    MXNet's operators each take a whole batch, which is too large for that and comes back from memory for the next.
    """

    def __init__(self, preprocess: Preprocess) -> None:
        self._scale = np.array([1 / (255 * s) for s in preprocess.std], np.float32)
        self._shift = np.array([m / s for m, s in zip(preprocess.mean, preprocess.std)], np.float32)
        self._written: list[nd.NDArray] = []

    def __call__(self, X: nd.NDArray) -> nd.NDArray:
        """uint8 (batch, height, width, 3) -> float32 (batch, 3, height, width), on the same device.

        The last call but one wrote to the same memory: it is waited for until nothing reads that any more.
        """
        batch, height, width, channels = X.shape
        normalized = self._next_memory(X.context, (batch, channels, height, width))
        for photo, planes in zip(memory_of(X), memory_of(normalized)):
            for values, plane, scale, shift in zip(cv2.split(photo), planes, self._scale, self._shift):
                np.multiply(values, scale, out=plane, dtype=np.float32)
                plane -= shift
        return normalized

    def _next_memory(self, device: mx.Context, shape: tuple[int, ...]) -> nd.NDArray:
        """An array of this shape: the oldest that was written, or, where that has another, a new one in its place."""
        oldest = self._written.pop(0) if len(self._written) == IN_FLIGHT else None
        if oldest is None or oldest.shape != shape:
            oldest = nd.empty(shape, ctx=device)
        self._written.append(oldest)
        return oldest
