"""The weights of an ONNX graph come in the order in which the graph uses them."""

from __future__ import annotations

import numpy as np
import pytest

from hotdog_ft.errors import WeightsError
from hotdog_ft.models.convert.onnx_file import read_onnx

onnx = pytest.importorskip("onnx")


def tensor(name: str, values, dtype=np.float32):
    return onnx.numpy_helper.from_array(np.array(values, dtype), name)


def save(path, initializers, inputs=()):
    """A graph whose nodes each use some initializers, named by `inputs`."""
    nodes = [onnx.helper.make_node("Sum", list(names), [f"y{i}"]) for i, names in enumerate(inputs)]
    graph = onnx.helper.make_graph(nodes, "g", [], [], initializer=initializers)
    path.write_bytes(onnx.helper.make_model(graph).SerializeToString())
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.onnx"


def test_weights_come_in_the_order_of_use_and_the_unused_last(path):
    stored = [tensor(name, [i]) for i, name in enumerate("abcd")]
    arrays = read_onnx(save(path, stored, [("d", "x"), ("b", "d"), ("c",)]))
    assert {name: array.tolist() for name, array in arrays.items()} == {"d": [3], "b": [1], "c": [2], "a": [0]}
    assert list(arrays) == ["d", "b", "c", "a"]


def test_scalars_and_integers_are_no_weights(path):
    arrays = read_onnx(save(path, [tensor("max", 6), tensor("shape", [1, -1], np.int64), tensor("w", [[1, 2]])]))
    assert list(arrays) == ["w"]
    assert arrays["w"].shape == (1, 2)


@pytest.mark.parametrize("kind", ["FLOAT", "FLOAT16", "BFLOAT16", "DOUBLE"])
@pytest.mark.parametrize("raw", [False, True])
def test_every_kind_of_float_is_read(path, kind, raw):
    values = [1.5, -2.0, 0.15625]
    number = getattr(onnx.TensorProto, kind)
    if raw:
        content = {
            "FLOAT": np.array(values, np.float32),
            "FLOAT16": np.array(values, np.float16),
            "BFLOAT16": (np.array(values, np.float32).view(np.uint32) >> 16).astype(np.uint16),
            "DOUBLE": np.array(values, np.float64),
        }[kind].tobytes()
        weights = onnx.TensorProto(name="w", dims=[3], data_type=number, raw_data=content)
    else:
        weights = onnx.helper.make_tensor("w", number, [3], values)
    assert read_onnx(save(path, [weights]))["w"].tolist() == values


def test_weights_in_another_file_are_refused(path):
    outside = tensor("w", [1, 2])
    outside.ClearField("raw_data")
    outside.data_location = onnx.TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="/etc/passwd")
    with pytest.raises(WeightsError, match="keeps its weights in another file") as caught:
        read_onnx(save(path, [outside]))
    assert caught.value.message.startswith(f"{path}: ")


@pytest.mark.parametrize("dims", [[3], [2, -1], [-2], [0], [2**40], [2**62, 4]])
def test_shape_that_the_values_do_not_fill_is_refused(path, dims):
    damaged = tensor("w", [1, 2])
    damaged.dims[:] = dims
    with pytest.raises(WeightsError, match="isn't a whole ONNX file"):
        read_onnx(save(path, [damaged]))
