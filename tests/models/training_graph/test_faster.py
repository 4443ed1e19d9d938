from __future__ import annotations

from hotdog_ft.backend import mx
from hotdog_ft.models.training_graph.faster import faster


def plan_of(net):
    return faster(net(mx.sym.var("data")), {name: p.shape for name, p in net.collect_params().items()})


def test_relu6_leaves_no_clip(net):
    assert '"clip"' not in plan_of(net).symbol.tojson()


def test_relu_leaves_no_activation(net):
    assert '"Activation"' not in plan_of(net).symbol.tojson()


def test_narrow_layers_are_widened_to_multiples_of_16(net):
    assert sorted(plan_of(net).widened.values()) == [32] * 4 + [48] * 2


def test_a_norm_that_is_used_otherwise_too_is_left_alone():
    x, *others = (mx.sym.var(name) for name in ("data", "gamma", "beta", "mean", "var"))
    norm = mx.sym.BatchNorm(x, *others, fix_gamma=False)
    activation = mx.sym.Activation(norm, act_type="relu")
    conv = mx.sym.Convolution(activation, kernel=(1, 1), num_filter=16)
    assert faster(conv, {}) is not None
    assert faster(conv + norm, {}) is None
    assert faster(mx.sym.Group([conv, norm]), {}) is None
    assert faster(conv + mx.sym.Pooling(activation, kernel=(1, 1)), {}) is None


def test_there_is_no_plan_where_nothing_can_be_gained(toy_net):
    assert plan_of(toy_net([mx.cpu()])) is None
