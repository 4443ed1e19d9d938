"""Build a network of the table, from Gluon's zoo, GluonCV's or our own, and tell which layer is its output.

The zoos call that layer `output`, `fc`, `classifier` or `out`, and it is dense here and a convolution there. One rule
finds it in all of them: it is what changes its shape with the number of classes.
"""

from __future__ import annotations

import contextlib
import functools
import io
import math
from typing import Any

from hotdog_ft.backend import disable_onednn, gluon, hidden, mx, nd
from hotdog_ft.errors import ConfigError
from hotdog_ft.models.efficientnet_lite import efficientnet_lite0, efficientnet_lite1, efficientnet_lite2
from hotdog_ft.models.group_norm import GroupNorm
from hotdog_ft.models.table import Network, find_network
from hotdog_ft.models.together import Together

_OWN_NETWORKS = {
    "efficientnet_lite0": efficientnet_lite0,
    "efficientnet_lite1": efficientnet_lite1,
    "efficientnet_lite2": efficientnet_lite2,
}


def build(name: str, classes: int, image_size: int) -> gluon.HybridBlock:
    """A network with all shapes known and no values yet; its output layer has `classes` units.

    SqueezeNet's own output layer ends in a ReLU, behind which a few classes die in training or never learn: it gets
    global average pooling and a dense layer instead. Raises: ConfigError, when it can't take images of this size.
    """
    if not find_network(name).onednn:
        disable_onednn()
    net = _build_target(name, image_size, classes)
    infer_shapes(net, name, image_size)
    return net


def build_source(name: str, image_size: int, classes: int = 1000) -> gluon.HybridBlock:
    """The network as it was trained on ImageNet: shapes may be unknown, there are no values.

    Raises: ConfigError, when its zoo isn't installed.
    """
    network = find_network(name)
    if network.parts:
        return Together([build_source(part.name, image_size) for part in network.parts], classes)
    if network.zoo == "own":
        return _OWN_NETWORKS[name](classes=classes, image_size=image_size)
    if network.zoo == "gluon":
        return gluon.model_zoo.vision.get_model(name, classes=classes)
    return _build_gluoncv(network, classes)


def infer_shapes(net: gluon.HybridBlock, name: str, image_size: int) -> None:
    """Work out the shapes that depend on the input, so that nothing stays deferred."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # MXNet prints before it raises
            net.infer_shape(nd.zeros((1, 3, image_size, image_size)))
    except (mx.MXNetError, ValueError, AssertionError) as error:
        raise ConfigError(
            f"--image-size: {name} can't take images of {image_size} x {image_size} pixels.",
            hint="Leave --image-size out to use the network's own size.",
        ) from error


@functools.cache
def output_names(name: str) -> tuple[str, ...]:
    """The output layer's parameters in `build`'s network, by structured name: those that change with the classes."""
    size = find_network(name).preprocess.image_size
    return _differing(_build_target(name, size, 2), _build_target(name, size, 3))


@functools.cache
def source_output_names(name: str) -> tuple[str, ...]:
    """The same in `build_source`'s network, in the same order. The names differ for SqueezeNet alone."""
    size = find_network(name).preprocess.image_size
    return _differing(build_source(name, size, 2), build_source(name, size, 3))


def output_layer(name: str, net: gluon.HybridBlock) -> str:
    """The layer that decides, as Gluon describes it: `Dense(512 -> 1000, linear)`."""
    block = net
    for part in output_names(name)[0].split(".")[:-1]:
        block = block._children[part]
    return repr(block)


def count_parameters(net: gluon.HybridBlock) -> int:
    """The number of values that training could change."""
    return sum(math.prod(p.shape) for p in net.collect_params().values() if p.grad_req != "null")


def _build_target(name: str, image_size: int, classes: int) -> gluon.HybridBlock:
    net = build_source(name, image_size, classes)
    if name.startswith("squeezenet"):
        output = gluon.nn.HybridSequential(prefix="output_")
        output.add(gluon.nn.GlobalAvgPool2D(), gluon.nn.Flatten(), gluon.nn.Dense(classes, in_units=512))
        net.output = output
    return net


def _differing(net: gluon.HybridBlock, other: gluon.HybridBlock) -> tuple[str, ...]:
    shapes = {key: parameter.shape for key, parameter in other._collect_params_with_prefix().items()}
    return tuple(key for key, parameter in net._collect_params_with_prefix().items() if parameter.shape != shapes[key])


def _build_gluoncv(network: Network, classes: int) -> gluon.HybridBlock:
    """A network of GluonCV's zoo, by that zoo's names; the exceptions among its functions are met here."""
    zoo = _gluoncv_model_zoo(network.name)
    options: dict[str, Any] = {"pretrained": False}
    if network.family == "NASNet":
        options["use_aux"] = False  # a second output, which would never get a gradient
    if network.name.endswith("_gn"):  # GluonCV's own group normalisation can't be hybridized
        layers = {"resnet50_v1b_gn": [3, 4, 6, 3], "resnet101_v1b_gn": [3, 4, 23, 3]}[network.name]
        return zoo.ResNetV1b(zoo.BottleneckV1b, layers, classes=classes, norm_layer=GroupNorm, name_prefix="resnetv1b_")
    if network.family == "HRNet":
        return zoo.get_model(network.name, num_classes=classes, **options)  # it ignores `classes`
    if network.family != "ResNet, pruned":
        net = zoo.get_model(network.name, classes=classes, **options)
        net.apply(_never_drop_blocks)
        return net
    net = zoo.get_model(network.name, **options)  # always of 1000 classes
    if classes != 1000:
        with net.name_scope():
            net.fc = gluon.nn.Dense(classes, in_units=net.fc._in_units)
    return net


def _never_drop_blocks(block: gluon.Block) -> None:
    """Turn ResNeSt's DropBlock off: hybridized as it is, it would go on in evaluation, or stay out of training.

    It asks whether the network is training when that is traced, and the answer stays in the graph.
    """
    if type(block).__name__ == "DropBlock":
        block.drop_prob = 0


def _gluoncv_model_zoo(name: str) -> Any:
    """GluonCV's `model_zoo`. Raises: ConfigError."""
    try:
        with hidden("torch"):  # it refuses to be imported beside PyTorch 2
            from gluoncv import model_zoo
    except (ImportError, RuntimeError) as error:
        raise ConfigError(
            f"--model: {name} is one of GluonCV's networks, and GluonCV can't be imported ({error}).",
            hint="Run scripts/setup; or pip install 'hotdog-ft[gluoncv]', and then --no-deps gluoncv==0.10.5.post0.",
        ) from error
    return model_zoo
