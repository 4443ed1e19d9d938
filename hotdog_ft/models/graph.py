"""Graphs: a symbol as nodes that can be changed, which MXNet's own interface doesn't allow, and as what computes it."""

from __future__ import annotations

import collections
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Optional

from hotdog_ft.backend import gluon, mx, nd

Forward = Callable[[nd.NDArray], nd.NDArray]
Entry = tuple["Node", int]
"""One of a node's outputs."""


@dataclass(eq=False)
class Node:
    """An operator with what it computes from, or a variable (`op` is "null")."""

    op: str
    name: str
    inputs: list[Entry] = field(default_factory=list)
    """Each a node, and which of its outputs."""
    attrs: dict[str, str] = field(default_factory=dict)
    shape: Optional[tuple[int, ...]] = None
    """Of a variable or of what is made of variables alone, where known."""


def read_graph(symbol: mx.sym.Symbol, shapes: dict[str, tuple[int, ...]]) -> list[Entry]:
    """The symbol's outputs, each a node and which of its outputs. shapes: those of variables, by name."""
    written = json.loads(symbol.tojson())
    nodes = [
        Node(node["op"], node["name"], attrs=dict(node.get("attrs", {})), shape=shapes.get(node["name"]))
        for node in written["nodes"]
    ]
    for node, values in zip(nodes, written["nodes"]):
        node.inputs = [(nodes[number], output) for number, output, _ in values["inputs"]]
    return [(nodes[number], output) for number, output, _ in written["heads"]]


def write_graph(outputs: list[Entry]) -> mx.sym.Symbol:
    """The symbol with these outputs."""
    nodes = in_order(outputs)
    number = {node: i for i, node in enumerate(nodes)}

    def entries(inputs: list[Entry]) -> list[list[int]]:
        return [[number[node], output, 0] for node, output in inputs]

    written = {
        "nodes": [
            {"op": node.op, "name": node.name, "attrs": node.attrs, "inputs": entries(node.inputs)} for node in nodes
        ],
        "arg_nodes": [number[node] for node in nodes if node.op == "null"],
        "heads": entries(outputs),
        "attrs": {"mxnet_version": ["int", int(mx.__version__.replace(".", "0"))]},
    }
    return mx.sym.load_json(json.dumps(written))


def in_order(outputs: list[Entry]) -> list[Node]:
    """Every node that the outputs need, after those that it needs itself."""
    found: dict[Node, None] = {}
    waiting = [node for node, _ in reversed(outputs)]
    while waiting:
        node = waiting[-1]
        missing = [below for below, _ in node.inputs if below not in found]
        if missing:
            waiting += reversed(missing)
        else:
            found[node] = None
            waiting.pop()
    return list(found)


def users_of(outputs: list[Entry]) -> dict[Node, list[Node]]:
    """The nodes that compute from each node; an output of the graph counts as one more."""
    users: dict[Node, list[Node]] = collections.defaultdict(list)
    for node in in_order(outputs):
        for below, _ in node.inputs:
            users[below].append(node)
    for node, _ in outputs:
        users[node].append(Node("output", "output"))
    return users


def cached_operator(
    symbol: mx.sym.Symbol, values: dict[str, nd.NDArray], inputs: Sequence[str] = ("data",)
) -> Callable[..., nd.NDArray]:
    """The function of its inputs that the symbol is, with static memory: a call writes where the last one did.

    values: every other input, by name; those of other names are not used. A symbol of several outputs gives a list.
    """
    names = symbol.list_inputs()
    given = []
    for name in inputs:
        (position,) = (i for i, found in enumerate(names) if found == name)
        given.append(position)
    others = [i for i in range(len(names)) if i not in given]
    flags = [("data_indices", given), ("param_indices", others), ("static_alloc", True), ("static_shape", True)]
    operator = nd.CachedOp(symbol, flags)

    def compute(*arrays: nd.NDArray) -> nd.NDArray:
        now = dict(zip(inputs, arrays))
        return operator(*(now[name] if name in now else values[name] for name in names))

    return compute


def values_on(device: mx.Context, net: gluon.HybridBlock) -> dict[str, nd.NDArray]:
    """A network's own arrays on a device, by name, for cached_operator."""
    return {name: parameter.data(device) for name, parameter in net.collect_params().items()}


def where_the_input_is(operators: dict[mx.Context, Forward]) -> Forward:
    """One function for several devices: it computes on the one that its input is on."""
    return lambda X: operators[X.context](X)
