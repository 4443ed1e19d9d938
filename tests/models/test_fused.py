"""The fused network gives what the network gives, whatever the batch, and gives way where it can't."""

from __future__ import annotations

import os

import numpy as np
import pytest

from hotdog_ft.backend import autograd, disable_onednn, mx, nd
from hotdog_ft.models import fused
from hotdog_ft.models.finetune import target_net
from hotdog_ft.models.fused import FUSE_FROM, TOLERANCE, FusedNetwork, fuse

# Convolution, BatchNorm and activation in each of the orders and connections that the zoos know.
FAMILIES = {
    "resnet18_v2": 32,
    "resnet18_v1": 32,
    "mobilenet0.25": 32,
    "mobilenetv2_0.25": 32,
    "efficientnet_lite0": 32,
    "squeezenet1.1": 48,
}


def photos(count: int, size: int) -> nd.NDArray:
    return nd.array(np.random.default_rng(0).integers(0, 256, (count, size, size, 3)), dtype="uint8")


def lively(name: str, size: int):
    """A network whose BatchNorm layers do what they do after training, with statistics of real activations."""
    mx.random.seed(0)
    net = target_net(name, None, ("a", "b"), [mx.cpu()], image_size=size)
    for key, parameter in net.collect_params().items():
        if key.endswith("gamma"):
            parameter.set_data(nd.random.uniform(0.5, 1.5, parameter.shape))
        if key.endswith("beta"):
            parameter.set_data(nd.random.normal(0, 0.3, parameter.shape))
    for _ in range(20):
        with autograd.train_mode():
            net(photos(4, size)).wait_to_read()
    net.hybridize(static_alloc=True, static_shape=True)
    return net


def relative_difference(found: nd.NDArray, expected: nd.NDArray) -> float:
    found, expected = found.asnumpy(), expected.asnumpy()
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("name", FAMILIES)
def test_fused_logits_are_the_plain_ones_in_batches_of_any_size(name):
    net = lively(name, FAMILIES[name])
    operator = fuse(net, mx.cpu())
    for count in (4, 3, 1, 4):
        X = photos(count, FAMILIES[name])
        assert relative_difference(operator(X), net(X)) < TOLERANCE


@pytest.fixture
def net(toy_net):
    return toy_net([mx.cpu()], batch_norm=True)


def test_fusing_leaves_fewer_operators(net):
    plain = net(mx.sym.var("data"))
    partitioned = plain.get_backend_symbol("MKLDNN")
    assert len(partitioned.get_internals()) < len(plain.get_internals())


@pytest.fixture
def fusions(monkeypatch):
    """Whether anything was fused: the networks that were asked to be."""
    asked = []
    monkeypatch.setattr(fused, "fuse", lambda *arguments: asked.append(arguments) or fuse(*arguments))
    return asked


def test_a_few_photos_are_answered_by_the_plain_network(net, fusions):
    network = FusedNetwork(net, mx.cpu())
    for _ in range(FUSE_FROM - 1):
        network(photos(1, 16)).wait_to_read()
    assert not fusions
    network(photos(1, 16))
    assert len(fusions) == 1
    network(photos(FUSE_FROM, 16))
    assert len(fusions) == 1


def test_made_anew_it_has_the_parameters_that_training_has_changed(net):
    X = photos(FUSE_FROM, 16)
    before = FusedNetwork(net, mx.cpu())(X).asnumpy().copy()
    for name, parameter in net.collect_params().items():
        if name.endswith(("weight", "gamma", "running_mean")):
            parameter.set_data(parameter.data() + 0.1)
    after = FusedNetwork(net, mx.cpu())(X)
    assert np.abs(after.asnumpy() - before).max() > 0.01
    assert relative_difference(after, net(X)) < TOLERANCE


def test_what_is_trained_on_is_not_touched(net):
    X = photos(FUSE_FROM, 16)
    values = [parameter.data().asnumpy() for parameter in net.collect_params().values()]
    FusedNetwork(net, mx.cpu())(X).wait_to_read()
    with autograd.record():
        loss = net(X).sum()
    loss.backward()
    trained = [parameter for parameter in net.collect_params().values() if parameter.grad_req != "null"]
    assert all(parameter.grad().asnumpy().any() for parameter in trained if parameter.name.endswith("weight"))
    for value, parameter in zip(values, net.collect_params().values()):
        if not parameter.name.endswith(("running_mean", "running_var")):
            assert (parameter.data().asnumpy() == value).all()


def test_a_network_that_fused_gives_something_else_stays_as_it_is(net, monkeypatch, caplog):
    X = photos(FUSE_FROM, 16)
    expected = net(X).asnumpy().copy()
    monkeypatch.setattr(fused, "fuse", lambda net, device: lambda X: net(X) + 1)
    with caplog.at_level("DEBUG", logger="hotdog_ft"):
        assert (FusedNetwork(net, mx.cpu())(X).asnumpy() == expected).all()
    assert "fused network differs" in caplog.text


def test_a_network_that_cannot_be_fused_stays_as_it_is(net, monkeypatch, caplog):
    def fail(net, device):
        return lambda X: nd.Convolution(X)  # MXNet raises

    X = photos(FUSE_FROM, 16)
    monkeypatch.setattr(fused, "fuse", fail)
    with caplog.at_level("DEBUG", logger="hotdog_ft"):
        assert (FusedNetwork(net, mx.cpu())(X).asnumpy() == net(X).asnumpy()).all()
    assert "can't be fused" in caplog.text


def test_without_onednn_nothing_is_fused(net, fusions, monkeypatch):
    monkeypatch.setattr(os, "environ", os.environ.copy())
    disable_onednn()
    FusedNetwork(net, mx.cpu())(photos(FUSE_FROM, 16))
    assert not fusions


def test_on_a_gpu_nothing_is_fused(net, fusions):
    network = FusedNetwork(net, mx.gpu(0))
    network(photos(FUSE_FROM, 16))
    assert not fusions
