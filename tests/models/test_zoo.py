from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from hotdog_ft.backend import autograd, gluon, mx, nd
from hotdog_ft.errors import ConfigError
from hotdog_ft.models import zoo
from hotdog_ft.models.finetune import target_net
from hotdog_ft.models.group_norm import GroupNorm
from hotdog_ft.models.table import find_network, matching, networks
from tests.conftest import REPOSITORY

# They end in a pooling that fits their own size only, or halve the image once too often for a smaller one.
OWN_SIZE = ("densenet", "googlenet", "inception", "residualattention")
TRAINABLE = [name for name, network in networks().items() if not network.refused]


def test_the_table_has_gluons_34_networks_gluoncvs_81_more_and_efficientnet_lite():
    # facts.md: "115 are ImageNet classifiers (they include the 34 of Gluon)".
    zoos = {zoo: {n for n in TRAINABLE if find_network(n).zoo == zoo} for zoo in ("gluon", "gluoncv", "own")}
    assert zoos["own"] == {"efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"}
    assert len(zoos["gluon"]) == 34
    assert len(zoos["gluoncv"]) == 81
    for name in zoos["gluon"]:
        gluon.model_zoo.vision.get_model(name)


def test_the_tables_checksums_are_the_zoos_own():
    pytest.importorskip("gluoncv")
    zoo.build_source("dla34", 224)  # as the tool imports GluonCV
    from gluoncv.model_zoo.model_store import _model_sha1 as gluoncvs

    gluons = mx.gluon.model_zoo.model_store._model_sha1
    sources = [(n, s) for n in networks().values() for s in n.weights if s.store == "gluon"]
    assert len(sources) > 90
    for network, source in sources:
        stem = source.file.removesuffix(".params")
        name, _, digits = stem.rpartition("-")
        sha1 = source.checksum.removeprefix("sha1:")
        assert sha1 in (gluoncvs.get(name), gluons.get(name) if network.zoo == "gluon" else None)
        assert digits == sha1[:8]
        assert source.urls()[0].endswith(f"/gluon/models/{stem}.zip")


def test_no_network_has_weights_that_its_zoo_does_not_publish():
    # facts.md: "31 of the 115 have no weights".
    assert len([name for name in TRAINABLE if not find_network(name).weights]) == 31


def test_every_source_says_what_a_user_should_know():
    for network in networks().values():
        for source in network.weights:
            assert source.licence
            assert source.checksum.split(":")[0] in ("sha1", "sha256")
            assert len(source.checksum.split(":")[1]) >= 8
            assert source.package or all(url.startswith("https://") for url in source.urls())
            assert source.top1 is None or 0.4 < source.top1 < 0.9


def test_what_cannot_be_fine_tuned_is_told_with_the_reason():
    with pytest.raises(ConfigError, match=r"resnet50_v1_int8 can't be fine-tuned: it is resnet50_v1 in 8-bit integers"):
        find_network("resnet50_v1_int8")


def test_a_pattern_names_networks_in_the_tables_order():
    assert [network.name for network in matching(["resnet18_v2", "resnet18_v1"])] == ["resnet18_v1", "resnet18_v2"]
    assert len(matching(["mobilenetv2_*"])) == 4
    with pytest.raises(ConfigError, match=r"resnet81\*: there is no network of this name"):
        matching(["resnet18_v2", "resnet81*"])


def test_gluoncv_is_found_beside_a_pytorch_that_it_refuses(monkeypatch):
    pytest.importorskip("gluoncv")
    code = (
        "import sys, types; sys.modules['torch'] = torch = types.ModuleType('torch'); torch.__version__ = '2.9'; "
        "torch.Tensor = type('Tensor', (), {}); "
        "from hotdog_ft.models import zoo; zoo.build_source('dla34', 224); assert sys.modules['torch'] is torch"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_without_gluoncv_its_networks_are_a_wrong_option(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "gluoncv"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "gluoncv", None)
    with pytest.raises(ConfigError, match="--model: dla34 is one of GluonCV's networks, and GluonCV can't be imported"):
        zoo.build("dla34", 2, 224)


def test_group_normalisation_is_gluoncvs():
    pytest.importorskip("gluoncv")
    zoo.build_source("dla34", 224)  # as the tool imports GluonCV
    from gluoncv.nn import GroupNorm as Published

    mx.random.seed(0)
    ours, theirs = GroupNorm(64), Published(in_channels=64)
    for parameter, other in zip(ours.collect_params().values(), theirs.collect_params().values()):
        values = nd.random.normal(shape=(64,))
        for p in (parameter, other):
            p.initialize()
            p.set_data(values)
    ours.hybridize()
    x = nd.random.normal(2, 3, shape=(2, 64, 5, 7))
    assert np.abs(ours(x).asnumpy() - theirs(x).asnumpy()).max() < 1e-5


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
    assert zoo.output_layer(name, zoo.build(name, 1000, 224)) == described


def test_a_size_that_a_network_cannot_take_is_a_wrong_option():
    with pytest.raises(ConfigError, match="--image-size: densenet121 can't take images of 64 x 64"):
        zoo.build("densenet121", 2, 64)


def test_resnest_predicts_the_same_after_it_was_traced_in_training():
    pytest.importorskip("gluoncv")
    net = zoo.build("resnest26", 2, 64)
    net.initialize()
    net.hybridize()
    x = nd.ones((2, 3, 64, 64))
    with autograd.record():
        net(x)
    assert (net(x).asnumpy() == net(x).asnumpy()).all()


def test_an_unknown_network_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match=r"resnet18v2: there is no network of this name \(did you mean 'resnet18_v2'"):
        find_network("resnet18v2")


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINABLE)
def test_every_network_has_the_parameters_that_the_table_says_and_takes_a_training_step_with_a_new_output(name):
    if find_network(name).zoo == "gluoncv":
        pytest.importorskip("gluoncv")
    if find_network(name).onednn:
        take_a_step(name)
    else:  # oneDNN is turned off for good
        code = f"from tests.models.test_zoo import take_a_step; take_a_step({name!r})"
        subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)


def take_a_step(name):
    network = find_network(name)
    size = network.preprocess.image_size if name.startswith(OWN_SIZE) else 64
    mx.random.seed(0)
    net = target_net(name, None, ("a", "b", "c"), [mx.cpu()], size)
    net.hybridize(static_alloc=True, static_shape=True)
    X = nd.array(np.random.default_rng(0).integers(0, 256, (2, size, size, 3)), dtype="uint8")
    values = net.net._collect_params_with_prefix()
    before = {key: values[key].data().asnumpy() for key in zoo.output_names(name)}
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.01})
    with autograd.record():
        logits = net(X)
        loss = gluon.loss.SoftmaxCrossEntropyLoss()(logits, nd.array([0, 2]))
    loss.backward()
    trainer.step(2)
    assert logits.shape == (2, 3)
    assert np.isfinite(loss.asnumpy()).all()
    assert all(value.shape[0] == 3 for value in before.values())
    for key, value in before.items():
        assert (values[key].data().asnumpy() != value).any()

    source = zoo.build_source(name, network.preprocess.image_size)
    zoo.infer_shapes(source, name, network.preprocess.image_size)
    assert zoo.count_parameters(source) == network.parameters
    shapes = {key: p.shape for key, p in source._collect_params_with_prefix().items()}
    assert all(shapes[key][0] == 1000 for key in zoo.source_output_names(name))
