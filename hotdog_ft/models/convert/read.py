"""Read a file of weights, whichever program wrote it: the format is told by what the file holds."""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from hotdog_ft.errors import WeightsError
from hotdog_ft.models.convert.caffe_squeezenet import read_caffe_squeezenet
from hotdog_ft.models.convert.gluon_params import MAGIC, read_gluon_params
from hotdog_ft.models.convert.onnx_file import read_onnx
from hotdog_ft.models.convert.torch_pickle import read_torch_state_dict

Format = Literal["gluon", "onnx", "torch", "safetensors", "caffe"]

_KNOWN = "MXNet (.params), ONNX (.onnx), PyTorch (.pth, .pt) and safetensors"
_AGAIN = "Fetch it again, and check its size against the publisher's."
_LONGEST_SAFETENSORS_HEADER = 100_000_000  # the format's own limit
_TORCH_LEGACY_MAGIC = (0x1950A86A20F9469CFC6C).to_bytes(10, "little")  # what torch.save wrote first, before PyTorch 1.6

# What a user may give by mistake: how it begins, what it is, what to do.
_MISTAKEN = (
    (rb"\Z", "is empty", _AGAIN),
    (
        rb"version https://git-lfs",
        "is a Git LFS pointer, which names the file of weights but isn't it",
        "Fetch the file itself: git lfs pull, or the page's own link for downloads.",
    ),
    (
        rb"(?i)(\xef\xbb\xbf)?\s*<(!doctype|html|head|\?xml)",
        "is a web page, not weights",
        "Download it again, from the link that gives the file itself.",
    ),
    (
        rb"\x89HDF",
        "is an HDF5 file, as Keras writes them, which can't be read",
        "Export the network to ONNX, or give a file of another format: " + _KNOWN + ".",
    ),
    (
        rb'\s*\{\s*"',
        "is a JSON file, which holds no weights",
        "Give the file of weights itself, or of an MXNet checkpoint NAME-symbol.json or NAME-0000.params.",
    ),
)


@dataclass(frozen=True)
class FileWeights:
    """What a file of weights holds, under the file's own names."""

    format: Format
    arrays: dict[str, np.ndarray]
    """In the file's order, or the graph's. All floats are float32, whatever the file has; integers stay as they are."""
    in_graph_order: bool = False
    """The arrays come in the order in which the network's graph uses them, as ONNX and an MXNet symbol tell it."""


def read_weights(path: Path) -> FileWeights:
    """Read the arrays in a file of weights. Nothing that the file says is executed.

    It may be a Gluon parameter file, or a zip archive that holds one, as Gluon's model store gives them; either file of
    an MXNet checkpoint; an ONNX graph; a PyTorch state dict; safetensors; or the pickle of Caffe's SqueezeNet 1.1 in
    the Python package ndf. Raises: WeightsError.
    """
    path = Path(path)
    try:
        weights = _read_checkpoint(path) or _read_by_content(path)
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror or error}.", hint="Check the path and its permissions.") from error
    if not weights.arrays:
        raise WeightsError(f"{path}: holds no weights.", hint=f"Formats that can be read: {_KNOWN}.")
    # A pickle's tensors may be windows on the same numbers, as many as it likes, and each is about to be copied.
    values = sum(array.nbytes for array in weights.arrays.values())
    if weights.format == "torch" and values > 10 * path.stat().st_size:
        raise WeightsError(f"{path}: gives the same numbers to many parameters, as no weights do.", hint=_AGAIN)
    arrays = {name: _in_float32(array) for name, array in weights.arrays.items()}
    return FileWeights(weights.format, arrays, weights.in_graph_order)


def _in_float32(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind != "f":
        return array
    with np.errstate(over="ignore"):  # too large for float32: infinite, which whoever uses it will notice
        return array.astype(np.float32, copy=False)


def _read_by_content(path: Path) -> FileWeights:
    with open(path, "rb") as file:
        head = file.read(1024)
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _LONGEST_SAFETENSORS_HEADER:
        return FileWeights("safetensors", _read_safetensors(path))
    for begins, what, hint in _MISTAKEN:
        if re.match(begins, head):
            raise WeightsError(f"{path}: {what}.", hint=hint)
    if head.startswith(b"PK\x03\x04"):
        return _read_zip(path)
    if head.startswith(MAGIC):
        return FileWeights("gluon", read_gluon_params(path, path.read_bytes()))
    if head.startswith(b"\x80"):  # a pickle
        if _TORCH_LEGACY_MAGIC in head[:32]:
            return FileWeights("torch", read_torch_state_dict(path))
        return FileWeights("caffe", read_caffe_squeezenet(path))
    if path.suffix.lower() == ".onnx":  # a protocol buffer, which has no signature
        return FileWeights("onnx", read_onnx(path), in_graph_order=True)
    raise WeightsError(f"{path}: isn't weights of a known format.", hint=f"Formats that can be read: {_KNOWN}.")


def _read_checkpoint(path: Path) -> FileWeights | None:
    """The checkpoint NAME-symbol.json and NAME-0000.params, given one of its files; None where there aren't both.

    Of several epochs, the json stands for the last. The graph gives the order: the .params file has another.
    """
    if path.name.endswith("-symbol.json"):
        symbol, name = path, path.name[: -len("-symbol.json")]
        epoch = re.compile(re.escape(name) + r"-\d{4}\.params")
        epochs = [file for file in path.parent.iterdir() if epoch.fullmatch(file.name)]
        if path.exists() and not epochs:
            raise WeightsError(
                f"{path}: its weights, {name}-0000.params or of another epoch, are not beside it.",
                hint="Put the .params file of the checkpoint into the same folder.",
            )
        params = max(epochs, default=path)
    else:
        params = path
        symbol = path.with_name(re.sub(r"-\d{4}\.params$", "", path.name) + "-symbol.json")
        if not re.search(r"-\d{4}\.params$", path.name) or not symbol.exists():
            return None
    weights = _read_by_content(params)
    ordered = {name: weights.arrays[name] for name in _graph_inputs(symbol) if name in weights.arrays}
    return FileWeights(weights.format, {**ordered, **weights.arrays}, len(ordered) == len(weights.arrays))


def _graph_inputs(symbol: Path) -> list[str]:
    """The inputs of an MXNet graph, its data and parameters, in the order of `list_inputs()`."""
    try:
        nodes = json.loads(symbol.read_bytes())["nodes"]
        return [str(node["name"]) for node in nodes if node["op"] == "null"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise WeightsError(
            f"{symbol}: isn't a whole graph of MXNet's.", hint="Give the .params file, and move this one away."
        ) from error


def _read_zip(path: Path) -> FileWeights:
    """PyTorch's archive of one state dict, or an archive that holds one .params file."""
    # zipfile raises nearly anything for a damaged archive; whatever it is, the file is bad.
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            params = [entry for entry in archive.infolist() if entry.filename.endswith(".params")]
            # Weights hardly compress: what is so much larger than the archive is there to fill the memory.
            if len(params) == 1 and params[0].file_size > 10 * path.stat().st_size:
                raise WeightsError(f"{path}: holds a file of zeros or the like, not weights.", hint=_AGAIN)
            if len(params) == 1:
                return FileWeights("gluon", read_gluon_params(path, archive.read(params[0])))
    except (OSError, WeightsError):
        raise
    except Exception as error:
        raise WeightsError(f"{path}: is a zip archive that is incomplete or damaged.", hint=_AGAIN) from error
    if any(re.match(r"[^/]+/code/", name) for name in names):
        raise WeightsError(
            f"{path}: is a TorchScript archive, a program, which is not run.",
            hint="Save its weights alone: torch.save(torch.jit.load('model.pt').state_dict(), 'weights.pth').",
        )
    if any(re.fullmatch(r"[^/]+/data\.pkl", name) for name in names):
        return FileWeights("torch", read_torch_state_dict(path))
    raise WeightsError(
        f"{path}: is a zip archive, but neither PyTorch's nor one that holds a single .params file.",
        hint="Unpack it, and give the file of weights in it.",
    )


# safetensors' names of numbers. BF16, the upper half of a float32, NumPy doesn't have.
_SAFETENSORS_DTYPES = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1"},
    **{"U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?"},
}


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    try:
        import safetensors
    except ImportError as error:
        raise WeightsError(
            f"{path}: the package safetensors, which reads such files, is not installed.",
            hint="Run: pip install 'hotdog-ft[weights]'.",
        ) from error

    content = path.read_bytes()
    try:
        tensors = dict(safetensors.deserialize(content))
    except safetensors.SafetensorError as error:
        raise WeightsError(f"{path}: is a safetensors file that is incomplete or damaged.", hint=_AGAIN) from error
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    arrays = {}
    for name in (name for name in header if name in tensors):  # deserialize gives them in no particular order
        kind = tensors[name]["dtype"]
        if kind not in _SAFETENSORS_DTYPES:
            raise WeightsError(
                f"{path}: {name!r} holds numbers of the kind {kind}, which can't be read.",
                hint="Save the weights as float32, float16 or bfloat16.",
            )
        array = np.frombuffer(tensors[name]["data"], _SAFETENSORS_DTYPES[kind])
        if kind == "BF16":
            array = (array.astype(np.uint32) << 16).view(np.float32)
        arrays[name] = array.reshape(tensors[name]["shape"])
    return arrays
