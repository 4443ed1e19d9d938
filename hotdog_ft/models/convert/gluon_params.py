"""Read the parameter files of MXNet, without MXNet.

`nd.load` reserves memory for as many arrays, and for as large ones, as the file says, so that a damaged file can ask it
for any amount. Here nothing is taken that the file doesn't hold.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

from hotdog_ft.errors import WeightsError

MAGIC = struct.pack("<Q", 0x112)  # of a list of arrays, which every parameter file is
_DTYPES = "float32 float64 float16 uint8 int32 int8 int64 bool".split()  # in the order of MXNet's numbers for them

# An array begins with one of these, or, before MXNet 0.11, with its rank and a shape of 32-bit numbers.
_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA  # with 64-bit shapes; with a kind of storage; with NumPy's shapes
_LARGEST_RANK = 32  # NumPy's limit on dimensions


class _Malformed(Exception):
    """What is wrong with the file, without its path."""


class _Cursor:
    """A place in the file's bytes, which moves on with what is taken."""

    def __init__(self, content: bytes) -> None:
        self._content, self._place = memoryview(content), 0

    def take(self, length: int) -> memoryview:
        taken = self._content[self._place : self._place + length]
        if len(taken) != length:
            raise _Malformed("is incomplete or damaged")
        self._place += length
        return taken

    def numbers(self, kinds: str) -> tuple[int, ...]:
        """Little-endian numbers, one for each letter of `kinds` as `struct` knows them."""
        return struct.unpack(f"<{kinds}", self.take(struct.calcsize(f"<{kinds}")))


def read_gluon_params(path: Path, content: bytes) -> dict[str, np.ndarray]:
    """The arrays in the `content` of a parameter file, by name, read-only.

    That is what `net.save_parameters`, `collect_params().save`, `net.export` and `nd.save` of a dict write. The
    checkpoint's prefixes `arg:` and `aux:` are taken off. Raises: WeightsError, which names `path`.
    """
    try:
        arrays = _read(_Cursor(content))
    except _Malformed as error:
        raise WeightsError(
            f"{path}: {error}.",
            hint="Give a whole file that net.save_parameters wrote; fetch it again if it was downloaded.",
        ) from error
    return {name.removeprefix("arg:").removeprefix("aux:"): array for name, array in arrays.items()}


def _read(cursor: _Cursor) -> dict[str, np.ndarray]:
    _magic, _reserved, count = cursor.numbers("QQQ")
    arrays = []
    for _ in range(count):  # a count that is too high ends with the file, since every array takes some of it
        arrays.append(_read_array(cursor))
    (names,) = cursor.numbers("Q")
    if names == 0:
        raise _Malformed("has no named parameters")
    if names != count:
        raise _Malformed("is incomplete or damaged")
    return {bytes(cursor.take(*cursor.numbers("Q"))).decode(errors="replace"): array for array in arrays}


def _read_array(cursor: _Cursor) -> np.ndarray:
    (version,) = cursor.numbers("I")
    if version in (_V2, _V3) and cursor.numbers("i") != (0,):
        raise _Malformed("holds a sparse array, as no network's weights are")
    rank = cursor.numbers("I")[0] if version in (_V1, _V2, _V3) else version
    if rank > _LARGEST_RANK or (rank == 0 and version != _V3):
        raise _Malformed("is incomplete or damaged, or holds an array without values")
    shape = cursor.numbers(("q" if version in (_V1, _V2, _V3) else "I") * rank)
    _device, _device_id, dtype = cursor.numbers("iii")
    if min(shape, default=1) < 1 or not 0 <= dtype < len(_DTYPES):
        raise _Malformed("is incomplete or damaged")
    kind = np.dtype(_DTYPES[dtype])
    return np.frombuffer(cursor.take(math.prod(shape) * kind.itemsize), kind).reshape(shape)
