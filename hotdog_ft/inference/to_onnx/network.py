"""An MXNet network as an ONNX model, by MXNet's own exporter, with what that leaves out."""

from __future__ import annotations

import ast
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx

from hotdog_ft.backend import mx, nd
from hotdog_ft.errors import RunError
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.graph import Node, in_order, read_graph, write_graph

INPUT = "pixels"


def network(classifier: Classifier, opset: int, ir_version: int) -> onnx.ModelProto:
    """The classifier's network, which comes behind the normalisation.

    opset: 13 to 15, which say the same of all that the exporter writes. Input `pixels`: float32, shape (photos, 3,
    image_size, image_size). Output: logits, float32, shape (photos, classes). Raises: RunError, when the network has
    an operator that the exporter doesn't know.
    """
    side = classifier.preprocess.image_size
    symbol = _in_known_operators(classifier.net(mx.sym.var(INPUT)), (1, 3, side, side))
    values = {name: parameter.data() for name, parameter in classifier.net.collect_params().items()}
    for name in _fixed_scales(symbol):
        values[name] = nd.ones_like(values[name])
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # at what the exporter still uses of onnx
        path = Path(folder) / "network.onnx"
        try:
            mx.onnx.export_model(
                symbol,
                values,
                [(1, 3, side, side)],
                np.float32,
                str(path),
                dynamic=True,
                dynamic_input_shapes=[("photos", 3, side, side)],
            )
        except (AttributeError, NotImplementedError) as error:
            raise RunError(
                f"{classifier.architecture}: can't be written in ONNX ({error}).",
                hint="Use --format symbol, or train another network.",
            ) from error
        model = onnx.load(path)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    # It writes operators of opset 13, whatever it says.
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("", opset))
    model.ir_version = ir_version
    return model


def _in_known_operators(symbol: mx.sym.Symbol, shape: tuple[int, ...]) -> mx.sym.Symbol:
    """The same network without what the exporter doesn't know: shapes in code, and group normalisation.

    shape: of the input, for one photo.
    """
    inside = symbol.get_internals()
    _, shapes, _ = inside.infer_shape(**{INPUT: shape})
    shape_of = dict(zip(inside.list_outputs(), shapes))
    outputs = read_graph(symbol, {})
    for node in in_order(outputs):
        if node.op == "Reshape" and min(ast.literal_eval(node.attrs["shape"])) < -1:
            node.attrs["shape"] = _any_photos(shape_of[f"{node.name}_output"])
        elif node.op == "GroupNorm":
            _normalize_as_instances(node, shape_of[f"{node.name}_output"])
    return write_graph(outputs)


def _normalize_as_instances(node: Node, shape: tuple[int, ...]) -> None:
    """Make a group normalisation one of instances, each of which is a group's values in a row. shape: its output's."""
    data, *scale_and_shift = node.inputs
    groups, epsilon = node.attrs["num_groups"], node.attrs["eps"]
    rows = Node("Reshape", f"{node.name}_rows", [data], {"shape": f"(0, {groups}, -1)"})
    normalized = Node("InstanceNorm", f"{node.name}_normalized", [(rows, 0), *scale_and_shift], {"eps": epsilon})
    node.op, node.inputs, node.attrs = "Reshape", [(normalized, 0)], {"shape": _any_photos(shape)}


def _any_photos(shape: tuple[int, ...]) -> str:
    """A Reshape's target for as many photos as there are. shape: the one for one photo."""
    return str((0, *shape[1:]))


def _fixed_scales(symbol: mx.sym.Symbol) -> list[str]:
    """The BatchNorms' scales that MXNet takes for 1, whatever they are; ONNX has no such switch."""
    return [
        node.inputs[1][0].name
        for node in in_order(read_graph(symbol, {}))
        if node.op == "BatchNorm" and node.attrs.get("fix_gamma", "True") in ("True", "1")
    ]
