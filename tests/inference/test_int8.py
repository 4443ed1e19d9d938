from __future__ import annotations

import numpy as np
import pytest

from hotdog_ft.backend import gluon, mx, nd
from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.inference.int8 import quantize
from hotdog_ft.models.classifier import Classifier


class OneSum(gluon.nn.HybridBlock):
    """A sum as in the ResNets: V2's first has an addend behind a ReLU and no ReLU of its own, V1's the contrary."""

    def __init__(self, addend_in_relu: bool):
        super().__init__()
        self.addend_in_relu = addend_in_relu
        with self.name_scope():
            self.first, self.second, self.third = (gluon.nn.Conv2D(16, 3, padding=1, use_bias=False) for _ in range(3))
            self.output = gluon.nn.Dense(2)

    def hybrid_forward(self, F, x):
        addend = self.first(x)
        if self.addend_in_relu:
            addend = F.Activation(addend, act_type="relu")
            total = addend + self.second(addend)
        else:
            total = F.Activation(addend + self.second(x), act_type="relu")
        return self.output(F.Pooling(self.third(total), global_pool=True, pool_type="avg"))


@pytest.mark.parametrize("addend_in_relu", [False, True])
def test_a_sum_is_right_where_its_addend_or_itself_alone_has_a_sign(addend_in_relu):
    mx.random.seed(0)
    net = OneSum(addend_in_relu)
    net.initialize(mx.init.Xavier())
    classifier = Classifier("resnet18_v2", net, Preprocess(image_size=32), ("a", "b"))
    classifier.normalize.initialize()
    X = np.random.default_rng(0).integers(0, 256, (16, 4, 4, 3), dtype=np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    batch = nd.array(X, dtype="uint8")
    expected = classifier(batch).asnumpy()  # which also gives the network its shapes
    found = quantize(classifier, X)(classifier.normalize(batch)).asnumpy()
    error = np.abs(found - expected).mean(axis=0) / expected.std(axis=0)
    assert error.mean() < 0.1  # 0.02 and 0.05; with the sum in integers 0.3 and 1.1
