"""PyTorch files are read without PyTorch, and nothing in them is run."""

from __future__ import annotations

import base64
import collections
import contextlib
import io
import os
import pickle
import struct
import sys
import types
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hotdog_ft.errors import WeightsError
from hotdog_ft.models.convert.torch_pickle import read_torch_state_dict

# Written by PyTorch 2.13.0, in its format of today and (_use_new_zipfile_serialization=False) in that before 1.6:
#   base = torch.arange(12, dtype=torch.float32).reshape(3, 4)
#   OrderedDict(weight=base.t(), row=base[1], half=torch.tensor([1.5, -2.0], dtype=torch.float16),
#               brain=torch.tensor([1.0, -0.15625], dtype=torch.bfloat16), steps=torch.tensor(7),
#               empty=torch.zeros(0, 3), flags=torch.tensor([True, False]), param=nn.Parameter(torch.tensor([0.25])))
# with a _metadata attribute, as modules give their state dicts.
FROM_TORCH = {
    "zip": """
    eNqllktsG0UYx8fPOCbPEggNEALl4UDrrF9rp03zWMpSuoW6S5GsXKyNs7FXbLz+dicJQYpkCSXAgQvijBBI3Dhzq6peeq5EKyQ4IHFAnDhy4cDM
    rGN2xklNk1XGK6/n//v+szvfP1vWIlGEEgnUc4yhM8hwaw1r25xbN7CRbn1oq8oIWuWOdrhWc2zbrGHLaXrJG+666ZrrV6waTgKa1SGUqsQJbMe0
    6g0M4Rp2CDJd3cKW7SWrrrm2ZdnrVWw2PcetbmeTEEmlKgNE4ZGZRt2EqC9JqrZj4Pf9i0mIVUJkjgTxSoSca60tGNCGMCRuakiLapEDGNRCWvQA
    kp83qIsnMAzpMMwmu84OjDRImUa0EWvEG0w4epPIovswpoX2YdwXncHwpA4TFXJ/UMOwN+ApX9UxdJVc6vp5mvnJwCTBhTE8Q32E9+EsxU35uGcx
    PKfD85UYmbjmGlYTpjmewlaYkbvMFxgzCzM+88UO8yXKPOczX8bwig6vMqaHzZYHr3HM606z3uWlGC8Hs4QXwvA64c3O+pw3MJzX4QLjmJstvAvp
    wzvERHmYIyKEQaImEL3BGS2ihQ4g6wNyGPI6FBhgwzbqHsj84hzH7hopMmYBSv7C5jsLu0gXdsnnLWC4rMMi47UM19iEpWO2DvvVxKabhGXOswwr
    /kIVyifoN+nHFZ//FgZVh7c/Y1+ufgrv6HBtaw+0yiBRVgnPoFserrPf363QfoD39uAG25rbpuuR3Q5lLeR53lq6rA0k7v3w97Uo2V50lI/tqUlU
    7PZUesNxNw1c7dBUJSe01v86MrT4j3/9+gldMh3HF58KFu+0V9WwrXpz02ziE9aX89TA0g78GSYlwo80MI6WugbWdrHp0LBQlUsnqXt42BbGtkk9
    7F/+/SyNmvgjPYygRS7V5iRVuXgKAz61vUQ+lskfGW0yviHjDhm/kYFWSJaSMUOGtEKdfrS3sSjR+OrjdIJ3mlGVsR6nZDl3KFN+8OArGlTRPsxl
    nplVlYXT3P7V9tLMbVr/O9hZPUH93GnrD3TI1EPr4R8OLZroekBHeljgPeRVpXRiD4/x/ApHPb8Qc3773N1K//4ZQQpPlFVl8VR3j+7f9iJ18M/q
    97/0f36jgQ7u5tap+jeXpNXvf13/oP/6p1H2vwBjN8AzXYsk2McGffuoWuuqkn5MM5Jcmi9k5wtyvlgqZCW5UCiWpEyxQK7JWSlXms9JUi6XKVKX
    X+x+m04RHynmMkTNdn0G83+sx7n4HiWqgwE+ySlvRdBx/zFESDCEpzjI/SCkJ/lFTjBIxzmOHkW9AS7Kg+k2wskfRpGQvaI2mGK8th0TtBlRG0wg
    XvuTqM2K2mBy8NpbcUGbO9QenS3B42dRmxfrBvue1y4PCNqCqA12LK/9UtTKojbYb6OcdiKBxA4XxcE2mOYLB8RHN2hZi8fPH7Zz5EJXOSycixH/
    XBo8jPc4S3pnyP/uv+nE4r5mmM335/4LaCnaEw==
    """,
    "legacy": """
    eNp1k1lv00AQx9eOk1DTlnJTznAnHMFxDhKOXpRScE/z4hdkuck2NnLjjL1pVaRIeWkpfAYeeORToH4UXvkISDwwPhqayl15Vvbs7O8/ntnt8V9F
    +++3uT+Zjz9WxvM9fvF3AucukKw2Rghpuw5z6o6tb1LXs5wWcBigjeCKbTFmU522GpbRAn5PE9HJtttU96xP1INEF4SslkSnZzoug6TCawn8sloM
    UoqgCT7DaTUhrQidDmrWUcamdYYqnrjsNqhLG7NWnYlAcipwWS2FO7ao1TQZ8HXmuHUzr3eYZXui7tK1jmU3dEZbnuPqm7IIiWxWS/vqGGk0KQjh
    FnHOdgz2PnSKkNRGMaZWrJXlaq1SlctyUYZUkGi93cHchpcYnFhViCIoiV0YUjhF2AXxi+nndJLBsAojQbTrbMGoiaKmYMZCT5khbGwVUcIOnFa4
    HTgTgs4yOKfC+aAmpmGvw4WQFKU8j65+xhcPwQtSsVyTShJcQjiP8HE/U34HLvvwKyH8KoNrKlwPWrHmGlYLbgzQZ4KKFCp9hcxg+iVZkiS4GSnc
    ihRu+wp3QoW7DO6pcD9sNqNtD7IDCgvY5j49d5ReKJXgAdI5pD9Eei4XUh8xeKxCPqDSjTbbhifx9S2Vi3IVJEQQRBT8BInfLFlJKNwuFENciUFZ
    hUqAW7eNpgdPB8vgOHY/yepRhUqlBLWoBM+iEjz3S/AipL9kMKHCZEBvG66xAVPHHNFglTLqijB9zP9UisUKzEQleeWrodCsP70O1eYYvFFhfi/4
    ePsZ3qmgdLqwoA0hR0e60TCYAYvB+pKGTgLLXVgJLsTBTV5VOM/z1vDmffBve8yp4uLOMR93OhJxTRXi2pSMq2wqrgBpmudJNCbI/jA5PHqTOE3h
    g9ZD+462j/YLjUwTMoaWQZOm+f6OzE8uek+TwXEQwxHuv8LEP+4JQqk=
    """,
}
LAYOUTS = ("zip", "legacy")
DTYPES = {
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}


def from_torch(layout: str) -> bytes:
    return zlib.decompress(base64.b64decode(FROM_TORCH[layout]))


class Storage:
    """What a stand-in for torch.save writes as a storage: `kind` is a name such as FloatStorage."""

    def __init__(self, key: str, kind: str, content: bytes, length: int | None = None) -> None:
        self.key, self.kind, self.content = key, kind, content
        width = 2 if kind == "BFloat16Storage" else np.dtype(DTYPES[kind]).itemsize
        self.length = len(content) // width if length is None else length


class Tensor:
    def __init__(self, storage: Storage, offset=0, size=(), stride=()) -> None:
        self.arguments = (storage, offset, size, stride, False, collections.OrderedDict())

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.arguments


def tensor_of(array: np.ndarray, key: str = "0") -> Tensor:
    """A tensor with a storage of its own, in the array's strides."""
    flat = np.lib.stride_tricks.as_strided(array, (array.size,), (array.itemsize,)) if array.size else array
    kind = next(kind for kind, dtype in DTYPES.items() if array.dtype == dtype)
    stride = tuple(step // array.itemsize for step in array.strides)
    return Tensor(Storage(key, kind, flat.tobytes()), 0, array.shape, stride)


@pytest.fixture(scope="module", autouse=True)
def _names_of_torch():
    """A pickle can name torch's functions only where they can be imported, so that these stand in for them."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in [*DTYPES, "BFloat16Storage"]:
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2():
        raise AssertionError("only its name is wanted")

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torch", torch)
        patch.setitem(sys.modules, "torch._utils", utils)
        yield


def torch_file(state, layout: str, protocol: int = 2) -> bytes:
    """What torch.save would write for `state`, made of dicts and Tensors."""
    storages: dict[str, Storage] = {}

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if not isinstance(value, Storage):
                return None
            storages[value.key] = value
            identity = ("storage", getattr(sys.modules["torch"], value.kind), value.key, "cpu", value.length)
            return identity if layout == "zip" else (*identity, None)

    stream = io.BytesIO()
    Pickler(stream, protocol).dump(state)
    content = io.BytesIO()
    if layout == "zip":
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr("archive/data.pkl", stream.getvalue())
            for storage in storages.values():
                archive.writestr(f"archive/data/{storage.key}", storage.content)
    else:
        for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": sys.byteorder == "little"}):
            pickle.dump(value, content, 2)
        content.write(stream.getvalue())
        pickle.dump(sorted(storages), content, 2)
        for key in sorted(storages):
            content.write(struct.pack("=q", storages[key].length) + storages[key].content)
    return content.getvalue()


def read(content: bytes, folder: Path) -> dict[str, np.ndarray]:
    path = folder / "weights.pth"
    path.write_bytes(content)
    return read_torch_state_dict(path)


def refusal(content: bytes, folder: Path) -> str:
    """The message of the error, which must begin with the path and have a hint."""
    with pytest.raises(WeightsError) as caught:
        read(content, folder)
    assert caught.value.message.startswith(f"{folder / 'weights.pth'}: ")
    assert caught.value.hint.endswith(".")
    return caught.value.message


@pytest.mark.parametrize("layout", LAYOUTS)
def test_file_of_pytorch_itself_is_read(layout, tmp_path):
    state = read(from_torch(layout), tmp_path)
    base = np.arange(12, dtype=np.float32).reshape(3, 4)
    expected = {
        "weight": base.T,
        "row": base[1],
        "half": np.array([1.5, -2], np.float16),
        "brain": np.array([1, -0.15625], np.float32),
        "steps": np.array(7, np.int64),
        "empty": np.zeros((0, 3), np.float32),
        "flags": np.array([True, False]),
        "param": np.array([0.25], np.float32),
    }
    assert list(state) == list(expected)
    for name, array in expected.items():
        assert (state[name].dtype, state[name].shape) == (array.dtype, array.shape)
        assert state[name].tolist() == array.tolist()


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_array_comes_back_as_it_was(data, tmp_path):
    dtype = np.dtype(data.draw(st.sampled_from(list(DTYPES.values()))))
    shape = data.draw(st.lists(st.integers(0, 5), max_size=4))
    order = data.draw(st.permutations(range(len(shape))))
    content = data.draw(st.binary(min_size=0, max_size=64))
    numbers = np.resize(np.frombuffer(content + bytes(8), np.uint8) % 2, np.prod(shape, dtype=int) * dtype.itemsize)
    array = numbers.view(dtype).reshape(shape).transpose(order)
    layout, protocol = data.draw(st.sampled_from(LAYOUTS)), data.draw(st.integers(2, 5))
    state = read(torch_file({"x": tensor_of(array), "epoch": 3}, layout, protocol), tmp_path)
    assert list(state) == ["x"]
    assert state["x"].tobytes() == array.tobytes()
    assert (state["x"].dtype, state["x"].shape) == (array.dtype, array.shape)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tensors_that_share_a_storage_get_their_own_windows(layout, tmp_path):
    storage = Storage("0", "FloatStorage", np.arange(10, dtype=np.float32).tobytes())
    state = {"a": Tensor(storage, 0, (2, 2), (2, 1)), "b": Tensor(storage, 3, (3,), (2,)), "c": Tensor(storage, 9)}
    arrays = read(torch_file(state, layout), tmp_path)
    assert {name: array.tolist() for name, array in arrays.items()} == {"a": [[0, 1], [2, 3]], "b": [3, 5, 7], "c": 9}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bfloat16_becomes_float32_of_the_same_value(layout, tmp_path):
    bits = np.array([0x3F80, 0xC000, 0x7F80, 0x0001], np.uint16)  # 1, -2, infinity, the smallest denormal
    storage = Storage("0", "BFloat16Storage", bits.tobytes())
    array = read(torch_file({"x": Tensor(storage, 0, (4,), (1,))}, layout), tmp_path)["x"]
    assert array.dtype == np.float32
    assert array.tolist() == [1, -2, np.inf, 2.0**-133]


@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model"])
def test_state_dict_inside_a_training_checkpoint_is_found(wrapper, tmp_path):
    state = {wrapper: {"x": tensor_of(np.ones(2, np.float32))}, "epoch": 3, "lr": 0.1, "optimizer": [None, True, "sgd"]}
    assert read(torch_file(state, "zip"), tmp_path)["x"].tolist() == [1, 1]


def test_dict_that_holds_itself_is_refused(tmp_path):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\x00X\x05\x00\x00\x00modelh\x00s.")
    assert "no tensors" in refusal(content.getvalue(), tmp_path)


class Command:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("protocol", [2, 4])
def test_hostile_pickle_is_refused_and_not_executed(layout, protocol, tmp_path):
    marker = tmp_path / "executed"
    message = refusal(torch_file({"x": Command(marker)}, layout, protocol), tmp_path)
    assert "system" in message
    assert not marker.exists()


def test_bare_hostile_pickle_is_refused_and_not_executed(tmp_path):
    marker = tmp_path / "executed"
    refusal(pickle.dumps(Command(marker), 2), tmp_path)
    refusal(pickle.dumps(Command(marker), 0), tmp_path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "name",
    [
        ("builtins", "eval"),
        ("torch", "load"),
        ("torch", "hub.load"),
        ("torch.serialization", "load"),
        ("collections", "OrderedDict.clear"),
        ("torch._utils", "_rebuild_tensor_v2.__globals__"),
    ],
)
def test_name_that_no_state_dict_needs_is_refused(name, tmp_path):
    module, attribute = name
    content = b"\x80\x04\x8c%c%s\x8c%c%s\x93." % (len(module), module.encode(), len(attribute), attribute.encode())
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("archive/data.pkl", content)
    assert f"{module}.{attribute}" in refusal(archive.getvalue(), tmp_path)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (0, (5,), (1,)),
        (1, (4,), (1,)),
        (4, (1,), (1,)),
        (0, (2, 2), (3, 1)),
        (0, (10**12,), (0,)),  # would be 4 TB
        (0, (2**62, 0), (1, 1)),
        (0, (2**70,), (1,)),
        (2**62, (1,), (1,)),
        (-1, (2,), (1,)),
        (3, (2,), (-1,)),
        (0, (-2, -2), (1, 1)),
        (0, (2, 2), (1,)),
        (0, (1,) * 33, (1,) * 33),
        (0, [4], [1]),
        (0, 4, 1),
        (0, (True,), (1,)),
        (0.0, (1.5,), (1,)),
        ("0", ("4",), ("1",)),
        (None, None, None),
    ],
)
def test_window_outside_its_storage_is_refused(layout, offset, size, stride, tmp_path):
    storage = Storage("0", "FloatStorage", bytes(16))
    assert "'x'" in refusal(torch_file({"x": Tensor(storage, offset, size, stride)}, layout), tmp_path)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("length", [5, 2**40, 2**61, -1])
def test_storage_said_to_be_longer_than_it_is_is_refused(layout, length, tmp_path):
    storage = Storage("0", "FloatStorage", bytes(16), length)
    refusal(torch_file({"x": Tensor(storage, 0, (1,), (1,))}, layout), tmp_path)


def test_zip_bomb_is_refused_unread(tmp_path):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**7))
    assert "compressed" in refusal(content.getvalue(), tmp_path)


def test_pickle_that_asks_for_gigabytes_of_memos_is_refused(tmp_path):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}r\xff\xff\xff\xff.")
    refusal(content.getvalue(), tmp_path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_truncated_file_is_named_in_the_error(layout, tmp_path):
    content = from_torch(layout)
    for length in range(0, len(content), 37):
        refusal(content[:length], tmp_path)


@pytest.mark.parametrize("layout", LAYOUTS)
@given(place=st.integers(0, 10**6), byte=st.integers(0, 255))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_file_is_read_or_refused_and_nothing_else(layout, place, byte, tmp_path):
    content = bytearray(from_torch(layout))
    content[place % len(content)] = byte
    with contextlib.suppress(WeightsError):
        read(bytes(content), tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"<!DOCTYPE html>", b"version https://git-lfs.github.com/spec/v1\n", b"\x80", pickle.dumps({"a": 1}, 2)],
)
def test_file_of_another_kind_is_refused(content, tmp_path):
    refusal(content, tmp_path)


@pytest.mark.parametrize("state", [{}, {"epoch": 3}, [1, 2], 7])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_file_without_tensors_is_refused(state, layout, tmp_path):
    assert "holds no" in refusal(torch_file(state, layout), tmp_path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match="absent"):
        read_torch_state_dict(tmp_path / "absent.pth")


def test_arrays_of_a_file_cannot_be_written_to(tmp_path):
    array = read(from_torch("legacy"), tmp_path)["weight"]
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 1
