"""A step by the plain graph and by the faster one, on this processor and at the network's size: are they the same?

Where an activation cuts must not hang on rounding, and yet not be everywhere the same. So BatchNorm's shifts are chosen
that cut whole channels, below, above or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

import numpy as np

from hotdog_ft.backend import autograd, mx, nd
from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.graph import Node, cached_operator, in_order, read_graph, write_graph
from hotdog_ft.models.photo_input import NormalizePhotoByPhoto, photos_on
from hotdog_ft.models.training_graph.plan import Plan

TOLERANCE = 1e-3
"""How far logits, gradients and running statistics may be from the plain graph's, as a part of their length."""
SCALES, SHIFTS = (0.25, 0.5), (-3, 3, 9)
"""BatchNorm's: from, to; and each of these. So values lie six standard deviations or more from 0 and 6."""
FEWEST_PHOTOS, FEWEST_VALUES = 2, 32
"""Of a batch, and of each channel in the last layers' maps of it, so that they vary by more than rounding does."""
LEAST_VARIANCE = 0.01
"""Of a frozen BatchNorm, as a part of the mean square of its maps: what has less, a channel that is cut everywhere or
maps of one value where padding made all the difference, would be made of rounding."""
REDUCTION = 32
"""How many times smaller than the photo those maps are."""

Values = dict[str, nd.NDArray]


def difference(net: Classifier, device: mx.Context, plan: Plan) -> Optional[str]:
    """What the faster graph does otherwise than `net` in a step of a few photos; None when it is the same.

    `net` itself, its gradients and its statistics are left alone. Raises: MXNetError, where a step fails.
    """
    plain = Plan(net.net(mx.sym.var("data")))
    values = {name: parameter.data(device).copy() for name, parameter in net.collect_params().items()}
    trained = [name for name, parameter in net.collect_params().items() if parameter.grad_req != "null"]
    X = _photos(net.preprocess, device)
    norms = [node for node in in_order(read_graph(plain.symbol, {})) if node.op == "BatchNorm"]
    _separate(norms, values)
    if any(norm.attrs.get("use_global_stats") == "True" for norm in norms):
        _gather_statistics(plain, norms, values, X)
    expected, found = (
        _step(each, {name: value.copy() for name, value in values.items()}, trained, X) for each in (plain, plan)
    )
    for what in expected:
        distance, length = np.linalg.norm(found[what] - expected[what]), np.linalg.norm(expected[what])
        if not distance <= TOLERANCE * length:  # neither where one of them is no number
            return f"the {what} differ by {distance:g} of {length:g}"
    return None


def _photos(preprocess: Preprocess, device: mx.Context) -> nd.NDArray:
    """Random pixels, normalised: float32, shape (photos, 3, image_size, image_size)."""
    size = preprocess.image_size
    count = max(FEWEST_PHOTOS, FEWEST_VALUES // max(1, size // REDUCTION) ** 2)
    X = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    return NormalizePhotoByPhoto(preprocess)(photos_on(device, X))


def _separate(norms: list[Node], values: Values) -> None:
    """Have each channel of a BatchNorm on one side of where an activation cuts."""
    random = np.random.default_rng(0)
    for gamma, beta in ((values[norm.inputs[1][0].name], values[norm.inputs[2][0].name]) for norm in norms):
        gamma[:] = nd.array(random.uniform(*SCALES, gamma.shape), ctx=gamma.context)
        beta[:] = nd.array(random.choice(SHIFTS, beta.shape), ctx=beta.context)


def _gather_statistics(plain: Plan, norms: list[Node], values: Values, X: nd.NDArray) -> None:
    """Make running statistics such as X has, for layers that normalise by them."""
    outputs = read_graph(plain.symbol, {})
    for node in in_order(outputs):
        if node.op == "BatchNorm":
            node.attrs.update(use_global_stats="False", momentum="0")
    scales = [norm.inputs[1][0].name for norm in norms]  # their gradients take the backward pass to every BatchNorm
    _step(Plan(write_graph(outputs)), values, scales, X)
    for mean, variance in ((values[norm.inputs[3][0].name], values[norm.inputs[4][0].name]) for norm in norms):
        variance += LEAST_VARIANCE * (mean**2 + variance).mean()


def _step(plan: Plan, values: Values, trained: list[str], X: nd.NDArray) -> dict[str, np.ndarray]:
    """Logits of X, gradients of the parameters `trained` and running statistics, each as one vector, without Dropout.

    The running statistics among `values` move.
    """
    outputs = read_graph(plan.symbol, {})
    for node in in_order(outputs):
        if node.op == "Dropout":
            node.attrs["p"] = "0"
    given = plan.arguments(values, X.context)
    for name in trained:
        given[name].attach_grad()
    with autograd.record():
        logits = cached_operator(write_graph(outputs), given)(X)
    logits.backward()
    nd.waitall()  # running statistics are written in the backward pass, and not among what is waited for
    statistics = [given[name][: len(values[name])] for name in values if name.endswith(("running_mean", "running_var"))]
    return {
        "logits": _vector([logits]),
        "gradients": _vector([given[name].grad for name in trained]),
        "running statistics": _vector(statistics),
    }


def _vector(arrays: Iterable[nd.NDArray]) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.float32), *(array.asnumpy().ravel() for array in arrays)])
