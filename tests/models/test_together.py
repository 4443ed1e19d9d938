from __future__ import annotations

import numpy as np
import pytest

from hotdog_ft.backend import gluon, mx, nd
from hotdog_ft.errors import ConfigError
from hotdog_ft.models import weights, zoo
from hotdog_ft.models.features import feature_net
from hotdog_ft.models.finetune import target_net
from hotdog_ft.models.table import find_network
from hotdog_ft.models.together import Together
from hotdog_ft.models.weights import find_weights
from tests.models.test_finetune import source_of

CPU = [mx.cpu()]
BOTH = "mobilenet0.25+resnet18_v2"


@pytest.fixture
def sources(monkeypatch):
    """ImageNet weights of random values for both networks."""
    found = {name: source_of(name, seed) for seed, name in enumerate(BOTH.split("+"))}
    alone = weights.find_weights
    monkeypatch.setattr(weights, "find_weights", lambda name, *more: found.get(name) or alone(name, *more))
    return found


def test_the_features_of_all_stand_side_by_side_by_mean_and_maximum(sources):
    net = target_net(BOTH, find_weights(BOTH, "imagenet"), ("a", "b"), CPU, image_size=64)
    X = nd.array(np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)), dtype="uint8")
    means = [
        feature_net(target_net(name, source, ("a", "b"), CPU, image_size=64))(X).asnumpy()
        for name, source in sources.items()
    ]
    maxima = [net.net.parts[i](net.normalize(X)).max(axis=(2, 3)).asnumpy() for i in range(2)]
    expected = np.concatenate([means[0], maxima[0], means[1], maxima[1]], axis=1)
    assert feature_net(net)(X).asnumpy() == pytest.approx(expected, abs=1e-5)
    assert net(X).shape == (2, 2)


def test_features_that_are_a_vector_already_stay_as_they_are():
    class Part(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.features = gluon.nn.HybridSequential()
            self.features.add(gluon.nn.Conv2D(4, 3), gluon.nn.Dense(5), gluon.nn.Dropout(0.5))

    net = Together([Part(), Part()], 2)
    net.initialize()
    net(nd.zeros((1, 3, 8, 8)))
    assert net.output.weight.shape == (2, 10)


def test_the_output_layer_is_one():
    assert zoo.output_names(BOTH) == ("output.weight", "output.bias")


def test_images_are_of_the_largest_networks_size():
    lites = find_network("efficientnet_lite0+efficientnet_lite2")
    assert lites.preprocess == find_network("efficientnet_lite2").preprocess
    assert lites.parameters == sum(part.parameters for part in lites.parts)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("resnet18_v2+resnet18_v2", "twice"),
        ("resnet18_v2+efficientnet_lite0", "normalised differently"),
        ("resnet18_v2+squeezenet1.1", "squeezenet1.1 doesn't end in a vector"),
        ("resnet18_v2+resnet18_v3", "no network of this name"),
        ("resnet18_v2+", "no network of this name"),
    ],
)
def test_what_does_not_go_together_is_refused(name, reason):
    with pytest.raises(ConfigError, match=reason):
        find_network(name)


def test_a_file_holds_one_network(tmp_path):
    (tmp_path / "w.params").write_bytes(b"")
    with pytest.raises(ConfigError, match="holds one network"):
        find_weights(BOTH, str(tmp_path / "w.params"))


def test_an_output_layer_of_several_has_no_rows_to_start_from(sources):
    with pytest.raises(ConfigError, match="--output-init"):
        target_net(BOTH, find_weights(BOTH, "imagenet"), ("hotdog", "b"), CPU, output_init="imagenet")
