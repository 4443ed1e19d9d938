from __future__ import annotations

import numpy as np
import pytest

from hotdog_ft.backend import autograd, gluon, mx, nd
from hotdog_ft.errors import ConfigError
from hotdog_ft.models import zoo
from hotdog_ft.models.finetune import target_net
from hotdog_ft.models.table import find_network, networks

# Every other network ends in a pooling that fits its own size only.
ANY_SIZE = ("resnet", "mobilenet", "squeezenet", "efficientnet")


def test_the_table_has_gluons_34_networks_and_efficientnet_lite():
    # facts.md: "All 34 networks of the Gluon zoo".
    own = {name for name in networks() if name.startswith("efficientnet_lite")}
    assert own == {"efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"}
    gluons = set(networks()) - own
    assert len(gluons) == 34
    for name in gluons:
        gluon.model_zoo.vision.get_model(name)


def test_the_tables_checksums_are_gluons_own():
    from hotdog_ft.backend import mx

    published = mx.gluon.model_zoo.model_store._model_sha1
    for network in networks().values():
        for source in network.weights:
            if source["source"] == "gluon":
                assert source["sha1"] == published[network.name]


@pytest.mark.parametrize(
    "name", ["resnet18_v2", "mobilenet0.25", "mobilenetv2_0.25", "squeezenet1.1", "efficientnet_lite0"]
)
def test_a_network_has_the_parameters_that_the_table_says(name):
    network = find_network(name)
    net = zoo.build_source(name, network.preprocess.image_size)
    zoo.infer_shapes(net, name, network.preprocess.image_size)
    assert zoo.count_parameters(net) == network.parameters


@pytest.mark.parametrize(
    ("name", "described"),
    [
        ("resnet18_v2", "Dense(512 -> 1000, linear)"),  # as the book prints it
        ("squeezenet1.1", "Dense(512 -> 1000, linear)"),
        ("mobilenetv2_0.25", "Conv2D(1280 -> 1000, kernel_size=(1, 1), stride=(1, 1), bias=False)"),
    ],
)
def test_the_output_layer_is_described(name, described):
    assert zoo.output_layer(zoo.build(name, 1000, 224)) == described


def test_a_size_that_a_network_cannot_take_is_a_wrong_option():
    with pytest.raises(ConfigError, match="--image-size: densenet121 can't take images of 64 x 64"):
        zoo.build("densenet121", 2, 64)


def test_an_unknown_network_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match=r"resnet18v2: there is no network of this name \(did you mean 'resnet18_v2'"):
        find_network("resnet18v2")


@pytest.mark.slow
@pytest.mark.parametrize("name", list(networks()))
def test_every_network_takes_a_training_step_with_a_new_output(name):
    size = 64 if name.startswith(ANY_SIZE) else find_network(name).preprocess.image_size
    mx.random.seed(0)
    net = target_net(name, None, ("a", "b", "c"), [mx.cpu()], size)
    X = nd.array(np.random.default_rng(0).integers(0, 256, (2, size, size, 3)), dtype="uint8")
    before = {key: p.data().asnumpy() for key, p in net.net._collect_params_with_prefix().items() if "output" in key}
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.01})
    with autograd.record():
        logits = net(X)
        loss = gluon.loss.SoftmaxCrossEntropyLoss()(logits, nd.array([0, 2]))
    loss.backward()
    trainer.step(2)
    assert logits.shape == (2, 3)
    assert np.isfinite(loss.asnumpy()).all()
    assert before
    for key, value in before.items():
        assert (net.net._collect_params_with_prefix()[key].data().asnumpy() != value).any()
