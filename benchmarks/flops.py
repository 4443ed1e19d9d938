"""How many floating-point operations a network takes, to set its speed against the machine's."""

from __future__ import annotations

import json
import math
from typing import Any

from hotdog_ft.backend import mx
from hotdog_ft.models import zoo
from hotdog_ft.models.table import find_network


def training_flops(name: str) -> int:
    """For an image of the network's own size: the forward pass and both gradients take as much each."""
    return 3 * 2 * multiply_adds(name)


def multiply_adds(name: str) -> int:
    """Of an image's forward pass, in convolutions and dense layers; the rest is small beside them."""
    size = find_network(name).preprocess.image_size
    graph = zoo.build(name, classes=2, image_size=size)(mx.sym.var("data"))
    internals = graph.get_internals()
    _, shapes, _ = internals.infer_shape(data=(1, 3, size, size))
    shape_of = dict(zip(internals.list_outputs(), shapes))
    nodes = json.loads(graph.tojson())["nodes"]
    total = 0
    for node in nodes:
        if node["op"] in ("Convolution", "FullyConnected"):
            weight = shape_of[_parameter(nodes, node["inputs"][1][0])]
            places = math.prod(shape_of[f"{node['name']}_output"][2:])  # of an image; a dense layer has one
            total += math.prod(weight) * places
    return total


def _parameter(nodes: list[dict[str, Any]], number: int) -> str:
    """The parameter that a node is made of: EfficientNet-Lite pads kernels with zeros, which aren't counted."""
    while nodes[number]["op"] != "null":
        number = nodes[number]["inputs"][0][0]
    return nodes[number]["name"]
