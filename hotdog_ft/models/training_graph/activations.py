"""ReLU and ReLU6 after a BatchNorm, as one operator with it.

By itself ReLU is a pass of its own over the data, and ReLU6 is `clip`, which oneDNN doesn't have: values leave its
layout for it and go back, forward and backward. `BatchNormWithReLU` does both at once. For ReLU6 two of them do:
min(max(y, 0), 6) = relu(6 - relu(6 - y)), and with y = gamma n + beta the inner one is a BatchNorm with -gamma and
6 - beta, the outer one a BatchNorm that divides by 1 and takes from 6.
"""

from __future__ import annotations

import numpy as np

from hotdog_ft.models.graph import Node
from hotdog_ft.models.training_graph.plan import Plan

MERGED = "_contrib_BatchNormWithReLU"


def is_relu(node: Node) -> bool:
    """Whether the node is a ReLU."""
    return node.op == "Activation" and node.attrs.get("act_type") == "relu"


def is_relu6(node: Node) -> bool:
    """Whether the node is a ReLU6."""
    return node.op == "clip" and (float(node.attrs["a_min"]), float(node.attrs["a_max"])) == (0, 6)


def can_merge(node: Node, users: dict[Node, list[Node]]) -> bool:
    """Whether the node is a ReLU or ReLU6, and all that is made of a BatchNorm that scales, for convolutions alone.

    Others, such as pooling, may hand back a gradient in another of oneDNN's layouts than the data's.
    users: the nodes that compute from each node.
    """
    if not is_relu(node) and not is_relu6(node):
        return False
    norm = node.inputs[0][0]
    return (
        norm.op == "BatchNorm"
        and norm.attrs.get("axis", "1") == "1"
        and norm.attrs.get("fix_gamma", "True") == "False"
        and norm.attrs.get("output_mean_var", "False") == "False"
        and len(users[norm]) == 1
        and all(user.op == "Convolution" for user in users[node])
    )


def merge(node: Node, plan: Plan) -> None:
    """Make the activation a BatchNormWithReLU, or two, in place of the BatchNorm before it."""
    norm = node.inputs[0][0]
    attrs = {name: value for name, value in norm.attrs.items() if name != "cudnn_off"}
    if is_relu(node):
        node.op, node.attrs, node.inputs = MERGED, attrs, norm.inputs
        return
    x, gamma, beta, mean, variance = norm.inputs
    negative = Node("negative", f"{norm.name}_negative", [gamma])
    flipped = Node("_rminus_scalar", f"{norm.name}_flipped", [beta], {"scalar": "6"})
    inner = Node(MERGED, f"{norm.name}_inner", [x, (negative, 0), (flipped, 0), mean, variance], attrs)

    ones = np.ones(gamma[0].shape or (), np.float32)
    epsilon = np.float32(norm.attrs["eps"])
    constants = {"gamma": -ones, "beta": 6 * ones, "mean": 0 * ones, "variance": ones - epsilon}
    given = [(plan.constant(f"{node.name}_{name}", value), 0) for name, value in constants.items()]
    node.op, node.attrs, node.inputs = MERGED, {**attrs, "use_global_stats": "True"}, [(inner, 0), *given]
