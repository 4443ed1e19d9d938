"""The faster graph is the same function: the same outputs, gradients and running statistics, of the same parameters."""

from __future__ import annotations

import numpy as np
import pytest

from hotdog_ft.backend import autograd, gluon, mx, nd
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.finetune import keep_statistics, target_net
from hotdog_ft.models.training_graph import network as module
from hotdog_ft.models.training_graph import training_network
from hotdog_ft.models.training_graph.faster import faster
from hotdog_ft.models.training_graph.network import faster_network

SIZE = 32
CLOSE = 1e-5
STATISTICS = ("running_mean", "running_var")


def values(net: Classifier) -> dict[str, np.ndarray]:
    return {name: p.data().asnumpy() for name, p in net.collect_params().items()}


def put_back(net: Classifier, saved: dict[str, np.ndarray]) -> None:
    for name, parameter in net.collect_params().items():
        if parameter.grad_req != "null" or name.endswith(STATISTICS):
            parameter.set_data(nd.array(saved[name]))


def backward(network, X: nd.NDArray) -> nd.NDArray:
    """The outputs, after the backward pass of a loss that weighs them unevenly."""
    with autograd.record():
        outputs = network(X)
        loss = (outputs * nd.arange(outputs.size, ctx=X.context).reshape(outputs.shape)).sum()
    loss.backward()
    nd.waitall()
    return outputs


def step(network, net: Classifier, X: nd.NDArray) -> dict[str, np.ndarray]:
    """Outputs, gradients and running statistics of a step."""
    outputs = backward(network, X)
    trained = {name: p.grad().asnumpy() for name, p in net.collect_params().items() if p.grad_req != "null"}
    statistics = {name: value for name, value in values(net).items() if name.endswith(STATISTICS)}
    return {"outputs": outputs.asnumpy().copy(), **trained, **statistics}


def assert_same_step(net: Classifier, X: nd.NDArray) -> None:
    saved = values(net)
    expected = step(net, net, X)
    put_back(net, saved)
    assert faster_network(net, [mx.cpu()])
    found = step(training_network(net, [mx.cpu()]), net, X)
    # Before a convolution and another BatchNorm, beta has no gradient but what rounding makes one.
    largest = max(np.abs(value).max() for name, value in expected.items() if not name.endswith(STATISTICS))
    for name, value in expected.items():
        scale = np.abs(value).max() if name.endswith((*STATISTICS, "outputs")) else largest
        assert np.abs(found[name] - value).max() <= CLOSE * scale, name


def without_dropout(net: Classifier) -> Classifier:
    net.apply(lambda block: setattr(block, "_rate", 0) if isinstance(block, gluon.nn.Dropout) else None)
    return net


def test_a_step_is_the_same(net, X):
    assert_same_step(net, X)


def test_a_step_with_the_statistics_as_they_are_is_the_same(net, X):
    net.apply(keep_statistics)
    net.hybridize(static_alloc=True, static_shape=True)
    assert_same_step(net, X)


@pytest.mark.parametrize("name", ["resnet18_v2", "resnet18_v1", "mobilenet0.25"])
def test_a_step_with_relu_is_the_same(name, X, lively):
    mx.random.seed(0)
    net = target_net(name, None, ("a", "b"), [mx.cpu()], image_size=SIZE, freeze_batch_norm=True)
    assert_same_step(lively(net), X)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "mobilenetv2_1.0", "mobilenetv2_0.25+resnet18_v2"])
def test_a_step_of_a_whole_network_with_relu6_is_the_same(name, lively):
    X = nd.array(np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3)), dtype="uint8")
    mx.random.seed(0)
    net = target_net(name, None, ("a", "b"), [mx.cpu()], image_size=64, freeze_batch_norm=True)
    assert_same_step(lively(without_dropout(net)), X)


def test_only_the_output_layer_learns_where_features_are_frozen(X, lively):
    mx.random.seed(0)
    net = target_net("efficientnet_lite0", None, ("a", "b"), [mx.cpu()], image_size=SIZE, freeze_features=True)
    assert_same_step(lively(without_dropout(net)), X)


def test_gradients_add_up_where_they_are_to(net, X):
    network = training_network(net, [mx.cpu()])
    once = step(network, net, X)
    for parameter in net.collect_params().values():
        if parameter.grad_req != "null":
            parameter.grad_req = "add"
    for _ in range(3):
        backward(network, X)
    for name, parameter in net.collect_params().items():
        if parameter.grad_req != "null":
            assert np.abs(parameter.grad().asnumpy() - 3 * once[name]).max() <= 1e-5 * np.abs(once[name]).max(), name


def test_steps_with_momentum_and_weight_decay_lead_to_the_same_parameters(net, X):
    saved = values(net)

    def train(network) -> dict[str, np.ndarray]:
        put_back(net, saved)
        options = {"learning_rate": 1e-3, "momentum": 0.9, "wd": 0.01}
        trainer = gluon.Trainer(net.collect_params(), "sgd", options)
        for _ in range(5):
            with autograd.record():
                loss = gluon.loss.SoftmaxCrossEntropyLoss()(network(X), nd.arange(8) % 2)
            loss.backward()
            trainer.step(8)
        nd.waitall()
        return values(net)

    expected = train(net)
    for name, value in train(training_network(net, [mx.cpu()])).items():
        assert np.abs(value - expected[name]).max() <= 1e-4 * np.abs(expected[name]).max(), name


def test_it_computes_by_values_that_are_set_later(net, X):
    network = training_network(net, [mx.cpu()])
    backward(network, X)
    for parameter in net.collect_params().values():
        if not isinstance(parameter, gluon.Constant):
            parameter.set_data(parameter.data() * 0.9)
    with autograd.predict_mode():
        expected, found = net(X).asnumpy().copy(), network(X).asnumpy()
    assert np.abs(found - expected).max() <= CLOSE * np.abs(expected).max()


def test_made_anew_after_training_it_goes_on_from_there(net, X):
    backward(training_network(net, [mx.cpu()]), X)
    assert_same_step(net, X)


def test_what_is_saved_has_the_same_names_and_shapes_and_loads(net, bottleneck_net, X, tmp_path):
    shapes = {name: p.shape for name, p in net._collect_params_with_prefix().items()}
    backward(training_network(net, [mx.cpu()]), X)
    net.save_parameters(str(tmp_path / "net.params"))
    assert {name: value.shape for name, value in nd.load(str(tmp_path / "net.params")).items()} == shapes
    other = bottleneck_net([mx.cpu()])
    other.load_parameters(str(tmp_path / "net.params"))
    assert (other(X).asnumpy() == net(X).asnumpy()).all()


def test_statistics_of_narrow_layers_move(net, X):
    before = values(net)
    backward(training_network(net, [mx.cpu()]), X)
    narrow = [p for name, p in net.collect_params().items() if name.endswith("running_mean") and p.shape == (24,)]
    assert narrow
    assert all((p.data().asnumpy() != before[p.name]).all() for p in narrow)


def test_two_devices_have_their_own_gradients_and_statistics(bottleneck_net, X):
    devices = [mx.cpu(0), mx.cpu(1)]
    both = bottleneck_net(devices)
    assert faster_network(both, devices)
    network = training_network(both, devices)
    halves = [X[:4], X[4:]]
    for half, device in zip(halves, devices):
        backward(network, half.as_in_context(device))
    for half, device in zip(halves, devices):
        alone = bottleneck_net([mx.cpu()])
        expected = step(training_network(alone, [mx.cpu()]), alone, half)
        own = dict(zip(alone.collect_params(), both.collect_params().values()))
        for name, parameter in own.items():
            if parameter.grad_req != "null":
                assert (parameter.grad(device).asnumpy() == expected[name]).all(), name
            elif name.endswith(STATISTICS):
                assert (parameter.data(device).asnumpy() == expected[name]).all(), name


def test_on_gpus_the_network_is_taken_as_it_is(net):
    assert training_network(net, [mx.gpu(0)]) is net


def test_without_onednn_there_is_no_faster_graph(net, monkeypatch):
    monkeypatch.setenv("MXNET_MKLDNN_ENABLED", "0")
    assert faster_network(net, [mx.cpu()]) is None


def test_a_network_with_nothing_to_gain_takes_the_same_steps(toy_net):
    net = toy_net([mx.cpu()])
    assert faster_network(net, [mx.cpu()]) is None
    X = nd.array(np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3)), dtype="uint8")
    expected = step(net, net, X)
    for name, value in step(training_network(net, [mx.cpu()]), net, X).items():
        assert value == pytest.approx(expected[name], abs=1e-6), name


def test_a_graph_that_differs_is_not_used(net, monkeypatch, caplog):
    monkeypatch.setattr(module, "difference", lambda *arguments: "the logits differ")
    before = {name: p.data() for name, p in net.collect_params().items()}
    with caplog.at_level("DEBUG", logger="hotdog_ft"):
        assert faster_network(net, [mx.cpu()]) is None
    assert "the logits differ" in caplog.text
    assert all(p.data() is before[name] for name, p in net.collect_params().items())


def test_a_graph_that_cannot_take_a_step_is_not_used(net, monkeypatch, caplog):
    def broken(symbol, shapes):
        plan = faster(symbol, shapes)
        plan.constants = {name: value[:1] for name, value in plan.constants.items()}  # of other shapes: MXNet raises
        return plan

    monkeypatch.setattr(module, "faster", broken)
    with caplog.at_level("DEBUG", logger="hotdog_ft"):
        assert faster_network(net, [mx.cpu()]) is None
    assert "not used" in caplog.text
