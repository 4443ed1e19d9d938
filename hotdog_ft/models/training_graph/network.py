"""What training calls in place of the network."""

from __future__ import annotations

import logging
from collections.abc import Callable

from hotdog_ft.backend import mx, nd, onednn_enabled
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.graph import Forward, cached_operator, values_on
from hotdog_ft.models.photo_input import normalized_first
from hotdog_ft.models.training_graph.faster import faster
from hotdog_ft.models.training_graph.plan import Plan
from hotdog_ft.models.training_graph.trial import difference

log = logging.getLogger(__name__)


def training_network(net: Classifier, devices: list[mx.Context]) -> Forward:
    """What to call in place of `net` to train it: its own parameters, gradients and running statistics.

    `net` itself on GPUs. When layers have been frozen or freed, make another of this.
    """
    if any(device.device_type != "cpu" for device in devices):
        return net
    return normalized_first(net, faster_network(net, devices) or (lambda device: net.net), devices)


def faster_network(net: Classifier, devices: list[mx.Context]) -> Callable[[mx.Context], Forward] | None:
    """The faster graph in place of `net.net`, by device.

    None without oneDNN, where there is nothing to gain, or where a step of a few photos shows a difference.
    """
    if not onednn_enabled():
        return None
    symbol = net.net(mx.sym.var("data"))
    plan = faster(symbol, {name: parameter.shape for name, parameter in net.collect_params().items()})
    if plan is None:
        return None
    try:
        found = difference(net, devices[0], plan)
    except mx.MXNetError as error:
        found = str(error)
    if found:
        log.debug("The faster graph is not used: %s", found)
        return None
    return lambda device: cached_operator(plan.symbol, _own_arguments(plan, net, device))


def _own_arguments(plan: Plan, net: Classifier, device: mx.Context) -> dict[str, nd.NDArray]:
    """What the graph computes from on a device, by name.

    The backward pass writes running statistics. Those that the graph takes with more channels are other arrays than the
    parameter's, so the parameter's becomes the first part of that.
    """
    arguments = plan.arguments(values_on(device, net), device)
    for name in plan.widened:
        parameter = net.collect_params()[name]
        parameter._data[parameter.list_ctx().index(device)] = arguments[name][: parameter.shape[0]]
    return arguments
