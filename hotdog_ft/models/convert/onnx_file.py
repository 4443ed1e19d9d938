"""Read the weights of an ONNX graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hotdog_ft.errors import WeightsError


def read_onnx(path: Path) -> dict[str, np.ndarray]:
    """The float initializers of an ONNX graph, in the order in which its nodes use them.

    That order is the one in which MXNet's `list_inputs()` names the parameters of the graph that was exported. Those
    that no node uses come last. Scalars are left out: they are arguments, such as the bounds of a `Clip`.

    Raises: WeightsError, OSError.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise WeightsError(
            f"{path}: the package onnx, which reads ONNX files, is not installed.",
            hint="Run: pip install 'hotdog-ft[weights]'.",
        ) from error

    content = path.read_bytes()
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE)
    # What a damaged file makes protobuf, onnx and NumPy raise is anyone's guess; whatever it is, the file is bad.
    try:
        graph = onnx.load_model_from_string(content).graph
        weights = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type in floats and tensor.dims}
        used = [name for node in graph.node for name in node.input if name in weights]
        ordered = [weights[name] for name in dict.fromkeys([*used, *weights])]
        if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in ordered):
            raise WeightsError(
                f"{path}: keeps its weights in another file, which is not read.",
                hint="Make one file of the two: onnx.save(onnx.load('model.onnx'), 'whole.onnx').",
            )
        # A negative dimension would be NumPy's to choose.
        if any(min(tensor.dims) < 1 for tensor in ordered):
            raise ValueError("an empty or impossible shape")
        arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in ordered}
        for tensor in ordered:
            # NumPy has no bfloat16, the upper half of a float32: releases of onnx give its bits, in types of their own.
            if tensor.data_type == onnx.TensorProto.BFLOAT16 and arrays[tensor.name].itemsize == 2:
                bits = arrays[tensor.name].view(np.uint16)
                arrays[tensor.name] = (bits.astype(np.uint32) << 16).view(np.float32)
        return arrays
    except WeightsError:
        raise
    except Exception as error:
        raise WeightsError(
            f"{path}: isn't a whole ONNX file.", hint="Fetch it again if it was downloaded, or export it again."
        ) from error
