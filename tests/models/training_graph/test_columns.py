from __future__ import annotations

import json

import numpy as np
import pytest

from hotdog_ft.backend import autograd, mx, nd
from hotdog_ft.models.efficientnet_lite import SameConv2D
from hotdog_ft.models.graph import cached_operator
from hotdog_ft.models.training_graph.faster import faster

CHANNELS = 16


def convolutions(symbol):
    return [node for node in json.loads(symbol.tojson())["nodes"] if node["op"] == "Convolution"]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [7, 8])
def test_wide_kernels_are_split_into_narrow_ones_of_the_same_sum(stride, size):
    conv = SameConv2D(CHANNELS, CHANNELS, 5, size, stride, groups=CHANNELS)
    plain = conv(mx.sym.var("data"))
    plan = faster(plain, {})
    assert not {"(5, 5)", "(6, 6)"} & {node["attrs"]["kernel"] for node in convolutions(plan.symbol)}
    mx.random.seed(0)
    weight, x = nd.random.normal(shape=(CHANNELS, 1, 5, 5)), nd.random.normal(shape=(3, CHANNELS, size, size))
    results = []
    for symbol in (plain, plan.symbol):
        values = {**plan.arguments({}, mx.cpu()), conv.weight.name: weight}
        weight.attach_grad()
        x.attach_grad()
        with autograd.record():
            y = cached_operator(symbol, values)(x)
            loss = (y * y).sum()
        loss.backward()
        results.append([array.asnumpy().copy() for array in (y, x.grad, weight.grad)])
    for expected, found in zip(*results):
        assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize(
    "options",
    [
        {"kernel": (3, 3), "pad": (1, 1), "num_group": CHANNELS, "no_bias": True},
        {"kernel": (5, 5), "pad": (2, 2), "num_group": 1, "no_bias": True},
        {"kernel": (5, 5), "pad": (2, 2), "num_group": CHANNELS, "no_bias": False},
        {"kernel": (5, 5), "pad": (4, 4), "num_group": CHANNELS, "no_bias": True, "dilate": (2, 2)},
        {"kernel": (6, 6), "pad": (2, 2), "num_group": CHANNELS, "no_bias": True},
    ],
)
def test_other_kernels_are_left_alone(options):
    assert faster(mx.sym.Convolution(mx.sym.var("data"), num_filter=CHANNELS, **options), {}) is None
