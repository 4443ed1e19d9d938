from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from hotdog_ft.backend import mx
from hotdog_ft.models.finetune import target_net
from hotdog_ft.models.half import with_half
from tests.conftest import REPOSITORY


def dtypes(symbol: mx.sym.Symbol) -> dict[str, np.dtype]:
    """Of everything in the graph, by name."""
    internals = symbol.get_internals()
    inputs, outputs, statistics = internals.infer_type(data="uint8")
    names = internals.list_arguments(), internals.list_outputs(), internals.list_auxiliary_states()
    return {n: np.dtype(t) for ns, ts in zip(names, (inputs, outputs, statistics)) for n, t in zip(ns, ts)}


@pytest.mark.parametrize(
    "name", ["resnet18_v2", "efficientnet_lite0", "densenet121", "se_resnext50_32x4d", "squeezenet1.1"]
)
def test_layers_are_half_and_parameters_statistics_and_logits_are_not(name):
    net = target_net(name, None, ("no", "yes"), [mx.cpu()], image_size=224)
    symbol = with_half(net(mx.sym.var("data")))
    found = dtypes(symbol)
    assert {found[name] for name in net.collect_params()} == {np.dtype("float32")}
    assert {found[name] for name in symbol.list_outputs()} == {np.dtype("float32")}
    layers = [name for name in found if name.endswith("_fwd_output") and ("conv" in name or "dense" in name)]
    assert layers
    assert {found[name] for name in layers} == {np.dtype("float16")}


def test_what_needs_range_stays_float32():
    data = mx.sym.var("data")
    hidden = mx.sym.FullyConnected(data, num_hidden=4, name="hidden")
    symbol = with_half(mx.sym.softmax(mx.sym.Activation(hidden, act_type="relu", name="relu"), name="softmax"))
    internals = symbol.get_internals()
    _, outputs, _ = internals.infer_type(data="float32", hidden_weight="float32", hidden_bias="float32")
    found = dict(zip(internals.list_outputs(), map(np.dtype, outputs)))
    assert found["relu_output"] == np.float16
    assert found["softmax_output"] == np.float32


def test_it_gives_and_teaches_the_same():
    """MXNet has no half precision on the CPU: double stands in for it, by the same casts, without oneDNN, which has
    neither.
    """
    environment = {**os.environ, "MXNET_MKLDNN_ENABLED": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.models.half_in_double"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for device, dtypes, length, difference in map(str.split, done.stdout.splitlines()):
        assert dtypes == "float32", device
        assert float(length) > 0
        assert float(difference) < 1e-4 * float(length), device
    assert len(done.stdout.splitlines()) == 2 * 53  # devices, and SqueezeNet's logits and gradients
