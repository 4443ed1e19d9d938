"""The faster graph of a network."""

from __future__ import annotations

from hotdog_ft.backend import mx
from hotdog_ft.models.graph import in_order, read_graph, users_of, write_graph
from hotdog_ft.models.training_graph.activations import can_merge, is_relu6, merge
from hotdog_ft.models.training_graph.columns import is_wide, split
from hotdog_ft.models.training_graph.plan import Plan
from hotdog_ft.models.training_graph.widths import widen


def faster(symbol: mx.sym.Symbol, shapes: dict[str, tuple[int, ...]]) -> Plan | None:
    """The same function for training, or None where there is nothing to gain. shapes: the parameters', by name."""
    outputs = read_graph(symbol, shapes)
    plan = Plan(symbol)
    users = users_of(outputs)
    activations = [node for node in in_order(outputs) if can_merge(node, users)]
    wide = [node for node in in_order(outputs) if is_wide(node)]
    if not activations and not wide:
        return None
    has_narrow_layers = any(is_relu6(node) for node in activations)  # as networks with ReLU6 do
    for node in activations:
        merge(node, plan)
    if has_narrow_layers:
        widen(outputs, plan)
    for node in wide:
        split(node, plan)
    plan.symbol = write_graph(outputs)
    return plan
