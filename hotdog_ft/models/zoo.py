"""Build a network of the table: Gluon's model zoo and EfficientNet-Lite, all with `features` and `output`."""

from __future__ import annotations

import contextlib
import io
import math

from hotdog_ft.backend import gluon, mx, nd
from hotdog_ft.errors import ConfigError
from hotdog_ft.models.efficientnet_lite import efficientnet_lite0, efficientnet_lite1, efficientnet_lite2

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
    net = build_source(name, image_size, classes)
    if name.startswith("squeezenet"):
        output = gluon.nn.HybridSequential(prefix="output_")
        output.add(gluon.nn.GlobalAvgPool2D(), gluon.nn.Flatten(), gluon.nn.Dense(classes, in_units=512))
        net.output = output
    infer_shapes(net, name, image_size)
    return net


def build_source(name: str, image_size: int, classes: int = 1000) -> gluon.HybridBlock:
    """The network as it was trained on ImageNet: shapes may be unknown, there are no values."""
    if name in _OWN_NETWORKS:
        return _OWN_NETWORKS[name](classes=classes, image_size=image_size)
    return gluon.model_zoo.vision.get_model(name, classes=classes)


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


def output_layer(net: gluon.HybridBlock) -> str:
    """The layer that decides, as Gluon describes it: `Dense(512 -> 1000, linear)`."""
    output = net.output
    if isinstance(output, gluon.nn.HybridSequential):
        return next(repr(layer) for layer in output if layer.collect_params().keys())
    return repr(output)


def count_parameters(net: gluon.HybridBlock) -> int:
    """The number of values that training could change."""
    return sum(math.prod(p.shape) for p in net.collect_params().values() if p.grad_req != "null")
