from __future__ import annotations

import cv2
import numpy as np
import pytest

from hotdog_ft.backend import autograd, gluon, mx, nd
from hotdog_ft.data.photo import open_photo
from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.errors import RunError
from hotdog_ft.inference.explain import SHOWN, Explainer, overlay
from hotdog_ft.inference.int8 import quantize
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.finetune import target_net

CPU = mx.cpu()
CLASSES = ("a", "b", "c")


def pixels(count: int, size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def as_shown(maps: np.ndarray, size: int) -> np.ndarray:
    """Maps as the paper's last step has them: as large as the photo, no negative part, 1 the most, if any."""
    large = np.stack([cv2.resize(each, (size, size), interpolation=cv2.INTER_LINEAR) for each in maps])
    large = np.maximum(large, 0)
    return large / np.maximum(large.max(axis=(1, 2), keepdims=True), 1e-30)


def test_behind_a_mean_it_is_the_class_activation_map(toy_net):
    """Of a mean and a dense layer the gradient is known: the weights' (Zhou et al. 2016)."""
    net = toy_net([CPU], batch_norm=True)
    X = pixels(5, 16)
    labels = [0, 1, 0, 1, 1]
    maps = net.net.features[:3](net.normalize(nd.array(X, dtype="uint8"))).asnumpy()
    weights = net.net.output.weight.data().asnumpy()
    weights = (weights - weights.mean(axis=0))[labels]
    expected = as_shown(np.einsum("bc,bchw->bhw", weights, maps), 16)
    np.testing.assert_allclose(Explainer(net, CPU).explain(X, labels), expected, atol=1e-5)


class Scored(gluon.HybridBlock):
    """A network whose maps go through more than a mean: their squares' mean, two dense layers, a ReLU between."""

    def __init__(self):
        super().__init__()
        with self.name_scope():
            self.maps = gluon.nn.Conv2D(6, 3, 2, in_channels=3)
            self.hidden = gluon.nn.Dense(8, activation="relu", in_units=6)
            self.output = gluon.nn.Dense(3, in_units=8)

    def hybrid_forward(self, F, x):
        return self.behind(F, self.maps(x))

    def behind(self, F, maps):
        return self.output(self.hidden(F.mean(F.square(maps), axis=(2, 3))))


def test_it_is_grad_cam_as_autograd_computes_it():
    mx.random.seed(3)
    net = Scored()
    net.initialize(mx.init.Xavier(magnitude=6))
    classifier = Classifier("scored", net, Preprocess(image_size=20), CLASSES)
    classifier.normalize.initialize()
    X, labels = pixels(4, 20), [0, 1, 2, 1]
    squares = nd.square(net.maps(classifier.normalize(nd.array(X, dtype="uint8"))))  # the last maps
    squares.attach_grad()
    with autograd.record(train_mode=False):
        logits = net.output(net.hidden(squares.mean(axis=(2, 3))))
        score = nd.pick(logits, nd.array(labels)) - logits.mean(axis=1)
    score.backward()
    weights = squares.grad.sum(axis=(2, 3), keepdims=True)
    expected = as_shown((weights * squares).sum(axis=1).asnumpy(), 20)
    np.testing.assert_allclose(Explainer(classifier, CPU).explain(X, labels), expected, atol=1e-5)


class Red(gluon.HybridBlock):
    """Says `red` where any pixel is red, by the colours alone."""

    def __init__(self):
        super().__init__()
        with self.name_scope():
            self.colours = gluon.nn.Conv2D(2, 4, 4, in_channels=3, use_bias=False)
            self.output = gluon.nn.Dense(2, in_units=2, use_bias=False)

    def hybrid_forward(self, F, x):
        return self.output(F.Pooling(F.relu(self.colours(x)), global_pool=True, pool_type="avg"))


@pytest.mark.parametrize(("top", "left"), [(0, 0), (0, 24), (24, 0), (24, 24), (8, 16)])
def test_it_lies_on_what_decided(top, left):
    net = Red()
    net.initialize()
    kernel = np.zeros((2, 3, 4, 4), np.float32)
    kernel[0, 0], kernel[0, 1] = 1, -1
    kernel[1] = 0.01
    net.colours.weight.set_data(nd.array(kernel))
    net.output.weight.set_data(nd.array([[1, 0], [0, 1]]))
    classifier = Classifier("red", net, Preprocess(image_size=32), ("red", "other"))
    classifier.normalize.initialize()
    photo = np.full((32, 32, 3), 120, np.uint8)
    photo[top : top + 8, left : left + 8] = (250, 10, 10)
    (found,) = Explainer(classifier, CPU).explain(photo[np.newaxis], [0])
    y, x = np.unravel_index(found.argmax(), found.shape)
    assert top <= y < top + 8
    assert left <= x < left + 8
    inside = np.zeros((32, 32), bool)
    inside[max(top - 4, 0) : top + 12, max(left - 4, 0) : left + 12] = True
    assert found[~inside].max() < 0.1


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *(("alexnet", 64), ("densenet121", 224), ("efficientnet_lite0", 64), ("mobilenetv2_0.25", 64)),
        *(("resnet18_v1", 64), ("resnet18_v2", 64), ("squeezenet1.1", 64), ("vgg11_bn", 64)),
        ("mobilenetv2_0.25+resnet18_v1", 64),
    ],
)
def test_networks_of_the_zoo(name, size):
    mx.random.seed(0)
    net = target_net(name, None, CLASSES, [CPU], image_size=size)
    X = pixels(2, size)
    explainer = Explainer(net, CPU)
    found = np.stack([explainer.explain(X, [label, label]) for label in range(3)])
    assert found.shape == (3, 2, size, size)
    assert found.dtype == np.float32
    assert set(found.max(axis=(2, 3)).flat) <= {0, 1}
    assert found.min() >= 0
    # The classes' scores sum to 0 everywhere: what speaks for one speaks against another.
    assert (found.max(axis=(0, 2, 3)) == 1).all()
    assert ((found > 0).sum(axis=0) < 3).all()


def test_nothing_changes_by_explaining(toy_net):
    net = toy_net([CPU], batch_norm=True)
    X = pixels(3, 16)
    before = {name: value.data().asnumpy() for name, value in net.collect_params().items()}
    explainer = Explainer(net, CPU)
    first = explainer.explain(X, [0, 1, 0])
    explainer.explain(X[:1], [1])
    assert (explainer.explain(X, [0, 1, 0]) == first).all()
    after = {name: value.data().asnumpy() for name, value in net.collect_params().items()}
    assert all((before[name] == after[name]).all() for name in before)


def test_integers_have_no_gradient():
    net = target_net("squeezenet1.1", None, CLASSES, [CPU], image_size=64)
    quantized = Classifier("squeezenet1.1", quantize(net, pixels(4, 64)), net.preprocess, CLASSES)
    quantized.normalize.initialize()
    with pytest.raises(RunError, match="8-bit integers") as caught:
        Explainer(quantized, CPU)
    assert "model that it was made from" in caught.value.hint


def test_a_network_without_maps():
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(3, in_units=3 * 8 * 8))
    classifier = Classifier("dense", net, Preprocess(image_size=8), CLASSES)
    classifier.initialize()
    with pytest.raises(RunError, match="none of its layers is a map"):
        Explainer(classifier, CPU)


def test_the_picture_has_the_networks_crop_in_the_size_for_people(toy_net):
    photo = np.zeros((100, 200, 3), np.uint8)
    photo[:, 100:] = 255
    picture = Explainer(toy_net([CPU]), CPU).picture(open_photo(photo), 0)
    assert picture.shape == (SHOWN, SHOWN, 3)
    assert picture.dtype == np.uint8
    flat = overlay(photo, np.zeros((7, 7), np.float32))
    assert flat.shape == photo.shape
    assert (flat[:, :90] == 0).all()
    assert (flat[:, 110:] == 204).all()  # in grey, a little darker
    hot = overlay(photo, np.ones((7, 7), np.float32))
    assert (hot[..., 0] > hot[..., 2]).all()  # rather red than blue


def test_only_places_that_are_hotter_have_more_of_the_colour():
    """From left to right ever hotter."""
    photo = np.full((4, 64, 3), 128, np.uint8)
    coloured = overlay(photo, np.tile(np.linspace(0, 1, 64, dtype=np.float32), (4, 1))).astype(int)
    saturation = coloured.max(axis=2) - coloured.min(axis=2)
    assert saturation[0, 0] <= saturation[0, 16] <= saturation[0, 40]
    assert coloured[0, 8].argmax() == 2
    assert coloured[0, -1].argmax() == 0
