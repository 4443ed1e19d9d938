from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hotdog_ft.backend import gluon, mx, nd
from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.errors import RunError
from hotdog_ft.inference.description import as_text
from hotdog_ft.models import zoo
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.table import find_network

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")

from hotdog_ft.inference.to_onnx.network import network  # noqa: E402
from hotdog_ft.inference.to_onnx.preprocessing import preprocessing  # noqa: E402
from hotdog_ft.inference.to_onnx.session import OnnxFile  # noqa: E402
from hotdog_ft.inference.to_onnx.whole import write_onnx  # noqa: E402

DESCRIPTION = {"architecture": "toy", "classes": ["Käse", "hot dog"], "hotdog_ft": "0"}
SIDES = st.integers(1, 300)


def session(model) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module", params=["bilinear", "bicubic"])
def interpolation(request):
    return request.param


@pytest.fixture(scope="module", params=[True, False], ids=["in proportion", "stretched"])
def prepare(request, interpolation):
    """A record, and what ONNX Runtime computes by it: uint8 photos -> whole pixels, before normalisation."""
    preprocess = Preprocess(48, 55, request.param, interpolation, mean=(0, 0, 0), std=(1, 1, 1))
    computed = session(preprocessing(preprocess))

    def pixels(photos: np.ndarray) -> np.ndarray:
        (planes,) = computed.run(None, {"photos": photos})
        return np.rint(planes.transpose(0, 2, 3, 1) * 255).astype(np.uint8)

    return preprocess, pixels


@given(height=SIDES, width=SIDES, seed=st.integers(0, 1000))
@example(height=55, width=55, seed=0)  # not resized
@example(height=110, width=110, seed=0)  # halved: halves are rounded up
@example(height=330, width=220, seed=0)  # whole pixels become one
@example(height=55, width=200, seed=0)  # one side as it is
@example(height=20, width=300, seed=0)  # one side shrinks, the other grows
@example(height=1, width=1, seed=0)
def test_resizing_gives_opencvs_pixels(prepare, height, width, seed):
    preprocess, pixels = prepare
    photo = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    np.testing.assert_array_equal(pixels(photo[np.newaxis])[0], preprocess.for_test(photo))


@pytest.mark.parametrize("size", [(1500, 2000), (40, 3000), (683, 1024)])
def test_large_photos_give_opencvs_pixels(prepare, size):
    preprocess, pixels = prepare
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    np.testing.assert_array_equal(pixels(photo[np.newaxis])[0], preprocess.for_test(photo))


def test_several_photos_of_a_size_come_together(prepare):
    preprocess, pixels = prepare
    photos = np.random.default_rng(0).integers(0, 256, (3, 90, 70, 3), dtype=np.uint8)
    np.testing.assert_array_equal(pixels(photos), np.stack([preprocess.for_test(photo) for photo in photos]))


def test_pixels_are_normalised_as_the_classifier_does(toy_net):
    classifier = toy_net([mx.cpu()])
    photo = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    (found,) = session(preprocessing(classifier.preprocess)).run(None, {"photos": photo[np.newaxis]})
    prepared = classifier.preprocess.for_test(photo)[np.newaxis]
    expected = classifier.normalize(nd.array(prepared, dtype="uint8")).asnumpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_probabilities_are_named_and_at_the_temperature(toy_net, tmp_path):
    classifier = toy_net([mx.cpu()])
    classifier.classes, classifier.temperature = ("Käse", "hot dog"), 0.1
    write_onnx(tmp_path / "model.onnx", classifier, DESCRIPTION)
    photo = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    written = OnnxFile(tmp_path / "model.onnx")
    logits = classifier(nd.array(classifier.preprocess.for_test(photo)[np.newaxis], dtype="uint8"))
    np.testing.assert_allclose(written.answer(photo), (logits / 0.1).softmax(axis=1).asnumpy()[0], atol=1e-6)
    assert written.description == as_text(DESCRIPTION)
    assert json.loads(written.description["classes"]) == ["Käse", "hot dog"]
    plain = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    assert list(plain.run(["classes"], {"photos": photo[np.newaxis]})[0]) == ["Käse", "hot dog"]


def logits_differ_by(net: gluon.HybridBlock, size: int, name: str = "toy") -> float:
    """The largest difference between MXNet's logits and ONNX Runtime's, as a part of the largest."""
    X = nd.random.normal(0, 1, (2, 3, size, size))
    with mx.autograd.record():
        net(X)  # BatchNorms see what comes, as in training
    expected = net(X).asnumpy()
    classifier = Classifier(name, net, Preprocess(size, size), ("a", "b"))
    (found,) = session(network(classifier, 15, 8)).run(None, {"pixels": X.asnumpy()})
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def lively(net: gluon.HybridBlock) -> gluon.HybridBlock:
    """The network with values, of which BatchNorms' scales aren't 1, nor their shifts 0."""
    mx.random.seed(0)
    net.initialize(mx.init.Xavier())
    for name, parameter in net.collect_params().items():
        if name.endswith("gamma"):
            parameter.set_data(nd.random.uniform(0.5, 1.5, parameter.shape))
        if name.endswith("beta"):
            parameter.set_data(nd.random.normal(0, 0.3, parameter.shape))
    return net


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "alexnet",
        "densenet121",
        "efficientnet_lite0",
        "efficientnet_lite0+efficientnet_lite1",
        "inceptionv3",
        "mobilenet0.25",
        "mobilenetv2_0.25",
        "resnet18_v1",
        "resnet18_v2",  # its first BatchNorm has no scale
        "squeezenet1.1",
    ],
)
def test_networks_of_the_zoo_give_the_same_logits(name):
    size = find_network(name).preprocess.image_size
    assert logits_differ_by(lively(zoo.build(name, 2, size)), size, name) < 2e-5


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["mobilenetv3_small", "resnest14", "resnet18_v1b", "se_resnet18_v1", "shufflenet_v1", "shufflenet_v2"]
)
def test_gluoncvs_networks_give_the_same_logits(name):
    pytest.importorskip("gluoncv")
    size = find_network(name).preprocess.image_size
    assert logits_differ_by(lively(zoo.build(name, 2, size)), size, name) < 2e-5


def test_group_normalisation_gives_the_same():
    from hotdog_ft.models.group_norm import GroupNorm

    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Conv2D(64, 3, in_channels=3), GroupNorm(64), gluon.nn.GlobalAvgPool2D(), gluon.nn.Dense(2))
    assert logits_differ_by(lively(net), 16) < 2e-5


def test_a_scale_that_is_fixed_counts_as_one():
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.BatchNorm(scale=False, in_channels=3), gluon.nn.Flatten(), gluon.nn.Dense(2))
    net.initialize()
    net[0].gamma.set_data(nd.full(3, 5))
    assert logits_differ_by(net, 8) < 1e-6


def test_what_cant_be_converted_is_told():
    class Odd(gluon.HybridBlock):
        def hybrid_forward(self, F, x):
            return F.erfinv(x)

    with pytest.raises(RunError, match=r"odd: can't be written in ONNX \(.*erfinv") as caught:
        network(Classifier("odd", Odd(), Preprocess(8, 8), ("a", "b")), 15, 8)
    assert "--format symbol" in caught.value.hint
