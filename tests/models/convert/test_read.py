"""A file of weights is known by what it holds, and one that can't be read is named with what it is."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import pickle
import struct
import sys
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hotdog_ft.backend import gluon, mx, nd
from hotdog_ft.errors import WeightsError
from hotdog_ft.models.convert.read import read_weights
from tests.conftest import parameters
from tests.models.convert.test_torch_pickle import from_torch

# Written by PyTorch 2.14.1 and safetensors 0.8.0, and compressed by zlib:
#   base = torch.arange(12, dtype=torch.float32).reshape(3, 4)
#   safetensors.torch.save({"weight": base.t().contiguous(), "half": torch.tensor([1.5, -2.0], dtype=torch.float16),
#       "brain": torch.tensor([1.0, -0.15625], dtype=torch.bfloat16), "steps": torch.tensor(7), "double":
#       torch.tensor([0.1], dtype=torch.float64), "empty": torch.zeros(0, 3), "flags": torch.tensor([True, False])},
#       metadata={"format": "pt"})
SAFETENSORS_OF_TORCH = """
    eNqF0U2qwjAQAOC4cusRZNZZtLWkxYV/C0EQPIBIiTSxQmuLHRERwWv4Vu8abqRHeUd5k+qipaiByfyQj/6kaLFynSEIEoUylCiDAPpn0Ok+kQh9
    yBAuHHJUWW7mIZ4yReOZcIHGkTTdcsWhpKnWuUI6uLS4vyIXpod1rKpwWoN2U/rcFoaqJMNTTfacirR4r2lt8cJHtd1E+F67b7RwjV7v5XZXxZOp
    LSraaVrhclF+cSRjXXvuV+lzzzFSx3JT+8eTxWL+2XoO9+iNL+3nNbKfm1n34bO7jmgbU6b+l+oO1YxyQdGlekT5j8IaX4fdBxuwosX+AXZKmws=
"""

pytestmark = [
    # MXNet's nd.array names a module that SciPy has moved.
    pytest.mark.filterwarnings("ignore:Please import `csr_matrix`:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Cannot decide type:UserWarning"),  # MXNet's, whenever it reads a graph
]
in_the_same_folder = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def net():
    """A small network with a convolution, a norm and a dense layer, and random values."""
    mx.random.seed(0)
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Conv2D(4, 3, in_channels=3), gluon.nn.BatchNorm(in_channels=4), gluon.nn.Dense(2, in_units=4 * 36))
    net.initialize(mx.init.Normal())
    net.hybridize()
    net(nd.ones((1, 3, 8, 8)))
    return net


def flat(net) -> dict[str, np.ndarray]:
    return {name: parameter.data().asnumpy() for name, parameter in net.collect_params().items()}


def assert_same(arrays, expected) -> None:
    assert set(arrays) == set(expected)
    for name, array in expected.items():
        assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
        assert arrays[name].tobytes() == array.tobytes()


def params_file(arrays: dict[str, np.ndarray], folder: Path) -> bytes:
    path = folder / "made.params"
    nd.save(str(path), {name: nd.array(array, dtype=array.dtype) for name, array in arrays.items()})
    return path.read_bytes()


def onnx_file() -> bytes:
    onnx = pytest.importorskip("onnx")
    weights = onnx.numpy_helper.from_array(np.ones((2, 3), np.float32), "w")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Add", ["x", "w"], ["y"])], "g", [], [], [weights])
    return onnx.helper.make_model(graph).SerializeToString()


def safetensors_file() -> bytes:
    return zlib.decompress(base64.b64decode(SAFETENSORS_OF_TORCH))


def zip_of(**files: bytes) -> bytes:
    """A zip archive; `__` in a name stands for a dot, `_in_` for a slash."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in files.items():
            archive.writestr(name.replace("__", ".").replace("_in_", "/"), file)
    return content.getvalue()


def refusal(path: Path) -> WeightsError:
    """The error, which must begin with the path and have a hint."""
    with pytest.raises(WeightsError) as caught:
        read_weights(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert caught.value.hint.endswith(".")
    return caught.value


def refusal_of(content: bytes, folder: Path, name: str = "weights.bin") -> WeightsError:
    path = folder / name
    path.write_bytes(content)
    return refusal(path)


# Gluon


def test_file_of_save_parameters_is_read(net, tmp_path):
    net.save_parameters(str(tmp_path / "net.params"))
    weights = read_weights(tmp_path / "net.params")
    assert weights.format == "gluon"
    assert_same(weights.arrays, parameters(net))
    assert list(weights.arrays) == list(parameters(net))


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int8", "int64", "bool"])
def test_integers_stay_as_they_are(dtype, tmp_path):
    array = np.array([[0, 1, 1]], dtype)
    (tmp_path / "a.params").write_bytes(params_file({"x": array}, tmp_path))
    assert_same(read_weights(tmp_path / "a.params").arrays, {"x": array})


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_floats_become_float32(dtype, tmp_path):
    array = np.array([[0.1, -2.5, 3]], dtype)
    (tmp_path / "a.params").write_bytes(params_file({"x": array}, tmp_path))
    assert_same(read_weights(tmp_path / "a.params").arrays, {"x": array.astype(np.float32)})


@pytest.mark.parametrize("layout", ["before MXNet 0.11", "V1", "V2", "V3"])
def test_layouts_of_every_time_are_read_as_mxnet_reads_them(layout, tmp_path):
    shapes = {
        "before MXNet 0.11": struct.pack("<III", 2, 2, 3),
        "V1": struct.pack("<IIqq", 0xF993FAC8, 2, 2, 3),
        "V2": struct.pack("<IiIqq", 0xF993FAC9, 0, 2, 2, 3),
        "V3": struct.pack("<IiIqq", 0xF993FACA, 0, 2, 2, 3),
    }
    numbers = np.arange(6, dtype=np.float32).tobytes()
    array = shapes[layout] + struct.pack("<iii", 1, 0, 0) + numbers
    path = tmp_path / "a.params"
    path.write_bytes(struct.pack("<QQQ", 0x112, 0, 1) + array + struct.pack("<QQ", 1, 1) + b"x")
    with mx.util.np_shape(layout == "V3"):
        expected = {name: array.asnumpy() for name, array in nd.load(str(path)).items()}
    assert_same(read_weights(path).arrays, expected)


def test_list_without_names_is_told(tmp_path):
    nd.save(str(tmp_path / "list.params"), [nd.zeros(3)])
    assert "no named parameters" in refusal(tmp_path / "list.params").message


def test_sparse_array_is_told(tmp_path):
    nd.save(str(tmp_path / "a.params"), {"x": nd.ones((2, 3)).tostype("csr")})
    assert "sparse" in refusal(tmp_path / "a.params").message


def test_zip_of_gluons_store_is_read_as_the_file_in_it(net, tmp_path):
    net.save_parameters(str(tmp_path / "net.params"))
    path = tmp_path / "net.zip"
    path.write_bytes(zip_of(net__params=(tmp_path / "net.params").read_bytes()))
    weights = read_weights(path)
    assert weights.format == "gluon"
    assert_same(weights.arrays, parameters(net))


# Checkpoints


@pytest.mark.parametrize("file", ["my.net-symbol.json", "my.net-0007.params"])
def test_checkpoint_is_read_from_either_of_its_files(net, file, tmp_path):
    net.export(str(tmp_path / "my.net"), epoch=7)
    weights = read_weights(tmp_path / file)
    assert weights.format == "gluon"
    assert_same(weights.arrays, flat(net))


def test_arrays_of_a_checkpoint_come_in_the_order_of_its_graph(net, tmp_path):
    net.export(str(tmp_path / "net"))
    params = tmp_path / "net-0000.params"
    nd.save(str(params), dict(reversed(list(nd.load(str(params)).items()))))
    weights = read_weights(params)
    assert weights.in_graph_order
    assert list(weights.arrays) == net(mx.sym.var("data")).list_inputs()[1:]


def test_json_stands_for_the_last_epoch(net, tmp_path):
    net.export(str(tmp_path / "net"), epoch=9)
    net[0].weight.set_data(nd.ones_like(net[0].weight.data()))
    net.export(str(tmp_path / "net"), epoch=10)
    (tmp_path / "net-more-0011.params").write_bytes(b"another network's")
    assert_same(read_weights(tmp_path / "net-symbol.json").arrays, flat(net))


def test_parameters_of_a_checkpoint_without_its_json_are_read(net, tmp_path):
    net.export(str(tmp_path / "net"))
    (tmp_path / "net-symbol.json").unlink()
    weights = read_weights(tmp_path / "net-0000.params")
    assert_same(weights.arrays, flat(net))
    assert not weights.in_graph_order


def test_json_without_parameters_says_what_is_missing(net, tmp_path):
    net.export(str(tmp_path / "net"))
    (tmp_path / "net-0000.params").unlink()
    assert "net-0000.params" in refusal(tmp_path / "net-symbol.json").message


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"nodes": [3]}', b'{"nodes": [{}]}', b"[" * 10**5, b"\xff"])
def test_damaged_graph_is_named(net, content, tmp_path):
    net.export(str(tmp_path / "net"))
    (tmp_path / "net-symbol.json").write_bytes(content)
    assert "graph" in refusal(tmp_path / "net-symbol.json").message


def test_graph_that_does_not_name_all_parameters_gives_no_order(net, tmp_path):
    net.export(str(tmp_path / "net"))
    (tmp_path / "net-symbol.json").write_text(json.dumps({"nodes": [{"op": "null", "name": "data"}]}))
    weights = read_weights(tmp_path / "net-symbol.json")
    assert_same(weights.arrays, flat(net))
    assert not weights.in_graph_order


# Other programs' formats


@pytest.mark.parametrize("layout", ["zip", "legacy"])
def test_pytorch_file_is_known_whatever_its_name(layout, tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(from_torch(layout))
    weights = read_weights(path)
    assert weights.format == "torch"
    assert list(weights.arrays) == ["weight", "row", "half", "brain", "steps", "empty", "flags", "param"]
    assert weights.arrays["half"].dtype == np.float32
    assert weights.arrays["steps"].dtype == np.int64


def test_safetensors_of_pytorch_are_read(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors_file())
    weights = read_weights(path)
    assert weights.format == "safetensors"
    expected = {
        "weight": np.arange(12, dtype=np.float32).reshape(3, 4).T,
        "half": np.array([1.5, -2], np.float32),
        "brain": np.array([1, -0.15625], np.float32),
        "steps": np.array(7, np.int64),
        "double": np.array([0.1], np.float32),
        "empty": np.zeros((0, 3), np.float32),
        "flags": np.array([True, False]),
    }
    assert_same(weights.arrays, expected)


@pytest.mark.parametrize("dtype", "f8 f4 f2 i8 i4 i2 i1 u8 u4 u2 u1 ?".split())
def test_safetensors_of_numpy_are_read_in_the_files_order(dtype, tmp_path):
    save_file = pytest.importorskip("safetensors.numpy").save_file
    arrays = {name: np.arange(6).astype(dtype).reshape(2, 3) + i for i, name in enumerate("cab")}
    arrays = {name: array.astype(dtype) for name, array in arrays.items()}
    save_file(arrays, tmp_path / "w")
    read = read_weights(tmp_path / "w").arrays
    assert_same(read, {k: a.astype(np.float32) if a.dtype.kind == "f" else a for k, a in arrays.items()})
    assert list(read) == ["a", "b", "c"]  # safetensors sorts


def test_numbers_that_cannot_be_read_are_told(tmp_path):
    header = b'{"x":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}}'
    assert "F8_E4M3" in refusal_of(struct.pack("<Q", len(header)) + header + b"ab", tmp_path).message


def test_safetensors_whose_header_length_looks_like_json_are_read(tmp_path):
    header = b'{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'
    header = header.ljust(ord("{") + 256 * ord('"'))
    path = tmp_path / "w"
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"a")
    assert path.read_bytes().startswith(b'{"')
    assert read_weights(path).arrays["x"].tolist() == [97]


def test_onnx_file_is_known_by_its_suffix(tmp_path):
    (tmp_path / "w.ONNX").write_bytes(onnx_file())
    weights = read_weights(tmp_path / "w.ONNX")
    assert weights.format == "onnx"
    assert weights.in_graph_order
    assert_same(weights.arrays, {"w": np.ones((2, 3), np.float32)})


# What can't be read


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:3b4d\nsize 46806737\n", "Git LFS pointer"),
        (b"<!DOCTYPE html>\n<html>", "web page"),
        (b"\xef\xbb\xbf\n <HTML lang=en>", "web page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code>', "web page"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"),
        (b'{\n  "architectures": ["ResNet"]}', "JSON"),
        (b'{"arch":{"a":1}}', "JSON"),
        (b"hot dog", "isn't weights of a known format"),
        (b"\x80", "pickle"),
        (pickle.dumps({"a": 1}), "pickle"),
        (zip_of(readme__txt=b"hot dog"), "neither PyTorch's"),
        (zip_of(a__params=b"1", b__params=b"2"), "neither PyTorch's"),
        (zip_of(net_in_data__pkl=b"", net_in_code_in_net__py=b""), "TorchScript"),
        (zip_of(a__params=b"hot dog" * 3), "incomplete or damaged"),
        (zip_of(a__params=bytes(10**7)), "zeros"),
        (zip_of(a__txt=b"hot dog" * 99)[:-30], "zip archive that is incomplete"),
    ],
)
@pytest.mark.parametrize("suffix", [".params", ".onnx", ".pth"])
def test_what_is_no_file_of_weights_is_named(content, what, suffix, tmp_path):
    if what == "isn't weights of a known format" and suffix == ".onnx":
        what = "isn't a whole ONNX file"
    assert what in refusal_of(content, tmp_path, "weights" + suffix).message


def test_onnx_graph_without_weights_is_told(tmp_path):
    onnx = pytest.importorskip("onnx")
    model = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], []))
    assert "holds no weights" in refusal_of(model.SerializeToString(), tmp_path, "net.onnx").message


@pytest.mark.parametrize("package", ["onnx", "safetensors"])
def test_package_that_is_missing_is_named_with_what_installs_it(package, monkeypatch, tmp_path):
    content = onnx_file() if package == "onnx" else safetensors_file()
    monkeypatch.setitem(sys.modules, package, None)
    error = refusal_of(content, tmp_path, "weights.onnx")
    assert f"package {package}" in error.message
    assert "pip install 'hotdog-ft[weights]'" in error.hint


def test_missing_file_and_folder_are_named(tmp_path):
    for name in ("absent.params", "absent-symbol.json", "absent/net-symbol.json", "net-0000.params", "."):
        refusal(tmp_path / name)


FORMATS = {
    "params": lambda folder: params_file({"a": np.ones((2, 3)), "arg:b": np.ones(4, np.int8)}, folder),
    "zip": lambda folder: zip_of(a__params=params_file({"a": np.random.RandomState(0).rand(30)}, folder)),
    "pth": lambda folder: from_torch("zip"),
    "legacy.pth": lambda folder: from_torch("legacy"),
    "safetensors": lambda folder: safetensors_file(),
    "onnx": lambda folder: onnx_file(),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_file_that_breaks_off_is_refused_wherever_it_does(kind, tmp_path):
    content = FORMATS[kind](tmp_path)
    if kind == "onnx":
        # Between two fields a cut can't be seen; only what comes after the graph can be missing then.
        lengths = range(content.index(b"w") + 1)
    else:
        lengths = sorted({*range(0, len(content), 17), len(content) - 1})
    for length in lengths:
        refusal_of(content[:length], tmp_path, f"cut.{kind}")


@pytest.mark.parametrize("kind", FORMATS)
@given(place=st.integers(0, 10**6), damage=st.binary(min_size=1, max_size=8))
@in_the_same_folder
def test_damaged_file_is_read_or_refused_and_nothing_else(kind, place, damage, tmp_path):
    content = bytearray(FORMATS[kind](tmp_path))
    place %= len(content)
    content[place : place + len(damage)] = damage
    path = tmp_path / f"damaged.{kind}"
    path.write_bytes(content)
    with contextlib.suppress(WeightsError):
        read_weights(path)


@given(
    begin=st.sampled_from(
        [b"", b"PK\x03\x04", b"\x80\x02", struct.pack("<QQQ", 0x112, 0, 1), b"\x20" + bytes(7) + b"{", b"\x08\x08"]
    ),
    content=st.binary(max_size=200),
    suffix=st.sampled_from([".params", ".onnx", ".pth", "-symbol.json", "-0000.params"]),
)
@in_the_same_folder
def test_random_bytes_are_refused(begin, content, suffix, tmp_path):
    refusal_of(begin + content, tmp_path, "random" + suffix)
    (tmp_path / ("random" + suffix)).unlink()


def test_numbers_in_a_file_cannot_ask_for_memory(tmp_path):
    whole = params_file({"x": np.ones((2, 3), np.float32)}, tmp_path)
    shape = struct.pack("<qq", 2, 3)
    count_of_names, length_of_name = len(whole) - 17, len(whole) - 9
    damaged = [
        whole[:16] + struct.pack("<Q", 2**60) + whole[24:],
        whole.replace(shape, struct.pack("<qq", 2**30, 2**30)),
        whole.replace(shape, struct.pack("<qq", -2, -3)),
        whole.replace(shape, struct.pack("<qq", 2**62, 0)),
        whole[:count_of_names] + struct.pack("<Q", 2**60) + whole[length_of_name:],
        whole[:length_of_name] + struct.pack("<Q", 2**60) + whole[-1:],
        whole[:32] + struct.pack("<I", 2**31) + whole[36:],
        struct.pack("<Q", 2**26) + b"{" + whole,
    ]
    for content in damaged:
        assert content != whole
        tracemalloc.start()
        refusal_of(content, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 10**6
        tracemalloc.stop()
