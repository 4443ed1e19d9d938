"""The whole classifier as an ONNX model: photos in, probabilities and the names of the classes out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, compose, helper

from hotdog_ft.inference.description import as_text
from hotdog_ft.inference.to_onnx.network import network
from hotdog_ft.inference.to_onnx.preprocessing import IR_VERSION, OPSET, preprocessing
from hotdog_ft.models.classifier import Classifier


def write_onnx(path: Path, classifier: Classifier, description: Mapping[str, Any]) -> None:
    """Write the classifier to `path`. description: the file's metadata.

    Input `photos`: uint8 RGB, shape (photos, height, width, 3), of any height and width. Outputs `probabilities`:
    float32, shape (photos, classes), at the classifier's temperature; and `classes`: their names, text, shape
    (classes,). Raises: RunError, when the network can't be written in ONNX; OSError.
    """
    model = preprocessing(classifier.preprocess)
    net = compose.add_prefix(network(classifier, OPSET, IR_VERSION), "network/")
    graph, count = model.graph, len(classifier.classes)
    (prepared,), (pixels,), (logits,) = graph.output, net.graph.input, net.graph.output
    graph.name = "hotdog-ft"
    graph.node.append(helper.make_node("Identity", [prepared.name], [pixels.name]))
    graph.node.extend(net.graph.node)
    graph.node.extend(
        [
            helper.make_node("Div", [logits.name, "temperature"], ["logits_at_temperature"]),
            helper.make_node("Softmax", ["logits_at_temperature"], ["probabilities"], axis=1),
            helper.make_node("Identity", ["names"], ["classes"]),
        ]
    )
    names = [name.encode() for name in classifier.classes]
    graph.initializer.extend(net.graph.initializer)
    graph.initializer.extend(
        [
            helper.make_tensor("temperature", TensorProto.FLOAT, [], [classifier.temperature or 1.0]),
            helper.make_tensor("names", TensorProto.STRING, [count], names),
        ]
    )
    del graph.output[:]
    graph.output.extend(
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["photos", count]),
            helper.make_tensor_value_info("classes", TensorProto.STRING, [count]),
        ]
    )
    model.producer_name, model.producer_version = "hotdog-ft", description["hotdog_ft"]
    helper.set_model_props(model, as_text(description))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
