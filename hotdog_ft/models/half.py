"""A network computed in half precision where that is safe, from parameters that stay float32 (mixed precision)."""

from __future__ import annotations

from hotdog_ft.backend import mx
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.graph import (
    Forward,
    Node,
    cached_operator,
    in_order,
    read_graph,
    values_on,
    where_the_input_is,
    write_graph,
)

HALF = frozenset({"Convolution", "Deconvolution", "FullyConnected"})
"""What GPUs have fast units for."""
AS_THEY_COME = frozenset(
    {
        *("Activation", "BatchNorm", "Concat", "Dropout", "Flatten", "LeakyReLU", "Pad", "Pooling", "Reshape"),
        *("SliceChannel", "broadcast_add", "broadcast_mul", "clip", "elemwise_add", "elemwise_mul", "relu", "sigmoid"),
        *("slice_axis", "transpose", "_copy", "_div_scalar", "_mul_scalar", "_plus_scalar", "_rminus_scalar"),
    }
)
"""What loses nothing in half precision: it stays if all of the data has it. Everything else gets float32."""


def mixed_network(net: Classifier, devices: list[mx.Context], half: str = "float16") -> Forward:
    """What to call in place of `net` to train it: its own parameters, gradients and running statistics, all float32.

    Logits are float32, too. When layers have been frozen or freed, make another of this.
    """
    symbol = with_half(net(mx.sym.var("data")), half)
    return where_the_input_is({device: cached_operator(symbol, values_on(device, net)) for device in devices})


def with_half(symbol: mx.sym.Symbol, half: str = "float16") -> mx.sym.Symbol:
    """The same function with its convolutions and dense layers in the dtype `half` (Micikevicius et al. 2018, Mixed
    precision training), as MXNet's own conversion does for inference. Inputs and outputs keep their dtypes.
    """
    outputs = read_graph(symbol, {})
    halves: set[Node] = set()
    casts: dict[tuple[Node, int, str], Node] = {}

    def is_half(entry: tuple[Node, int]) -> bool:
        node, output = entry
        return node in halves and (node.op != "BatchNorm" or output == 0)  # its statistics are float32

    def cast(entry: tuple[Node, int], to_half: bool) -> tuple[Node, int]:
        if is_half(entry) == to_half:
            return entry
        node, output = entry
        dtype = half if to_half else "float32"
        made = casts.setdefault(
            (node, output, dtype), Node("Cast", f"{node.name}_{output}_{dtype}", [entry], {"dtype": dtype})
        )
        if to_half:
            halves.add(made)
        return made, 0

    for node in in_order(outputs):
        given = node.inputs[:1] if node.op == "BatchNorm" else node.inputs
        if node.op in HALF or (node.op in AS_THEY_COME and all(is_half(entry) for entry in given)):
            halves.add(node)
            given = [cast(entry, True) for entry in given]
        else:
            given = [cast(entry, False) for entry in given]
        node.inputs = [*given, *node.inputs[len(given) :]]
    return write_graph([cast(entry, False) for entry in outputs])
