"""What training calls in place of the network."""

from __future__ import annotations

import logging

from hotdog_ft.backend import mx, nd, onednn_enabled
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.graph import Forward, cached_operator, values_on, where_the_input_is
from hotdog_ft.models.training_graph.faster import faster
from hotdog_ft.models.training_graph.plan import Plan
from hotdog_ft.models.training_graph.trial import difference

log = logging.getLogger(__name__)


def training_network(net: Classifier, devices: list[mx.Context]) -> Forward:
    """What to call in place of `net` to train it: its own parameters, gradients and running statistics.

    `net` itself where the faster graph isn't for it: on GPUs, without oneDNN, with nothing to gain, or where a step of
    a few photos shows a difference. When layers have been frozen or freed, make another of this.
    """
    if not onednn_enabled() or any(device.device_type != "cpu" for device in devices):
        return net
    symbol = net(mx.sym.var("data"))
    plan = faster(symbol, {name: parameter.shape for name, parameter in net.collect_params().items()})
    if plan is None:
        return net
    try:
        found = difference(net, devices[0], plan)
    except mx.MXNetError as error:
        found = str(error)
    if found:
        log.debug("The faster graph is not used: %s", found)
        return net
    return where_the_input_is(
        {device: cached_operator(plan.symbol, _own_arguments(plan, net, device)) for device in devices}
    )


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
