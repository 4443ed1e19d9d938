"""Three things that travel together: a network, its preprocessing, and its class names in output order."""

from __future__ import annotations

import numpy as np

from hotdog_ft.backend import gluon, nd
from hotdog_ft.data.preprocess import Preprocess


class Classifier(gluon.HybridBlock):
    """A network that takes photos as the loader gives them.

    Input: uint8 RGB, shape (batch, height, width, 3). Output: logits, float32, shape (batch, len(classes)).
    """

    def __init__(self, architecture: str, net: gluon.HybridBlock, preprocess: Preprocess, classes: tuple[str, ...]):
        super().__init__()
        self.architecture = architecture
        self.preprocess = preprocess
        self.classes = classes
        with self.name_scope():
            self.normalize = Normalize(preprocess.mean, preprocess.std)
        self.net = net
        self.temperature: float | None = None
        """What logits are divided by to give probabilities, fitted on validation photos; None when it wasn't."""

    def hybrid_forward(self, F, x):
        return self.net(self.normalize(x))


class Normalize(gluon.HybridBlock):
    """uint8 (batch, height, width, 3) -> float32 (batch, 3, height, width), as (x / 255 - mean) / std.

    Scaling and shifting is written as a convolution of one pixel, which is one pass over the data in place of two.
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]):
        super().__init__()
        self._channels = len(mean)
        scale, shift = np.diag([1 / (255 * s) for s in std]), [-m / s for m, s in zip(mean, std)]
        with self.name_scope():
            self.scale = self.params.get_constant("scale", nd.array(scale[:, :, np.newaxis, np.newaxis]))
            self.shift = self.params.get_constant("shift", nd.array(shift))

    def hybrid_forward(self, F, x, scale, shift):
        x = F.transpose(F.cast(x, "float32"), axes=(0, 3, 1, 2))  # MXNet transposes uint8 four times as slowly
        return F.Convolution(x, scale, shift, kernel=(1, 1), num_filter=self._channels)
