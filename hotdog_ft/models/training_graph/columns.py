"""Depthwise kernels of five columns, as two of three.

oneDNN's gradient of a depthwise kernel is fast up to three columns. Beyond, a layer takes up to 1.8 times as long as
by two kernels that share the columns, though the image must be shifted for them.
"""

from __future__ import annotations

import numpy as np

from hotdog_ft.models.graph import Node
from hotdog_ft.models.training_graph.plan import Plan


def is_wide(node: Node) -> bool:
    """Whether the node filters each channel by itself, without bias, by kernels of five rows and columns.

    A sixth of zeros may come first.
    """
    return (
        node.op == "Convolution"
        and node.attrs["kernel"] == ("(6, 6)" if _begins_with_zeros(node) else "(5, 5)")
        and node.attrs.get("pad") == "(2, 2)"
        and node.attrs.get("dilate", "(1, 1)") == "(1, 1)"
        and node.attrs.get("num_group") == node.attrs["num_filter"]
        and node.attrs.get("no_bias", "False") == "True"
    )


def split(node: Node, plan: Plan) -> None:
    """Make the convolution a sum of two: by the first three of its five columns, and by the others behind a zero."""
    first = 1 if _begins_with_zeros(node) else 0
    rows = first + 5
    zeros = plan.constant(f"{node.name}_zeros", np.zeros((int(node.attrs["num_filter"]), 1, rows, 1), np.float32))
    others = [(zeros, 0), (_columns(node, first + 3, first + 5), 0)]
    behind_zero = Node("Concat", f"{node.name}_others", others, {"num_args": "2", "dim": "3"})
    # In a row of the image, the kernel begins 2 places before the one that is computed.
    left = _convolve(node, _columns(node, first, first + 3), first - 2, plan)
    right = _convolve(node, behind_zero, first, plan)
    node.op, node.attrs, node.inputs = "elemwise_add", {}, [(left, 0), (right, 0)]


def _begins_with_zeros(node: Node) -> bool:
    """Whether "same" padding has put a row and a column of zeros before the kernel (efficientnet_lite.SameConv2D)."""
    kernel = node.inputs[1][0]
    return kernel.op == "Concat" and kernel.inputs[0][0].op == "zeros_like"


def _columns(node: Node, begin: int, end: int) -> Node:
    """These columns of the convolution's kernel."""
    attrs = {"axis": "3", "begin": str(begin), "end": str(end)}
    return Node("slice_axis", f"{node.name}_columns{begin}", [node.inputs[1]], attrs)


def _convolve(node: Node, kernel: Node, begin: int, plan: Plan) -> Node:
    """The convolution by a kernel of three columns, the first for `begin` places right of the one that is computed."""
    x, (_, rows) = node.inputs[0], node.attrs["kernel"].strip("()").split(", ")
    attrs = {**node.attrs, "kernel": f"({rows}, 3)", "pad": "(2, 1)"}
    if begin != -1:
        x, attrs["pad"] = (_shifted(node, begin, plan), 0), "(2, 0)"
    return Node("Convolution", f"{node.name}_from{begin}", [x, (kernel, 0)], attrs)


def _shifted(node: Node, begin: int, plan: Plan) -> Node:
    """The convolution's input from place `begin` on in each row, with zeros outside of it, two places wider.

    By a convolution, since that keeps oneDNN's layout.
    """
    pad = max(2, begin + 2)
    width = 2 * pad - 1
    one = np.zeros((int(node.attrs["num_filter"]), 1, 1, width), np.float32)
    one[..., pad + begin] = 1
    attrs = {**node.attrs, "kernel": f"(1, {width})", "pad": f"(0, {pad})", "stride": "(1, 1)"}
    kernel = plan.constant(f"{node.name}_shift{begin}", one)
    return Node("Convolution", f"{node.name}_shifted{begin}", [node.inputs[0], (kernel, 0)], attrs)
