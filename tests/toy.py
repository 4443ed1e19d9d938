"""A small network that tests train."""

from __future__ import annotations

from hotdog_ft.backend import gluon, mx
from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.models.classifier import Classifier


class Toy(gluon.HybridBlock):
    """`features`, with BatchNorm where asked for, and `output`."""

    def __init__(self, batch_norm: bool):
        super().__init__()
        with self.name_scope():
            self.features = gluon.nn.HybridSequential()
            self.features.add(gluon.nn.Conv2D(4, 3, 2, in_channels=3))
            if batch_norm:
                self.features.add(gluon.nn.BatchNorm(in_channels=4))
            self.features.add(gluon.nn.Activation("relu"), gluon.nn.GlobalAvgPool2D(), gluon.nn.Flatten())
            self.output = gluon.nn.Dense(2, in_units=4)

    def hybrid_forward(self, F, x):
        return self.output(self.features(x))


def make_toy(devices, seed: int = 0, batch_norm: bool = False) -> Classifier:
    """For 16 x 16 pixels and two classes; the same values for the same seed."""
    mx.random.seed(seed)
    net = Toy(batch_norm)
    net.initialize(mx.init.Xavier(), ctx=devices)
    classifier = Classifier("toy", net, Preprocess(image_size=16), ("green", "red"))
    classifier.normalize.initialize(ctx=devices)
    return classifier
