"""A classifier in 8-bit integers: up to twice as fast on a CPU, and a little less exact."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np

from hotdog_ft.backend import gluon, mx, nd, onednn_enabled
from hotdog_ft.errors import RunError
from hotdog_ft.models.classifier import Classifier

INPUT = "data"
BATCH_SIZE = 16
WEIGHTED = ("_sg_mkldnn_conv", "_sg_mkldnn_fully_connected")
"""Operators of oneDNN, with what is fused into them."""
Node = dict[str, Any]
"""Of a graph as MXNet writes it in JSON."""


def quantize(classifier: Classifier, X: np.ndarray) -> gluon.SymbolBlock:
    """The classifier's network (what comes behind the normalisation) by MXNet's quantization, on the CPU.

    X: uint8 photos as preprocessed, shape (photos, height, width, 3). The range of each layer's values is the one that
    keeps their distribution on these photos best: up to the largest, one far out would leave few steps to all others.
    Input: float32, shape (batch, 3, height, width). Output: logits. Raises: MXNetError; RunError, without oneDNN.
    """
    import scipy.stats

    if not onednn_enabled():
        raise RunError(
            f"{classifier.architecture}: integers are computed by oneDNN, without which this network runs.",
            hint="MXNET_MKLDNN_ENABLED=0 switches it off, and so do NASNets, which it computes wrongly.",
        )
    inputs = [
        classifier.normalize(nd.array(X[i : i + BATCH_SIZE], dtype="uint8")) for i in range(0, len(X), BATCH_SIZE)
    ]
    photos = mx.io.NDArrayIter({INPUT: nd.concat(*inputs, dim=0)}, batch_size=min(BATCH_SIZE, len(X)))
    mx.contrib.quantization.stats = scipy.stats  # hidden from it when it was imported
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it can't tell an input's type
        warnings.simplefilter("ignore", DeprecationWarning)  # it passes arrays of one number as numbers
        net = mx.contrib.quantization.quantize_net_v2(
            classifier.net,
            quantized_dtype="auto",
            exclude_layers=_kept_in_float32(classifier.net),
            calib_data=photos,
            calib_mode="entropy",
            ctx=mx.cpu(),
        )
    net.hybridize()
    net(inputs[0])  # else it can't be exported
    return net


def _kept_in_float32(net: gluon.HybridBlock) -> list[str]:
    """Names of layers, as MXNet's quantization fuses them: those that it gets wrong, and those about the output.

    Behind the last layer but one that has weights there is little to compute, and each error there is the answer's.
    """
    nodes = json.loads(net(mx.sym.var(INPUT)).get_backend_symbol("MKLDNN_QUANTIZE").tojson())["nodes"]
    layers = [node for node in nodes if node["op"] != "null"]
    wrong = [layer for layer in layers if _adds_wrongly(nodes, layer) or _computes_weights(nodes, layer)]
    weighted = [position for position, layer in enumerate(layers) if layer["op"] in WEIGHTED]
    return [layer["name"] for layer in (*wrong, *layers[weighted[-2:][0] + 1 :])]


def _adds_wrongly(nodes: list[Node], layer: Node) -> bool:
    """Whether one of a sum's addend and result has a sign, and the other none.

    oneDNN adds in place, and MXNet 1.9.1 then reads the one as if it were the other: so in the first block of the
    ResNets V2, where negative sums became 0, and where those of V1 change their size.
    """
    return _is(layer, "with_sum") and _signed(nodes, layer) != _signed(nodes, _input(nodes, layer, -1))


def _computes_weights(nodes: list[Node], layer: Node) -> bool:
    """Whether a layer's weights are another's result, as EfficientNet-Lite's padded ones: MXNet fails on these."""
    return layer["op"] in WEIGHTED and _input(nodes, layer, 1)["op"] != "null"


def _signed(nodes: list[Node], layer: Node) -> bool:
    """Whether a layer's integers have a sign: all but a convolution's that ends in a ReLU, and a pooling's of those."""
    if layer["op"] == "Pooling":
        return _signed(nodes, _input(nodes, layer, 0))
    return not _is(layer, "with_postsum_act" if _is(layer, "with_sum") else "with_act")


def _input(nodes: list[Node], layer: Node, position: int) -> Node:
    """What a layer takes: 0 is the layer before, 1 the weights, and -1 what a sum adds to."""
    return nodes[layer["inputs"][position][0]]


def _is(layer: Node, attribute: str) -> bool:
    return layer.get("attrs", {}).get(attribute) == "true"
