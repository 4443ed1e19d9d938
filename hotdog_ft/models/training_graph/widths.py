"""Channels in multiples of 16.

With AVX-512, oneDNN keeps channels in blocks of 16, but around a convolution of 24 or 40 channels in blocks of 8, and
the gradient of `BatchNormWithReLU` takes no mixture. Such channels get company: more, which are and stay zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

import numpy as np

from hotdog_ft.models.graph import Node, in_order, users_of
from hotdog_ft.models.training_graph.plan import Plan

BLOCK = 16
"""Channels that oneDNN keeps together, at most."""


@dataclass
class _Part:
    """Nodes that share a number of channels that isn't a multiple of BLOCK."""

    channels: int
    producers: list[Node] = field(default_factory=list)
    """Convolutions that give them."""
    norms: list[Node] = field(default_factory=list)
    consumers: list[Node] = field(default_factory=list)
    """Convolutions that take them."""


def widen(outputs: list[tuple[Node, int]], plan: Plan) -> None:
    """Widen what lies between convolutions with nothing but BatchNorm and addition, where zeros stay zeros."""
    users = users_of(outputs)
    met: set[Node] = set()
    for node in in_order(outputs):
        if _is_dense(node) and int(node.attrs["num_filter"]) % BLOCK and node not in met:
            part = _explore(node, users, met)
            if part is not None:
                _widen_part(part, plan)


def _is_dense(node: Node) -> bool:
    """Whether the node is a convolution of all channels, without bias, by a weight of known shape."""
    return (
        node.op == "Convolution"
        and node.attrs.get("num_group", "1") == "1"
        and node.attrs.get("no_bias", "False") == "True"
        and node.inputs[1][0].shape is not None
    )


def _explore(start: Node, users: dict[Node, list[Node]], met: set[Node]) -> Optional[_Part]:
    """All that shares channels with what `start` gives, or None when something among it can't be widened."""
    part = _Part(int(start.attrs["num_filter"]))
    waiting, seen, fits = [start], {start}, True
    while waiting:
        node = waiting.pop()
        if node.op == "Convolution":
            part.producers.append(node)
            near = list(users[node])
        else:
            if node.op == "BatchNorm":
                part.norms.append(node)
            near = users[node] + [below for below, _ in node.inputs[: 1 if node.op == "BatchNorm" else 2]]
        for other in near:
            if _is_dense(other) and other in users[node] and other.inputs[0][0] is node:
                part.consumers.append(other)
            elif other not in seen and (other.op in ("BatchNorm", "elemwise_add") or _is_dense(other)):
                seen.add(other)
                waiting.append(other)
            elif other not in seen:
                fits = False
    met |= set(part.producers)
    return part if fits else None


def _widen_part(part: _Part, plan: Plan) -> None:
    """Give a part as many channels as its next multiple of BLOCK; the new ones are zero in all that it computes."""
    more = -part.channels % BLOCK
    for conv in part.producers:
        conv.attrs["num_filter"] = str(part.channels + more)
        conv.inputs[1] = (_with_zeros(conv.inputs[1], 0, more, plan, f"{conv.name}_given"), 0)
    for norm in part.norms:
        x, gamma, beta, *statistics = norm.inputs
        wide = [
            (_with_zeros(entry, 0, more, plan, f"{norm.name}_{name}"), 0)
            for name, entry in (("gamma", gamma), ("beta", beta))
        ]
        norm.inputs = [x, *wide, *statistics]
        plan.widened.update({node.name: part.channels + more for node, _ in statistics})
    for conv in part.consumers:
        conv.inputs[1] = (_with_zeros(conv.inputs[1], 1, more, plan, f"{conv.name}_taken"), 0)


def _with_zeros(entry: tuple[Node, int], axis: int, more: int, plan: Plan, name: str) -> Node:
    """The values with `more` zeros after them along an axis."""
    shape = list(entry[0].shape or ())
    shape[axis] = more
    zeros = plan.constant(f"{name}_zeros", np.zeros(shape, np.float32))
    shape[axis] += (entry[0].shape or ())[axis]
    return Node("Concat", name, [entry, (zeros, 0)], {"num_args": "2", "dim": str(axis)}, tuple(shape))
