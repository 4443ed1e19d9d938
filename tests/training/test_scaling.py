from __future__ import annotations

import numpy as np
import pytest

from hotdog_ft.backend import mx, nd
from hotdog_ft.training import scaling
from hotdog_ft.training.scaling import START, all_finite
from hotdog_ft.training.trainer import make_trainer, train_step
from tests.conftest import parameters
from tests.training.batches import batch

ONE, TWO = [mx.cpu(0)], [mx.cpu(0), mx.cpu(1)]


def trained(net, devices, half, weights=None, together=1):
    """Parameters after three steps of one batch, or one step of three."""
    trainer = make_trainer(net, 0.1, wd=0.001, momentum=0.9, adds=together > 1, half=half)
    for start in range(0, 3, together):
        train_step(net, [batch(5, seed) for seed in range(start, start + together)], trainer, devices, weights)
    return parameters(net.net)


@pytest.mark.parametrize("devices", [ONE, TWO], ids=len)
@pytest.mark.parametrize("weights", [None, np.float32([0.5, 2])], ids=["even", "weighted"])
@pytest.mark.parametrize("together", [1, 3])
def test_the_scale_does_not_change_the_steps(toy_net, devices, weights, together):
    plain, scaled = (trained(toy_net(devices), devices, half, weights, together) for half in (False, True))
    start = parameters(toy_net(devices).net)
    assert any(np.abs(plain[name] - start[name]).max() > 1e-3 for name in plain)
    for name in plain:
        np.testing.assert_allclose(scaled[name], plain[name], atol=1e-5)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
@pytest.mark.parametrize("device", [0, 1])
def test_a_step_that_overflows_is_left_out_on_every_device_and_the_scale_halved(toy_net, bad, device):
    net = toy_net(TWO)
    trainer = make_trainer(net, 0.1, wd=0.001, momentum=0.9, half=True)
    before = parameters(net.net)
    weight = next(iter(net.net.collect_params().values()))
    for each in trainer._params:
        if each.grad_req != "null":
            each.zero_grad()
    weight.grad(TWO[device])[:] = bad
    trainer.step(4)
    after = parameters(net.net)
    for name in before:
        assert (before[name] == after[name]).all()
    assert trainer.loss_scale == START / 2


def test_the_scale_never_falls_below_one(toy_net):
    net = toy_net(ONE)
    trainer = make_trainer(net, 0.1, wd=0.0, momentum=0.0, half=True)
    next(iter(net.net.collect_params().values())).grad()[:] = np.inf
    for _ in range(30):
        trainer.step(1)
    assert trainer.loss_scale == 1


def test_the_scale_doubles_after_good_steps(toy_net, monkeypatch):
    monkeypatch.setattr(scaling, "STEPS_BEFORE_DOUBLING", 2)
    net = toy_net(ONE)
    trainer = make_trainer(net, 0.1, wd=0.0, momentum=0.0, half=True)
    scales = []
    for seed in range(5):
        train_step(net, [batch(5, seed)], trainer, ONE)
        scales.append(trainer.loss_scale / START)
    assert scales == [1, 2, 2, 4, 4]


@pytest.mark.parametrize("where", [0, 99, 100, 249])
def test_one_number_among_many_arrays_is_found(where):
    values = [nd.ones((2, 3)) for _ in range(250)]
    assert all_finite(values)
    values[where][1, 2] = np.nan
    assert not all_finite(values)
