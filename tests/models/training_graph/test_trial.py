"""Rounding is no difference; anything else is."""

from __future__ import annotations

import numpy as np
import pytest

from hotdog_ft.backend import mx
from hotdog_ft.models.finetune import target_net
from hotdog_ft.models.graph import in_order, read_graph, write_graph
from hotdog_ft.models.training_graph.activations import MERGED
from hotdog_ft.models.training_graph.faster import faster
from hotdog_ft.models.training_graph.trial import difference


def plan_of(net):
    return faster(net.net(mx.sym.var("data")), {name: p.shape for name, p in net.collect_params().items()})


@pytest.mark.parametrize("frozen", [{}, {"freeze_batch_norm": True}, {"freeze_features": True}])
@pytest.mark.parametrize("name", ["resnet18_v1", "mobilenet0.25", "mobilenetv2_0.25", "efficientnet_lite0"])
@pytest.mark.parametrize("size", [32, 64])
def test_rounding_is_no_difference(name, size, frozen):
    mx.random.seed(size)
    net = target_net(name, None, ("a", "b"), [mx.cpu()], image_size=size, **frozen)
    assert difference(net, mx.cpu(), plan_of(net)) is None


def test_another_activation_is_a_difference(net):
    plan = plan_of(net)
    (beta, *_) = (name for name, value in plan.constants.items() if name.endswith("beta") and (value == 6).all())
    plan.constants[beta] = plan.constants[beta] - 3  # ReLU3
    assert difference(net, mx.cpu(), plan) is not None


def change(plan, **attrs):
    """Change the last BatchNormWithReLU of the network's own."""
    outputs = read_graph(plan.symbol, {})
    merged = [node for node in in_order(outputs) if node.op == MERGED and node.attrs["use_global_stats"] != "True"]
    merged[-1].attrs.update(attrs)
    plan.symbol = write_graph(outputs)


def test_normalising_by_other_statistics_is_a_difference(net):
    plan = plan_of(net)
    change(plan, use_global_stats="True")
    assert "logits differ" in difference(net, mx.cpu(), plan)


def test_running_statistics_that_move_otherwise_are_a_difference(net):
    plan = plan_of(net)
    change(plan, momentum="0.5")
    assert "running statistics differ" in difference(net, mx.cpu(), plan)


def test_values_that_are_no_numbers_are_a_difference(net):
    plan = plan_of(net)
    plan.constants.update({name: value * np.nan for name, value in plan.constants.items()})
    assert difference(net, mx.cpu(), plan) is not None


def test_trying_leaves_parameters_gradients_and_statistics_alone(net):
    before = {name: p.data().asnumpy() for name, p in net.collect_params().items()}
    difference(net, mx.cpu(), plan_of(net))
    for name, parameter in net.collect_params().items():
        assert (parameter.data().asnumpy() == before[name]).all(), name
        assert parameter.grad_req == "null" or not parameter.grad().asnumpy().any(), name
