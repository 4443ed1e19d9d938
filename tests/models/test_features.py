from __future__ import annotations

import numpy as np
import pytest

from hotdog_ft.backend import mx, nd
from hotdog_ft.data.folder import read_folder
from hotdog_ft.data.photo import read_photo
from hotdog_ft.models import zoo
from hotdog_ft.models.features import compute_features, feature_net
from hotdog_ft.models.finetune import target_net

CPU = mx.cpu()


def classifier(name="mobilenet0.25", size=32, seed=0):
    mx.random.seed(seed)
    return target_net(name, None, ("green", "red"), [CPU], image_size=size)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("resnet18_v2", 32),
        ("mobilenetv2_0.25", 32),  # a convolution without bias is its output layer
        ("squeezenet1.1", 64),
        ("efficientnet_lite0", 32),
        pytest.param("googlenet", 224, marks=pytest.mark.slow),  # its output layer has two names
        pytest.param("hrnet_w18_small_v1_c", 64, marks=pytest.mark.slow),
        pytest.param("residualattentionnet56", 224, marks=pytest.mark.slow),
        pytest.param("vgg11", 64, marks=pytest.mark.slow),
        pytest.param("nasnet_4_1056", 224, marks=pytest.mark.slow),
    ],
)
def test_the_output_layer_makes_of_the_features_what_the_network_answers(name, size):
    net = classifier(name, size)
    X = nd.array(np.random.default_rng(0).integers(0, 256, (2, size, size, 3)), dtype="uint8")
    features, answers = feature_net(net)(X).asnumpy(), net(X).asnumpy()
    parameters = net.net._collect_params_with_prefix()
    values = {key.rsplit(".", 1)[1]: parameters[key].data().asnumpy() for key in zoo.output_names(name)}
    expected = features @ values["weight"].reshape(2, -1).T + values.get("bias", 0)
    assert features.ndim == 2
    assert np.abs(expected - answers).max() <= 1e-5 * max(1, np.abs(answers).max())


def test_features_are_of_the_photo_and_of_its_mirror_image(photos):
    net, split = classifier(), read_folder(photos).test
    found = compute_features(net, split, CPU, batch_size=4, workers=2)
    assert found.good.tolist() == list(range(6))
    image = net.preprocess.for_test(read_photo(split.paths[5]))
    views = nd.array(np.stack([image, image[:, ::-1]]), dtype="uint8")
    assert found.values[5] == pytest.approx(feature_net(net)(views).asnumpy(), abs=1e-5)


def test_a_photo_that_cannot_be_read_is_left_out(photos):
    split = read_folder(photos).test
    split.paths[1].write_bytes(b"no photo")
    found = compute_features(classifier(), split, CPU, batch_size=4, workers=2)
    assert found.good.tolist() == [0, 2, 3, 4, 5]
    assert len(found.values) == 5
